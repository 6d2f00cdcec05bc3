"""Train TRPO on an Atari game: ``mpirun -np 16 python -m stable_baselines.trpo_mpi.run_atari``, see ``--help``"""
from stable_baselines import logger
from stable_baselines.common.cmd_util import atari_arg_parser, seed_of_process, train_atari
from stable_baselines.common.mpi_util import mpi_rank_or_zero
from stable_baselines.trpo_mpi.trpo_mpi import TRPO


def train(env_id: str, num_timesteps: int, seed: int) -> TRPO:
    """
    Train TRPO with hyperparameters for Atari games, see ``train_atari``.

    :param num_timesteps: number of steps, over all processes
    :param seed: seed of the first process, see ``seed_of_process``
    """
    return train_atari(TRPO, env_id, num_timesteps, seed_of_process(seed), 'cnn', 1, timesteps_per_batch=512,
                       max_kl=0.001, cg_iters=10, cg_damping=1e-3, entcoeff=0.0, gamma=0.98, lam=1, vf_iters=3,
                       vf_stepsize=1e-4)


def main() -> None:
    """Read the command line and train; the first process reports."""
    args = atari_arg_parser().parse_args()
    if mpi_rank_or_zero() == 0:
        logger.configure()
    train(args.env, args.num_timesteps, args.seed)


if __name__ == '__main__':
    main()
