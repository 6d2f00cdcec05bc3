"""Losses that several algorithms share, and the refusal of those that are not finite."""
import contextlib
from typing import Callable, Iterator

import tensorflow.compat.v1 as tf

_FAILED_CHECK = "losses that are not finite"


def check_finite(**losses: tf.Tensor) -> tf.Operation:
    """
    Build a check that losses are finite, for a gradient step to wait for; see ``refuse_losses``.

    :param losses: scalars, by the names under which they are reported
    """
    named = [part for name, loss in losses.items() for part in (tf.constant(name), loss)]
    # not tf.debugging.Assert, which adds a branch to every step
    return tf.raw_ops.Assert(condition=tf.reduce_all(tf.is_finite(tf.stack(list(losses.values())))),
                             data=[tf.constant(_FAILED_CHECK), *named])


@contextlib.contextmanager
def refuse_losses(kept: str, take_back: Callable[[], None] = lambda: None) -> Iterator[None]:
    """
    Turn a ``check_finite`` that fails within a ``with`` block into a ValueError.

    :param kept: which parameters the model has afterwards, for the message
    :param take_back: called first
    """
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if _FAILED_CHECK not in error.message:
            raise
        take_back()
        values = error.message.splitlines()[0].partition(_FAILED_CHECK)[2].strip("] ")
        raise ValueError(f"{_FAILED_CHECK}, from which nothing can be learned: {values}]: an observation or a return "
                         f"is too large, or the step size is; the parameters are {kept}") from error


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
