"""What the commands that show a trained DQN share."""
import argparse
from typing import Optional

from stable_baselines.common import gym_compat
from stable_baselines.deepq import DQN


def parse(description: str) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('--no-render', default=False, action="store_true", help="Disable rendering")
    return parser.parse_args()


def enjoy(env_id: str, path: str, args: argparse.Namespace, n_episodes: Optional[int] = None) -> None:
    """
    Print the rewards of episodes of a saved model, and show them.

    :param env_id: the environment's id
    :param path: the model file, see the ``train_`` command of the environment
    :param args: the command line, see ``parse``
    :param n_episodes: number of episodes; None goes on until it is interrupted
    """
    env = gym_compat.convert_env(gym_compat.make(env_id))
    model = DQN.load(path, env)
    episode = 0
    while n_episodes is None or episode < n_episodes:
        obs, done, episode_reward = env.reset(), False, 0.
        while not done:
            if not args.no_render:
                env.render()
            obs, reward, done, _ = env.step(model.predict(obs)[0])
            episode_reward += reward
        episode += 1
        print("Episode reward", episode_reward)
