"""Train PPO2 on an Atari game: ``python -m stable_baselines.ppo2.run_atari --help``"""
from stable_baselines import logger
from stable_baselines.common.cmd_util import atari_arg_parser, make_atari_env
from stable_baselines.common.policies import CnnLnLstmPolicy, CnnLstmPolicy, CnnPolicy, MlpPolicy
from stable_baselines.common.vec_env import VecFrameStack
from stable_baselines.ppo2.ppo2 import PPO2

POLICIES = {'cnn': CnnPolicy, 'lstm': CnnLstmPolicy, 'lnlstm': CnnLnLstmPolicy, 'mlp': MlpPolicy}


def train(env_id: str, num_timesteps: int, seed: int, policy: str, n_envs: int = 8, nminibatches: int = 4,
          n_steps: int = 128) -> PPO2:
    """
    Train PPO2 with the hyperparameters of its paper for Atari games.

    :param env_id: the game's id
    :param num_timesteps: number of steps, over all environments; each is four frames
    :param seed: seed of the environments and the model
    :param policy: 'cnn', 'lstm', 'lnlstm' or 'mlp'
    :param n_envs: number of environments
    :param nminibatches: number of minibatches per epoch
    :param n_steps: number of steps of each environment per update
    :return: the model
    :raises ValueError: if there is no such policy
    """
    if policy not in POLICIES:
        raise ValueError("policy={!r}: accepted is one of {}".format(policy, ', '.join(POLICIES)))
    env = VecFrameStack(make_atari_env(env_id, n_envs, seed), 4)
    try:
        model = PPO2(POLICIES[policy], env, n_steps=n_steps, nminibatches=nminibatches, lam=0.95, gamma=0.99,
                     noptepochs=4, ent_coef=0.01, learning_rate=lambda progress: progress * 2.5e-4,
                     cliprange=lambda progress: progress * 0.1, verbose=1, seed=seed)
        return model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()


def main() -> None:
    """Read the command line and train."""
    parser = atari_arg_parser()
    parser.add_argument('--policy', help='Policy architecture', choices=list(POLICIES), default='cnn')
    args = parser.parse_args()
    logger.configure()
    train(args.env, num_timesteps=args.num_timesteps, seed=args.seed, policy=args.policy)


if __name__ == '__main__':
    main()
