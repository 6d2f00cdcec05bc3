"""Train ACKTR on an Atari game: ``python -m stable_baselines.acktr.run_atari --help``"""
from stable_baselines import logger
from stable_baselines.acktr.acktr import ACKTR
from stable_baselines.common.cmd_util import atari_arg_parser, train_atari


def train(env_id: str, num_timesteps: int, seed: int, num_cpu: int) -> ACKTR:
    """
    Train ACKTR with its default hyperparameters, see ``train_atari``.

    :param num_cpu: number of environments
    """
    # with all cores, because the decompositions are large: a run does not repeat to the last bit
    return train_atari(ACKTR, env_id, num_timesteps, seed, 'cnn', num_cpu, n_cpu_tf_sess=None)


def main() -> None:
    """Read the command line and train."""
    args = atari_arg_parser().parse_args()
    logger.configure()
    train(args.env, args.num_timesteps, args.seed, num_cpu=32)


if __name__ == '__main__':
    main()
