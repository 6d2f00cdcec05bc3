"""Show a DQN trained on MountainCar: ``python -m stable_baselines.deepq.experiments.enjoy_mountaincar --help``"""
import argparse

from stable_baselines.deepq.experiments.enjoy import enjoy, parse


def main(args: argparse.Namespace) -> None:
    """Show the model that ``train_mountaincar`` saved, until it is interrupted."""
    enjoy("MountainCar-v0", "mountaincar_model.zip", args)


if __name__ == '__main__':
    main(parse("Enjoy trained DQN on MountainCar"))
