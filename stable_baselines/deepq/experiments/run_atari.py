"""Train DQN on an Atari game: ``python -m stable_baselines.deepq.experiments.run_atari --help``"""
from stable_baselines import bench, logger
from stable_baselines.common.atari_wrappers import make_atari
from stable_baselines.common.cmd_util import arg_parser
from stable_baselines.common.misc_util import set_global_seeds
from stable_baselines.deepq import DQN, wrap_atari_dqn


def train(env_id: str, num_timesteps: int, seed: int, prioritized: bool = True, dueling: bool = True,
          prioritized_replay_alpha: float = 0.6) -> DQN:
    """
    Train DQN with the hyperparameters for Atari games, on four stacked frames.

    :param env_id: the game's id
    :param num_timesteps: number of steps; each is four frames
    :param seed: seed of the environment and the model
    :param prioritized: whether to draw transitions by their last TD error
    :param dueling: whether the network is a dueling one
    :param prioritized_replay_alpha: how much priorities matter
    """
    set_global_seeds(seed)
    env = bench.Monitor(make_atari(env_id), logger.get_dir())
    env = wrap_atari_dqn(env)
    try:
        model = DQN('CnnPolicy', env, gamma=0.99, learning_rate=1e-4, buffer_size=10000, exploration_fraction=0.1,
                    exploration_final_eps=0.01, train_freq=4, learning_starts=10000, target_network_update_freq=1000,
                    prioritized_replay=prioritized, prioritized_replay_alpha=prioritized_replay_alpha,
                    policy_kwargs=dict(dueling=dueling), verbose=1, seed=seed)
        return model.learn(total_timesteps=num_timesteps)
    finally:
        env.close()


def main() -> None:
    """Read the command line and train."""
    parser = arg_parser()
    parser.add_argument('--env', help='environment ID', default='BreakoutNoFrameskip-v4')
    parser.add_argument('--seed', help='RNG seed', type=int, default=0)
    parser.add_argument('--prioritized', type=int, default=1)
    parser.add_argument('--dueling', type=int, default=1)
    parser.add_argument('--prioritized-replay-alpha', type=float, default=0.6)
    parser.add_argument('--num-timesteps', type=int, default=int(1e7))
    args = parser.parse_args()
    logger.configure()
    train(args.env, args.num_timesteps, args.seed, bool(args.prioritized), bool(args.dueling),
          args.prioritized_replay_alpha)


if __name__ == '__main__':
    main()
