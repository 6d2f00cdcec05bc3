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


def q_target(rewards: tf.Tensor, dones: tf.Tensor, next_values: tf.Tensor, gamma: float) -> tf.Tensor:
    r"""
    Return what a Q function learns from one step, equation 2 of https://arxiv.org/abs/1312.5602, as a constant.

    .. math:: r + \gamma (1 - d) V'(s')

    :param rewards: shape (n_batch,), or another that all share
    :param dones: 1 where the step ended its episode, else 0
    :param next_values: values of what comes next
    :param gamma: discount factor
    """
    return tf.stop_gradient(rewards + gamma * (1. - dones) * next_values)


def actor_value_loss(values: tf.Tensor) -> tf.Tensor:
    """
    Compute minus the mean value of a deterministic actor's actions (https://arxiv.org/abs/1509.02971, equation 6).

    :param values: of the actor's actions, shape (n_batch, 1)
    :return: scalar
    """
    return -tf.reduce_mean(values)


def value_function_loss(values: tf.Tensor, returns: tf.Tensor) -> tf.Tensor:
    """
    Compute the mean squared error of the values, without the factor of one half.

    :param values: predicted values, shape (n_batch,)
    :param returns: their targets, shape (n_batch,)
    :return: scalar
    """
    return tf.reduce_mean(tf.square(values - returns))
