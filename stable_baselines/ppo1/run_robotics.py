"""Train PPO1 on a robotics task: ``mpirun -np 8 python -m stable_baselines.ppo1.run_robotics``, see ``--help``"""
from stable_baselines import logger
from stable_baselines.common.cmd_util import make_robotics_env, robotics_arg_parser, seed_of_process
from stable_baselines.common.mpi_util import mpi_rank_or_zero
from stable_baselines.ppo1.pposgd_simple import PPO1


def train(env_id: str, num_timesteps: int, seed: int) -> PPO1:
    """
    Train PPO1 on an environment with goals.

    :param env_id: the id of the environment
    :param num_timesteps: number of steps, over all processes
    :param seed: seed of the first process, see ``seed_of_process``
    :return: the model, its environment closed
    """
    seed = seed_of_process(seed)
    env = make_robotics_env(env_id, seed, rank=mpi_rank_or_zero())
    try:
        model = PPO1('MlpPolicy', env, timesteps_per_actorbatch=2048, clip_param=0.2, entcoeff=0.0, optim_epochs=5,
                     optim_stepsize=3e-4, optim_batchsize=256, gamma=0.99, lam=0.95, schedule='linear', verbose=1,
                     seed=seed, policy_kwargs=dict(net_arch=[dict(vf=[256] * 3, pi=[256] * 3)]))
        return model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()


def main() -> None:
    """Read the command line and train; the first process reports."""
    args = robotics_arg_parser().parse_args()
    if mpi_rank_or_zero() == 0:
        logger.configure()
    train(args.env, args.num_timesteps, args.seed)


if __name__ == '__main__':
    main()
