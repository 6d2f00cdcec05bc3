"""Train PPO1 on an Atari game: ``mpirun -np 8 python -m stable_baselines.ppo1.run_atari``, see ``--help``"""
from stable_baselines import logger
from stable_baselines.common.cmd_util import atari_arg_parser, seed_of_process, train_atari
from stable_baselines.common.mpi_util import mpi_rank_or_zero
from stable_baselines.ppo1.pposgd_simple import PPO1


def train(env_id: str, num_timesteps: int, seed: int) -> PPO1:
    """
    Train PPO1 with the hyperparameters of its paper for Atari games, see ``train_atari``.

    :param num_timesteps: number of steps, over all processes
    :param seed: seed of the first process, see ``seed_of_process``
    """
    return train_atari(PPO1, env_id, num_timesteps, seed_of_process(seed), 'cnn', 1, timesteps_per_actorbatch=256,
                       clip_param=0.2, entcoeff=0.01, optim_epochs=4, optim_stepsize=1e-3, optim_batchsize=64,
                       gamma=0.99, lam=0.95, schedule='linear')


def main() -> None:
    """Read the command line and train; the first process reports."""
    args = atari_arg_parser().parse_args()
    if mpi_rank_or_zero() == 0:
        logger.configure()
    train(args.env, args.num_timesteps, args.seed)


if __name__ == '__main__':
    main()
