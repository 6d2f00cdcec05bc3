"""Train DQN on MountainCar: ``python -m stable_baselines.deepq.experiments.train_mountaincar --help``"""
import argparse

from stable_baselines.common import gym_compat
from stable_baselines.deepq import DQN


def main(args: argparse.Namespace) -> None:
    """Train with parameter noise and save the model as ``mountaincar_model.zip``."""
    model = DQN('LnMlpPolicy', gym_compat.make("MountainCar-v0"), learning_rate=1e-3, buffer_size=50000,
                exploration_fraction=0.1, exploration_final_eps=0.1, param_noise=True,
                policy_kwargs=dict(layers=[64]), verbose=1)
    model.learn(total_timesteps=args.max_timesteps)
    print("Saving model to mountaincar_model.zip")
    model.save("mountaincar_model.zip")


if __name__ == '__main__':
    parser = argparse.ArgumentParser(description="Train DQN on MountainCar")
    parser.add_argument('--max-timesteps', default=100000, type=int, help="Maximum number of timesteps")
    main(parser.parse_args())
