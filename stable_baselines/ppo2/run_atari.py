"""Train PPO2 on an Atari game: ``python -m stable_baselines.ppo2.run_atari --help``"""
from stable_baselines import logger
from stable_baselines.common.cmd_util import ATARI_POLICIES, atari_policy_parser, train_atari
from stable_baselines.ppo2.ppo2 import PPO2

POLICIES = {**ATARI_POLICIES, 'mlp': 'MlpPolicy'}


def train(env_id: str, num_timesteps: int, seed: int, policy: str, n_envs: int = 8, nminibatches: int = 4,
          n_steps: int = 128) -> PPO2:
    """
    Train PPO2 with the hyperparameters of its paper for Atari games, see ``train_atari``.

    :param policy: 'cnn', 'lstm', 'lnlstm' or 'mlp'
    :param nminibatches: number of minibatches per epoch
    :param n_steps: number of steps of each environment per update
    """
    return train_atari(PPO2, env_id, num_timesteps, seed, policy, n_envs, POLICIES, n_steps=n_steps,
                       nminibatches=nminibatches, lam=0.95, gamma=0.99, noptepochs=4, ent_coef=0.01,
                       learning_rate=lambda progress: progress * 2.5e-4, cliprange=lambda progress: progress * 0.1)


def main() -> None:
    """Read the command line and train."""
    args = atari_policy_parser(POLICIES).parse_args()
    logger.configure()
    train(args.env, args.num_timesteps, args.seed, args.policy)


if __name__ == '__main__':
    main()
