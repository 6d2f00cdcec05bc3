"""Losses that several algorithms share."""
import tensorflow.compat.v1 as tf


def policy_gradient_loss(neglogp: tf.Tensor, advantages: tf.Tensor) -> tf.Tensor:
    r"""
    Make actions with a positive advantage more likely (https://arxiv.org/abs/1602.01783, equation 2).

    .. math:: -E[A \log \pi(a|s)]

    :param neglogp: negative log-likelihood of the actions, shape (n_batch,)
    :param advantages: their advantages, taken as constants, shape (n_batch,)
    :return: scalar
    """
    return tf.reduce_mean(tf.stop_gradient(advantages) * neglogp)


def value_function_loss(values: tf.Tensor, returns: tf.Tensor) -> tf.Tensor:
    """
    Compute the mean squared error of the values, without the factor of one half.

    :param values: predicted values, shape (n_batch,)
    :param returns: their targets, shape (n_batch,)
    :return: scalar
    """
    return tf.reduce_mean(tf.square(values - returns))
