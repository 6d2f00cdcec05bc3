"""Behaviour cloning: supervised learning of what an expert did."""
from typing import Any, List, NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines import logger
from stable_baselines.common import tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.spaces import event_shape


class CloningBatch(NamedTuple):
    """Inputs of a gradient step, as placeholders or arrays, one row per sample."""

    obs: Any
    actions: Any  # of the expert
    learning_rate: Any
    epsilon: Any


def cross_entropy(logits: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    r"""
    Compute the mean negative log-likelihood of the expert's discrete actions.

    .. math:: -E[\log \pi(a|s)]

    :param logits: of the policy, (n_batch, n_actions)
    :param actions: of the expert, (n_batch,)
    """
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(logits=logits, labels=actions))


def squared_error(predicted: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
    """Compute the mean squared error of continuous actions, over all their elements."""
    return tf.reduce_mean(tf.square(predicted - actions))


def check_expert(dataset: Any, observation_space: spaces.Space, action_space: spaces.Space) -> None:
    """
    Refuse an expert of another task.

    :param dataset: an ``ExpertDataset``
    :raises ValueError: if its observations or actions are not of the spaces; of images only the first is read
    """
    name, obs = 'observations', dataset.observations
    if obs.dtype.kind == 'U':
        name, obs = f'images, such as {obs[0]},', dataset.read_images(obs[:1])
    if observation_space.shape is not None:  # HER makes one vector of its parts
        _check_values(name, obs, observation_space)
    _check_values('actions', dataset.actions, action_space)


def in_shape(name: str, rows: np.ndarray, shape: Tuple[int, ...]) -> np.ndarray:
    """
    Return rows of an expert in the shape of the environment's.

    :param name: what they are, for the message
    :param rows: of this shape, or flat, as Stable Baselines 2.10 stores them, or images with an axis for one channel
    :return: shape (n, *shape)
    :raises ValueError: if they have another shape, even one with as many elements
    """
    if rows.shape[1:] not in (shape, (int(np.prod(shape)),), (*shape, 1)):
        raise ValueError(f"expert_dataset: its {name} have shape {rows.shape[1:]}: accepted is {shape}, that of the "
                         "environment")
    return rows.reshape((len(rows), *shape))


def _check_values(name: str, rows: np.ndarray, space: spaces.Space, n_rows: int = 4096) -> None:
    """Refuse what is not of a space, ``n_rows`` at a time: what marks the wrong ones must not need much memory."""
    if rows.dtype.kind not in 'biuf':
        raise ValueError(f"expert_dataset: its {name} are of type {rows.dtype}: accepted are numbers")
    rows = in_shape(name, rows, event_shape(space))
    if isinstance(space, spaces.Box) and rows.dtype.kind != 'f':  # always finite
        return
    for start in range(0, len(rows), n_rows):
        part = rows[start:start + n_rows]
        wrong = _outside(part, space)
        if wrong.any():
            raise ValueError(f"expert_dataset: its {name} hold {part[wrong][0]}: accepted are elements of the "
                             f"environment's {space}")


def _outside(rows: np.ndarray, space: spaces.Space) -> np.ndarray:
    """Mark the elements that are not finite numbers, or not among the integers of a space; same shape."""
    if isinstance(space, spaces.Box):  # environments often do not keep to their bounds
        return ~np.isfinite(rows)
    n_values = (space.nvec if isinstance(space, spaces.MultiDiscrete) else
                2 if isinstance(space, spaces.MultiBinary) else space.n)
    return ~((rows >= 0) & (rows < n_values) & (rows == np.floor(rows)))


def check_cloning(model: Any, dataset: Any) -> None:
    """
    Refuse what cannot be cloned, before the graph or the dataset change.

    :raises ValueError: if the model's actions, or its policy, cannot be learned this way, or the expert does not fit
    """
    if not isinstance(model.action_space, (spaces.Box, spaces.Discrete)):
        raise ValueError(f"action_space={model.action_space}: accepted by pretrain is Box or Discrete")
    if model.policy.recurrent:
        raise ValueError(f"policy={model.policy.__name__}: accepted by pretrain are policies without a memory, the "
                         "steps of an expert come in any order")
    check_expert(dataset, model.observation_space, model.action_space)


class Cloner:
    """
    The loss of behaviour cloning and its own optimiser, in the graph of a model.

    :param model: one that ``check_cloning`` accepts; its ``_pretrain_tensors`` says what is learned
    """

    def __init__(self, model: Any):
        self.sess, self.graph = model.sess, model.graph
        with self.graph.as_default():
            variables = tf.get_collection_ref(tf.GraphKeys.GLOBAL_VARIABLES)
            of_model = list(variables)
            with tf.variable_scope("pretrain"):
                self._build(model)
            variables[:] = of_model  # the optimiser's variables are not part of a training's state

    def _build(self, model: Any) -> None:
        obs_ph, predicted = model._pretrain_tensors()
        is_discrete = isinstance(model.action_space, spaces.Discrete)
        shape, dtype = model.action_space.shape, tf.int64 if is_discrete else tf.float32
        self.batch_ph = batch_ph = CloningBatch(
            obs=obs_ph, actions=tf.placeholder(dtype, (None,) + shape, name="actions_ph"),
            learning_rate=tf.placeholder(tf.float32, [], name="learning_rate_ph"),
            epsilon=tf.placeholder(tf.float32, [], name="epsilon_ph"))
        self.loss = (cross_entropy if is_discrete else squared_error)(predicted, batch_ph.actions)
        optimizer = tf_util.Adam(batch_ph.learning_rate, epsilon=batch_ph.epsilon)
        train_op = tf_util.minimize(optimizer, self.loss, [param for param in model.get_parameter_list()
                                                           if param.trainable])
        self._init_op = tf.variables_initializer(optimizer.variables())
        self._train, self._evaluate = (tf_util.batch_function(batch_ph, self.loss, updates=updates, session=self.sess)
                                       for updates in ([train_op], []))

    def fit(self, dataset: Any, n_epochs: int, learning_rate: float, adam_epsilon: float, val_interval: int) -> None:
        """Train for some epochs, with a new optimiser, and report every ``val_interval``-th."""
        self.sess.run(self._init_op)

        def epoch(function: Any, split: str, n_minibatches: int) -> float:
            losses: List[float] = []
            for _ in range(n_minibatches):
                obs, actions = (in_shape(name, rows, tuple(placeholder.shape.as_list()[1:])) for name, rows, placeholder
                                in zip(('observations', 'actions'), dataset.get_next_batch(split), self.batch_ph))
                losses.append(function(CloningBatch(obs, actions, learning_rate, adam_epsilon)))
            return float(np.mean(losses))

        for index in range(1, n_epochs + 1):
            train_loss = epoch(self._train, 'train', len(dataset.train_loader))
            if index % val_interval == 0:
                logger.logkv("pretrain/epoch", index)
                logger.logkv("pretrain/train_loss", train_loss)
                logger.logkv("pretrain/val_loss", epoch(self._evaluate, 'val', len(dataset.val_loader)))
                logger.dumpkvs()
