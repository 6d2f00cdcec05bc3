"""Train ACKTR on an Atari game: ``python -m stable_baselines.acktr.run_atari --help``"""
from stable_baselines import logger
from stable_baselines.acktr.acktr import ACKTR
from stable_baselines.common.cmd_util import atari_arg_parser, make_atari_env
from stable_baselines.common.policies import CnnPolicy
from stable_baselines.common.vec_env import VecFrameStack


def train(env_id: str, num_timesteps: int, seed: int, num_cpu: int) -> ACKTR:
    """
    Train ACKTR with its default hyperparameters.

    :param env_id: the game's id
    :param num_timesteps: number of steps, over all environments; each is four frames
    :param seed: seed of the environments and the model
    :param num_cpu: number of environments
    :return: the model
    """
    env = VecFrameStack(make_atari_env(env_id, num_cpu, seed), 4)
    try:
        # with all cores, because the decompositions are large: a run does not repeat to the last bit
        model = ACKTR(CnnPolicy, env, verbose=1, seed=seed, n_cpu_tf_sess=None)
        return model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()


def main() -> None:
    """Read the command line and train."""
    args = atari_arg_parser().parse_args()
    logger.configure()
    train(args.env, num_timesteps=args.num_timesteps, seed=args.seed, num_cpu=32)


if __name__ == '__main__':
    main()
