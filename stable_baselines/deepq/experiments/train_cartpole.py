"""Train DQN on CartPole: ``python -m stable_baselines.deepq.experiments.train_cartpole --help``"""
import argparse
from typing import Any, Dict

import numpy as np

from stable_baselines.common import gym_compat
from stable_baselines.deepq import DQN


def callback(lcl: Dict[str, Any], _glb: Dict[str, Any]) -> bool:
    """Stop the training once the last 100 episodes have a mean reward of at least 199."""
    finished = lcl['episode_rewards'][-101:-1]
    return not (len(finished) == 100 and np.mean(finished) >= 199)


def main(args: argparse.Namespace) -> None:
    """Train and save the model as ``cartpole_model.zip``."""
    model = DQN('MlpPolicy', gym_compat.make("CartPole-v0"), learning_rate=1e-3, buffer_size=50000,
                exploration_fraction=0.1, exploration_final_eps=0.02, verbose=1)
    model.learn(total_timesteps=args.max_timesteps, callback=callback)
    print("Saving model to cartpole_model.zip")
    model.save("cartpole_model.zip")


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description="Train DQN on cartpole")
    parser.add_argument('--max-timesteps', default=100000, type=int, help="Maximum number of timesteps")
    main(parser.parse_args())
