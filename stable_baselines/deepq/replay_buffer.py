"""The memories of ``stable_baselines.common.buffers``, under the path that files of releases 2.6 to 2.8 name."""
from stable_baselines.common.buffers import PrioritizedReplayBuffer, ReplayBuffer

__all__ = ['PrioritizedReplayBuffer', 'ReplayBuffer']
