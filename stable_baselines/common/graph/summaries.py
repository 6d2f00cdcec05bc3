"""Numbers for TensorBoard."""
from typing import Any

import numpy as np
import tensorflow.compat.v1 as tf


def scalar_summary(tag: str, value: float) -> tf.Summary:
    """Make a summary of one number, for ``writer.add_summary``."""
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)])


def total_episode_reward_logger(rew_acc: np.ndarray, rewards: np.ndarray, masks: np.ndarray,
                                writer: Any, steps: int) -> np.ndarray:
    """
    Write the reward of every episode that ended to TensorBoard, as ``episode_reward``.

    :param rew_acc: reward so far of each running episode, shape (n_envs,); updated in place
    :param rewards: new rewards, shape (n_envs, n_steps)
    :param masks: True where a step begins a new episode, shape (n_envs, n_steps)
    :param steps: number of time steps before these
    :return: ``rew_acc``
    """
    n_envs, n_steps = np.shape(rewards)
    for step in range(n_steps):
        for env in np.flatnonzero(masks[:, step]):
            writer.add_summary(scalar_summary("episode_reward", float(rew_acc[env])), steps + step * n_envs)
            rew_acc[env] = 0
        rew_acc += rewards[:, step]
    return rew_acc
