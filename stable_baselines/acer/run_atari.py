"""Train ACER on an Atari game: ``python -m stable_baselines.acer.run_atari --help``"""
from stable_baselines import logger
from stable_baselines.acer.acer_simple import ACER
from stable_baselines.common.cmd_util import atari_arg_parser, make_atari_env
from stable_baselines.common.policies import CnnLnLstmPolicy, CnnLstmPolicy, CnnPolicy
from stable_baselines.common.vec_env import VecFrameStack

POLICIES = {'cnn': CnnPolicy, 'lstm': CnnLstmPolicy, 'lnlstm': CnnLnLstmPolicy}


def train(env_id: str, num_timesteps: int, seed: int, policy: str, lr_schedule: str, num_cpu: int) -> ACER:
    """
    Train ACER with its default hyperparameters.

    :param env_id: the game's id
    :param num_timesteps: number of steps, over all environments; each is four frames
    :param seed: seed of the environments and the model
    :param policy: 'cnn', 'lstm' or 'lnlstm'
    :param lr_schedule: how the learning rate changes, see ``ACER``
    :param num_cpu: number of environments
    :return: the model
    :raises ValueError: if there is no such policy
    """
    if policy not in POLICIES:
        raise ValueError("policy={!r}: accepted is one of {}".format(policy, ', '.join(POLICIES)))
    env = VecFrameStack(make_atari_env(env_id, num_cpu, seed), 4)
    try:
        model = ACER(POLICIES[policy], env, lr_schedule=lr_schedule, verbose=1, seed=seed)
        return model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()


def main() -> None:
    """Read the command line and train."""
    parser = atari_arg_parser()
    parser.add_argument('--policy', choices=list(POLICIES), default='cnn', help='Policy architecture')
    parser.add_argument('--lr_schedule', choices=['constant', 'linear'], default='constant',
                        help='Learning rate schedule')
    parser.add_argument('--logdir', help='Directory for logging')
    args = parser.parse_args()
    logger.configure(args.logdir)
    train(args.env, num_timesteps=args.num_timesteps, seed=args.seed, policy=args.policy,
          lr_schedule=args.lr_schedule, num_cpu=16)


if __name__ == '__main__':
    main()
