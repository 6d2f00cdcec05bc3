"""Reinforcement learning algorithms with one simple interface."""
import os

from stable_baselines.ppo2 import PPO2  # noqa: F401

with open(os.path.join(os.path.dirname(__file__), 'version.txt')) as file_handler:
    __version__ = file_handler.read().strip()
