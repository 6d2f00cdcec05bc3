"""Train A2C on an Atari game: ``python -m stable_baselines.a2c.run_atari --help``"""
from stable_baselines import logger
from stable_baselines.a2c.a2c import A2C
from stable_baselines.common.cmd_util import atari_policy_parser, train_atari


def train(env_id: str, num_timesteps: int, seed: int, policy: str, lr_schedule: str, num_env: int) -> A2C:
    """
    Train A2C with its default hyperparameters, see ``train_atari``.

    :param policy: 'cnn', 'lstm' or 'lnlstm'
    :param lr_schedule: how the learning rate changes, see ``A2C``
    :param num_env: number of environments
    """
    return train_atari(A2C, env_id, num_timesteps, seed, policy, num_env, lr_schedule=lr_schedule)


def main() -> None:
    """Read the command line and train."""
    args = atari_policy_parser(lr_schedule=True).parse_args()
    logger.configure()
    train(args.env, args.num_timesteps, args.seed, args.policy, args.lr_schedule, num_env=16)


if __name__ == '__main__':
    main()
