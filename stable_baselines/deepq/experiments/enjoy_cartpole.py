"""Show a DQN trained on CartPole: ``python -m stable_baselines.deepq.experiments.enjoy_cartpole --help``"""
import argparse

from stable_baselines.deepq.experiments.enjoy import enjoy, parse


def main(args: argparse.Namespace) -> None:
    """Show the model that ``train_cartpole`` saved, until it is interrupted."""
    enjoy("CartPole-v0", "cartpole_model.zip", args)


if __name__ == '__main__':
    main(parse("Enjoy trained DQN on cartpole"))
