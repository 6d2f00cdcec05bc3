"""Reinforcement learning algorithms with one simple interface."""
import importlib
import os

_ALGORITHMS = {
    'A2C': 'stable_baselines.a2c',
    'ACER': 'stable_baselines.acer',
    'ACKTR': 'stable_baselines.acktr',
    'PPO2': 'stable_baselines.ppo2',
}

__all__ = sorted(_ALGORITHMS)

with open(os.path.join(os.path.dirname(__file__), 'version.txt')) as file_handler:
    __version__ = file_handler.read().strip()


def __getattr__(name):
    """Import an algorithm when it is asked for: the processes of a SubprocVecEnv never need TensorFlow."""
    if name in _ALGORITHMS:
        return getattr(importlib.import_module(_ALGORITHMS[name]), name)
    raise AttributeError(f"module 'stable_baselines' has no attribute {name!r}")


def __dir__():
    return sorted(list(globals()) + __all__)
