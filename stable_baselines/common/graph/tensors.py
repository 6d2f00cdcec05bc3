"""Shapes, sequences and small formulas."""
from typing import Iterable, List, Optional, Sequence, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.graph.sessions import next_op_seed


def var_shape(tensor: tf.Tensor) -> List[int]:
    """
    Return the static shape of a tensor.

    :raises ValueError: if it is not completely known
    """
    shape = tensor.get_shape().as_list()
    if None in shape:
        raise ValueError(f"the shape of {tensor.name} is not completely known: {shape}")
    return shape


def numel(tensor: tf.Tensor) -> int:
    """Return the number of elements of a tensor whose shape is completely known."""
    return intprod(var_shape(tensor))


def intprod(tensor: Iterable[int]) -> int:
    """Multiply all numbers of a list; the product of an empty list is 1."""
    return int(np.prod(list(tensor)))


def check_shape(tensors: Sequence[tf.Tensor], shapes: Sequence[Sequence[Optional[int]]]) -> None:
    """
    Verify that tensors have the given static shapes.

    :raises ValueError: at the first that differs
    """
    for index, (tensor, expected) in enumerate(zip(tensors, shapes)):
        shape = tensor.get_shape().as_list()
        if shape != list(expected):
            raise ValueError(f"tensor {index} ({tensor.name}) has shape {shape}, expected {list(expected)}")


def is_image(tensor: Union[tf.Tensor, np.ndarray]) -> bool:
    """Tell whether a tensor is an image with 1, 3 or 4 channels, the last axis, or a batch of such images."""
    return len(tensor.shape) in (3, 4) and int(tensor.shape[-1]) in (1, 3, 4)


def batch_to_seq(tensor_batch: tf.Tensor, n_batch: Optional[int], n_steps: int, flat: bool = False) -> List[tf.Tensor]:
    """
    Split a batch that holds all steps of one environment after the other into a sequence over time.

    :param tensor_batch: shape (n_envs * n_steps, ...)
    :param n_batch: number of environments; None leaves it open
    :param n_steps: number of steps
    :param flat: whether the tensor has one value per row
    :return: n_steps tensors of shape (n_envs, n_features), or (n_envs, 1) if flat
    """
    n_envs = -1 if n_batch is None else n_batch
    shape = [n_envs, n_steps] if flat else [n_envs, n_steps, intprod(tensor_batch.shape.as_list()[1:])]
    sequence = tf.split(tf.reshape(tensor_batch, shape), n_steps, axis=1)
    return sequence if flat else [tf.squeeze(step, [1]) for step in sequence]


def seq_to_batch(tensor_sequence: Sequence[tf.Tensor], flat: bool = False) -> tf.Tensor:
    """
    Join a sequence over time into a batch with all steps of one environment after the other.

    :param tensor_sequence: n_steps tensors of shape (n_envs, n_features), or (n_envs,) if flat
    :param flat: whether the tensors have one value per environment
    :return: shape (n_envs * n_steps, n_features), or (n_envs * n_steps,) if flat
    """
    stacked = tf.stack(tensor_sequence, axis=1)
    return tf.reshape(stacked, [-1] if flat else [-1, int(tensor_sequence[0].shape[-1])])


def sample(logits: tf.Tensor) -> tf.Tensor:
    """
    Sample from categorical distributions with the Gumbel-max trick, http://amid.fish/humble-gumbel

    :param logits: unnormalised log-probabilities, shape (n_batch, n_categories)
    :return: sampled categories, int64, shape (n_batch,)
    """
    uniform = tf.random_uniform(tf.shape(logits), dtype=logits.dtype, seed=next_op_seed())
    return tf.argmax(logits - tf.log(-tf.log(uniform)), axis=-1)


def calc_entropy(logits: tf.Tensor) -> tf.Tensor:
    """
    Compute the entropy of categorical distributions.

    :param logits: unnormalised log-probabilities, shape (n_batch, n_categories)
    :return: entropies in nats, shape (n_batch,)
    """
    shifted = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    exp = tf.exp(shifted)
    normaliser = tf.reduce_sum(exp, axis=-1, keepdims=True)
    return tf.reduce_sum(exp / normaliser * (tf.log(normaliser) - shifted), axis=-1)


def mse(pred: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """Compute the mean squared error of predictions, with a factor of one half."""
    return tf.reduce_mean(tf.square(pred - target) / 2.)


def avg_norm(tensor: tf.Tensor) -> tf.Tensor:
    """Average the Euclidean norms of the rows of a tensor (n_batch, n)."""
    return tf.reduce_mean(tf.sqrt(tf.reduce_sum(tf.square(tensor), axis=-1)))


def huber_loss(tensor: tf.Tensor, delta: float = 1.0) -> tf.Tensor:
    """
    Compute the Huber loss, https://en.wikipedia.org/wiki/Huber_loss: quadratic below delta, linear above.

    :param tensor: errors
    :param delta: where it becomes linear
    :return: losses, same shape
    """
    size = tf.abs(tensor)
    return tf.where(size < delta, 0.5 * tf.square(tensor), delta * (size - 0.5 * delta))


def q_explained_variance(q_pred: tf.Tensor, q_true: tf.Tensor) -> tf.Tensor:
    """
    Compute which fraction of the variance of Q values the predictions explain.

    :param q_pred: predictions, shape (n_envs, n_steps)
    :param q_true: targets, same shape
    :return: scalar, 1 for a perfect prediction
    """
    unexplained, total = (tf.nn.moments(values, axes=[0, 1])[1] for values in (q_true - q_pred, q_true))
    return 1. - unexplained / total
