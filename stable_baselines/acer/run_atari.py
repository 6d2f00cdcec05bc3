"""Train ACER on an Atari game: ``python -m stable_baselines.acer.run_atari --help``"""
from stable_baselines import logger
from stable_baselines.acer.acer_simple import ACER
from stable_baselines.common.cmd_util import atari_policy_parser, train_atari


def train(env_id: str, num_timesteps: int, seed: int, policy: str, lr_schedule: str, num_cpu: int) -> ACER:
    """
    Train ACER with its default hyperparameters, see ``train_atari``.

    :param policy: 'cnn', 'lstm' or 'lnlstm'
    :param lr_schedule: how the learning rate changes, see ``ACER``
    :param num_cpu: number of environments
    """
    return train_atari(ACER, env_id, num_timesteps, seed, policy, num_cpu, lr_schedule=lr_schedule)


def main() -> None:
    """Read the command line and train."""
    parser = atari_policy_parser(lr_schedule=True)
    parser.add_argument('--logdir', help='Directory for logging')
    args = parser.parse_args()
    logger.configure(args.logdir)
    train(args.env, args.num_timesteps, args.seed, args.policy, args.lr_schedule, num_cpu=16)


if __name__ == '__main__':
    main()
