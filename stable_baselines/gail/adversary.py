"""GAIL's discriminator: it tells the expert's transitions from the policy's, and its output is the reward."""
from typing import Any, List, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.gym_compat.spaces import event_shape
from stable_baselines.common.input import observation_input, preprocess
from stable_baselines.common.losses import check_finite
from stable_baselines.common.mpi_adam import MpiAdam
from stable_baselines.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines.common.policies import nature_cnn
from stable_baselines.common.tf_layers import conv_to_fc, fully_connected


class Batch(NamedTuple):
    """Inputs of a discriminator step, as placeholders or arrays; the numbers of rows may differ."""

    obs: Any  # of the policy
    actions: Any
    expert_obs: Any
    expert_actions: Any
    learning_rate: Any


class Losses(NamedTuple):
    """Scalars, under their names in Stable Baselines 2.10."""

    generator_loss: Any
    expert_loss: Any
    entropy: Any
    entropy_loss: Any
    generator_acc: Any
    expert_acc: Any


def logsigmoid(input_tensor: tf.Tensor) -> tf.Tensor:
    """Compute the logarithm of the sigmoid function; equal to ``tf.log(tf.nn.sigmoid(x))``, but without overflow."""
    return -tf.nn.softplus(-input_tensor)


def logit_bernoulli_entropy(logits: tf.Tensor) -> tf.Tensor:
    r"""
    Compute the entropy of a Bernoulli distribution from its logit.

    .. math:: H = (1 - \sigma(x)) x - \log \sigma(x)

    :param logits: x, any shape
    :return: in nats, same shape
    """
    return tf.nn.sigmoid(-logits) * logits - logsigmoid(logits)


def discriminator_losses(logits: tf.Tensor, expert_logits: tf.Tensor, entcoeff: float) -> Losses:
    r"""
    Compute the losses whose sum the discriminator minimises (equation 17 of https://arxiv.org/abs/1606.03476).

    .. math:: -E_\pi[\log(1 - D)] - E_{expert}[\log D] - c \, H(D), \quad D = \sigma(logits)

    Unlike the paper: D is the probability that a transition is the expert's, and there is an entropy bonus.

    :param logits: of the policy's transitions, (n_batch, 1)
    :param expert_logits: of the expert's transitions, (n_expert, 1)
    :param entcoeff: c, the weight of the entropy bonus
    """
    entropy = tf.reduce_mean(logit_bernoulli_entropy(tf.concat([logits, expert_logits], axis=0)))
    return Losses(
        generator_loss=-tf.reduce_mean(logsigmoid(-logits)),
        expert_loss=-tf.reduce_mean(logsigmoid(expert_logits)),
        entropy=entropy, entropy_loss=-entcoeff * entropy,
        generator_acc=tf.reduce_mean(tf.cast(logits < 0., tf.float32)),
        expert_acc=tf.reduce_mean(tf.cast(expert_logits > 0., tf.float32)))


def imitation_reward(logits: tf.Tensor) -> tf.Tensor:
    r"""Compute the reward :math:`-\log(1 - D)`, which is larger for transitions more like the expert's, up to 18.4."""
    return -tf.log(1. - tf.nn.sigmoid(logits) + 1e-8)


class TransitionClassifier:
    """
    The discriminator: a network that maps an observation and an action to the logit of their being the expert's.

    Observations are normalised by the mean and standard deviation of all those it has been trained on (under MPI, in
    all processes). Images of at least 36 x 36 pass through convolutions instead.

    :param action_space: Box or Discrete
    :param hidden_size: number of units in each of the two hidden layers
    :param entcoeff: weight of the entropy bonus; larger values keep the discriminator less certain
    :param scope: variable scope
    :param normalize: whether to normalise observations
    :param sess: the session; None means the default session
    :param comm: the communicator; None means that of all processes
    """

    def __init__(self, observation_space: spaces.Space, action_space: spaces.Space, hidden_size: int,
                 entcoeff: float = 0.001, scope: str = "adversary", normalize: bool = True,
                 sess: Optional[tf.Session] = None, comm: Any = None):
        if not isinstance(action_space, (spaces.Box, spaces.Discrete)):
            raise ValueError(f"action_space={action_space}: accepted by GAIL is Box or Discrete")
        self.observation_space, self.action_space = observation_space, action_space
        self.hidden_size, self.entcoeff, self.scope = hidden_size, entcoeff, scope
        self.sess, self._comm = sess, comm
        self.takes_batches = True  # so that it is asked once a trajectory, not once a step, see TrajectoryRunner
        shape = event_shape(observation_space)
        self._is_image = len(shape) == 3 and min(shape[:2]) >= 36
        self.normalize = normalize and not self._is_image
        self.obs_rms: Optional[RunningMeanStd] = None

        self.batch_ph = self._build_batch()
        logits = self.build_graph(self.batch_ph.obs, self.batch_ph.actions)
        self.reward_op = imitation_reward(logits)
        self._reward = tf_util.function([self.batch_ph.obs, self.batch_ph.actions], self.reward_op, session=sess)

    def _build_batch(self) -> Batch:
        """Build the placeholders of a training step."""
        is_discrete = isinstance(self.action_space, spaces.Discrete)
        dtype, shape = tf.int32 if is_discrete else tf.float32, (None,) + event_shape(self.action_space)
        return Batch(obs=observation_input(self.observation_space, name="observations_ph")[0],
                     actions=tf.placeholder(dtype, shape, name="actions_ph"),
                     expert_obs=observation_input(self.observation_space, name="expert_observations_ph")[0],
                     expert_actions=tf.placeholder(dtype, shape, name="expert_actions_ph"),
                     learning_rate=tf.placeholder(tf.float32, [], name="learning_rate_ph"))

    def build_graph(self, obs_ph: tf.Tensor, acs_ph: tf.Tensor, reuse: bool = False) -> tf.Tensor:
        """
        Build the network.

        :param obs_ph: observations, (n_batch, *obs_shape)
        :param acs_ph: actions, (n_batch, *action_shape)
        :param reuse: whether to share the variables of the first network
        :return: logits, (n_batch, 1)
        """
        with tf.variable_scope(self.scope, reuse=reuse):
            features = self._processed(obs_ph)
            if self.normalize:
                if self.obs_rms is None:
                    with tf.variable_scope("obfilter"):
                        self.obs_rms = RunningMeanStd(shape=tuple(features.shape.as_list()[1:]), sess=self.sess,
                                                      comm=self._comm)
                # reads the variables here, so that control dependencies apply
                mean, std = self.obs_rms.moments()
                features = (features - mean) / std
            if self._is_image:
                features = nature_cnn(features)
            actions = tf.one_hot(acs_ph, int(self.action_space.n)) \
                if isinstance(self.action_space, spaces.Discrete) else tf.cast(acs_ph, tf.float32)
            latent = tf.concat([conv_to_fc(features), conv_to_fc(actions)], axis=1)
            for _ in range(2):
                latent = fully_connected(latent, self.hidden_size, tf.nn.tanh)
            return fully_connected(latent, 1)

    def build_training(self) -> Tuple[Losses, Any]:
        """
        Build a training step: update the statistics with all observations, compute the gradients, apply Adam.

        :return: the losses, and the function of a ``Batch`` that takes the step and returns them
        """
        batch_ph, before = self.batch_ph, []
        if self.obs_rms is not None:
            seen = tf.concat([self._processed(obs_ph) for obs_ph in (batch_ph.obs, batch_ph.expert_obs)], axis=0)
            before = [self.obs_rms.build_update(seen)]
        with tf.control_dependencies(before):
            # one pass for all rows
            obs, actions = (tf.concat(both, axis=0) for both in (
                (batch_ph.obs, batch_ph.expert_obs), (batch_ph.actions, batch_ph.expert_actions)))
            n_rows = tf.shape(batch_ph.obs)[0]
            logits = self.build_graph(obs, actions, reuse=True)
            losses = discriminator_losses(logits[:n_rows], logits[n_rows:], self.entcoeff)
        params = self.get_trainable_variables()
        self.total_loss = losses.generator_loss + losses.expert_loss + losses.entropy_loss
        adam = MpiAdam(params, comm=self._comm, sess=self.sess)
        grads = tf.gradients(self.total_loss, params)
        with tf.control_dependencies([check_finite(**losses._asdict())]):
            step_op = adam.build_step(grads, batch_ph.learning_rate)
        return losses, tf_util.batch_function(batch_ph, losses, updates=[step_op], session=self.sess)

    def _processed(self, obs: tf.Tensor) -> tf.Tensor:
        """Return observations as floats, images scaled to [0, 1]."""
        return preprocess(self.observation_space, obs, scale=self._is_image)

    def get_trainable_variables(self) -> List[tf.Variable]:
        """Return the trainable variables, in the order of the file format."""
        return tf_util.get_trainable_vars(self.scope + "/")

    def get_reward(self, obs: np.ndarray, actions: np.ndarray) -> np.ndarray:
        """
        Compute the rewards of transitions, see ``imitation_reward``.

        :param obs: one observation, or (n_batch, *obs_shape)
        :param actions: one action, or (n_batch, *action_shape)
        :return: (n_batch, 1), where a single transition is a batch of 1
        """
        obs = np.reshape(obs, (-1,) + event_shape(self.observation_space))
        return self._reward(obs, np.reshape(actions, (len(obs),) + event_shape(self.action_space)))
