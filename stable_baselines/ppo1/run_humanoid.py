"""Train PPO1 on MuJoCo's humanoid: ``mpirun -np 16 python -m stable_baselines.ppo1.run_humanoid``, see ``--help``"""
from typing import Optional

from stable_baselines import logger
from stable_baselines.common.cmd_util import MUJOCO_ENV, make_mujoco_env, mujoco_arg_parser, play, seed_of_process
from stable_baselines.common.gym_compat import RewardWrapper
from stable_baselines.common.mpi_util import mpi_rank_or_zero
from stable_baselines.ppo1.pposgd_simple import PPO1

HUMANOID = 'Humanoid-' + MUJOCO_ENV.rpartition('-')[2]


class _Tenth(RewardWrapper):
    """Show a tenth of the rewards, which a value function learns more easily; a Monitor inside knows the true ones."""

    def reward(self, reward: float) -> float:
        return .1 * reward


def train(num_timesteps: int, seed: int, model_path: Optional[str] = None, env_id: str = HUMANOID) -> PPO1:
    """
    Train PPO1 on the humanoid.

    :param num_timesteps: number of steps, over all processes
    :param seed: seed of the first process, see ``seed_of_process``
    :param model_path: where the first process saves the model; None does not save it
    :param env_id: the id of the environment
    :return: the model, its environment closed
    """
    env = _Tenth(make_mujoco_env(env_id, seed))
    try:
        model = PPO1('MlpPolicy', env, timesteps_per_actorbatch=2048, clip_param=0.2, entcoeff=0.0, optim_epochs=10,
                     optim_stepsize=3e-4, optim_batchsize=64, gamma=0.99, lam=0.95, schedule='constant', verbose=1,
                     seed=seed_of_process(seed))
        model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()
    if model_path is not None and mpi_rank_or_zero() == 0:
        model.save(model_path)
    return model


def main() -> None:
    """Read the command line, then train, or with --play show a saved model."""
    parser = mujoco_arg_parser()
    parser.add_argument('--model-path', help='where to save the model, or to find it with --play', default='humanoid')
    parser.set_defaults(env=HUMANOID, num_timesteps=int(2e7))
    args = parser.parse_args()
    if mpi_rank_or_zero() == 0:
        logger.configure()
    if args.play:
        play(PPO1.load(args.model_path), make_mujoco_env(args.env, args.seed))
    else:
        train(args.num_timesteps, args.seed, args.model_path, args.env)


if __name__ == '__main__':
    main()
