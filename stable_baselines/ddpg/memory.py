"""The class of the memory that files of Stable Baselines before 2.6 name."""
from stable_baselines.common.buffers import ReplayBuffer as Memory

__all__ = ['Memory']
