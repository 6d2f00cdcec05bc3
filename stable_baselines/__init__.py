"""Reinforcement learning algorithms with one simple interface."""
import importlib
from pathlib import Path

# name -> package that has it
_ALGORITHMS = {'A2C': 'a2c', 'ACER': 'acer', 'ACKTR': 'acktr', 'PPO2': 'ppo2'}

__all__ = sorted(_ALGORITHMS)

__version__ = Path(__file__).with_name('version.txt').read_text().strip()


def __getattr__(name):
    """Import an algorithm when it is asked for: the processes of a SubprocVecEnv never need TensorFlow."""
    if name in _ALGORITHMS:
        return getattr(importlib.import_module(f'stable_baselines.{_ALGORITHMS[name]}'), name)
    raise AttributeError(f"module 'stable_baselines' has no attribute {name!r}")


def __dir__():
    return sorted(list(globals()) + __all__)
