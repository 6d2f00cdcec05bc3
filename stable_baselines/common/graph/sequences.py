"""Sequences of unequal lengths, packed so that each step has the rows of those that are that long, and no others."""
from typing import Callable, NamedTuple, Tuple

import tensorflow.compat.v1 as tf


class Packing(NamedTuple):
    """
    How the episodes within n_steps steps of n_envs environments are packed, the longest one first.

    Their first steps come first, then the second steps of all that have two, and so on: as many steps as the longest
    episode has, not n_steps, and each of as many rows as there are.
    """

    order: tf.Tensor  # the row, step * n_envs + environment, of every packed row, (n_steps * n_envs,)
    place: tf.Tensor  # the packed row of every row, (n_steps * n_envs,)
    sizes: tf.Tensor  # number of rows of every step, falling, int64
    envs: tf.Tensor  # the environment of every episode, which is a row of the first step, (n_episodes,)
    is_going_on: tf.Tensor  # whether it began before the first of the n_steps, (n_episodes,)


def pack_episodes(is_start: tf.Tensor) -> Packing:
    """
    Find the episodes.

    :param is_start: whether an episode begins, shape (n_steps, n_envs)
    """
    n_steps, n_envs = tf.unstack(tf.shape(is_start))
    # environment by environment, so that an episode's steps follow each other; the first step begins a piece anyway
    begins = tf.reshape(tf.transpose(tf.concat([tf.ones_like(is_start[:1]), is_start[1:]], axis=0)), [-1])
    steps = tf.range(n_steps * n_envs)
    starts = tf.boolean_mask(steps, begins)
    n_episodes = tf.size(starts)
    lengths = tf.concat([starts[1:], [n_steps * n_envs]], axis=0) - starts
    longest_first = tf.argsort(lengths, direction='DESCENDING', stable=True)
    episode = tf.cumsum(tf.cast(begins, tf.int32)) - 1
    age = steps - tf.gather(starts, episode)
    by_age = tf.argsort(age * n_episodes + tf.gather(tf.invert_permutation(longest_first), episode))
    order = by_age % n_steps * n_envs + by_age // n_steps
    starts = tf.gather(starts, longest_first)
    envs = starts // n_steps
    is_going_on = tf.logical_not(tf.gather(tf.reshape(is_start, [-1]), envs))
    return Packing(order, tf.invert_permutation(order), tf.cast(tf.math.bincount(age), tf.int64), envs,
                   tf.logical_and(tf.equal(starts % n_steps, 0), is_going_on))


def permute(rows: tf.Tensor, order: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """
    Reorder rows.

    :param order: a permutation
    :param place: its inverse, which makes the gradient another reordering instead of a sum
    """
    @tf.custom_gradient
    def differentiable(rows: tf.Tensor) -> Tuple[tf.Tensor, Callable]:
        return tf.gather(rows, order), lambda grad: tf.gather(grad, place)
    return differentiable(rows)
