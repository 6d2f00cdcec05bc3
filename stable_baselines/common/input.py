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
    is_box = isinstance(ob_space, spaces.Box)
    if not (is_box or isinstance(ob_space, (spaces.Discrete, spaces.MultiBinary, spaces.MultiDiscrete))):
        raise TypeError(
            f"observation space {ob_space} is not supported, use Box, Discrete, MultiDiscrete or MultiBinary")
    dtype = tf.as_dtype(ob_space.dtype) if is_box else tf.int32
    observation_ph = tf.placeholder(dtype, (batch_size,) + ob_space.shape, name=name)
    return observation_ph, preprocess(ob_space, observation_ph, scale)


def preprocess(ob_space: spaces.Space, observations: tf.Tensor, scale: bool = False) -> tf.Tensor:
    """Return the preprocessed form of observations, float32; parameters as for ``observation_input``."""
    if isinstance(ob_space, spaces.Discrete):
        return tf.one_hot(observations, int(ob_space.n))
    if isinstance(ob_space, spaces.MultiDiscrete):
        one_hots = [tf.one_hot(column, int(n_categories)) for column, n_categories
                    in zip(tf.unstack(observations, axis=1), ob_space.nvec)]
        return tf.concat(one_hots, axis=-1)
    processed = tf.cast(observations, tf.float32)
    if isinstance(ob_space, spaces.Box) and scale:
        bounded = np.all(np.isfinite(ob_space.low)) and np.all(np.isfinite(ob_space.high))
        if bounded and np.any(ob_space.high != ob_space.low):
            low, span = _one_if_equal(ob_space.low), _one_if_equal(ob_space.high - ob_space.low)
            processed = (processed - low if np.any(low) else processed) / span
    return processed


def _one_if_equal(values: np.ndarray) -> np.ndarray:
    """Return the one element that all are equal to, or all: images are scaled faster by a scalar."""
    return values.flat[0] if np.all(values == values.flat[0]) else values
