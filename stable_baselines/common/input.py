"""The entrance of every network: from a space to a placeholder and its preprocessing."""
from typing import Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.gym_compat import spaces


def observation_input(ob_space: spaces.Space, batch_size: Optional[int] = None, name: str = 'Ob',
                      scale: bool = False) -> Tuple[tf.Tensor, tf.Tensor]:
    """
    Build the placeholder of observations and their preprocessed form.

    Box observations become float32, Discrete and MultiDiscrete ones one-hot, MultiBinary ones 0. or 1.

    :param batch_size: number of observations; None leaves it open
    :param scale: whether to scale bounded Box observations to [0, 1], as networks for images want
    :return: placeholder (batch_size,) + space shape, and preprocessed observations, float32
    :raises TypeError: if the space is not supported
    """
    if isinstance(ob_space, spaces.Discrete):
        observation_ph = tf.placeholder(tf.int32, (batch_size,), name=name)
        return observation_ph, tf.one_hot(observation_ph, int(ob_space.n))
    if isinstance(ob_space, spaces.Box):
        observation_ph = tf.placeholder(tf.as_dtype(ob_space.dtype), (batch_size,) + ob_space.shape, name=name)
        processed = tf.cast(observation_ph, tf.float32)
        bounded = np.all(np.isfinite(ob_space.low)) and np.all(np.isfinite(ob_space.high))
        if scale and bounded and np.any(ob_space.high != ob_space.low):
            processed = (processed - ob_space.low) / (ob_space.high - ob_space.low)
        return observation_ph, processed
    if isinstance(ob_space, spaces.MultiBinary):
        observation_ph = tf.placeholder(tf.int32, (batch_size, int(ob_space.n)), name=name)
        return observation_ph, tf.cast(observation_ph, tf.float32)
    if isinstance(ob_space, spaces.MultiDiscrete):
        observation_ph = tf.placeholder(tf.int32, (batch_size, len(ob_space.nvec)), name=name)
        one_hots = [tf.one_hot(column, int(n_categories)) for column, n_categories
                    in zip(tf.unstack(observation_ph, axis=1), ob_space.nvec)]
        return observation_ph, tf.concat(one_hots, axis=-1)
    raise TypeError(f"observation space {ob_space} is not supported, use Box, Discrete, MultiDiscrete or MultiBinary")
