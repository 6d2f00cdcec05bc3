"""The Q networks of DQN."""
from typing import Any, Callable, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.nets.bases import MaybeArray
from stable_baselines.common.nets.features import check_layers
from stable_baselines.common.policies import BasePolicy, _policy_registry, nature_cnn
from stable_baselines.common.tf_layers import conv_to_fc, fully_connected, layer_norm
from stable_baselines.common.tf_util import function


class DQNPolicy(BasePolicy):
    """
    A Q network; parameters as for ``BasePolicy`` and

    A subclass sets ``q_values``, then calls ``_setup_init()``.

    :param dueling: whether to add the value of the state to the advantages of the actions,
        https://arxiv.org/abs/1511.06581
    """

    value_fn: Optional[tf.Tensor] = None
    q_values: Optional[tf.Tensor] = None  # (n_batch, n_actions)
    policy_proba: Optional[tf.Tensor] = None

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, scale: bool = False,
                 obs_phs: Optional[Tuple[tf.Tensor, tf.Tensor]] = None, dueling: bool = True):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale, obs_phs=obs_phs)
        if not isinstance(ac_space, spaces.Discrete):
            raise ValueError(f"ac_space={ac_space}: accepted by a Q network is Discrete")
        self.n_actions = int(ac_space.n)
        self.dueling = dueling

    def _setup_init(self) -> None:
        """Build what every Q network offers on top of its Q values."""
        with tf.variable_scope("output", reuse=True):
            assert self.q_values is not None
            self.policy_proba = tf.nn.softmax(self.q_values)
        self._step = function([self.obs_ph], [self.q_values, self.policy_proba], session=self.sess)

    def step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None, deterministic: bool = True):
        """
        Choose actions: those of the highest Q value, or by the probabilities that are the softmax of the Q values.

        :return: actions (n_batch,), Q values (n_batch, n_actions), and None instead of states
        """
        q_values, probabilities = self._step(obs)
        if deterministic:
            return np.argmax(q_values, axis=1), q_values, None
        below = np.cumsum(probabilities, axis=1) < np.random.random_sample((len(probabilities), 1))
        return np.minimum(below.sum(axis=1), self.n_actions - 1), q_values, None

    def proba_step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None):
        return self._step(obs)[1]


class FeedForwardPolicy(DQNPolicy):
    """
    A Q network of convolutional or fully connected layers; parameters as for ``DQNPolicy`` and

    :param layers: sizes of the fully connected layers; None means [64, 64]
    :param cnn_extractor: function from images to features
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param layer_norm: whether to normalise before each activation of the fully connected layers
    :param act_fun: activation function of the fully connected layers
    :param kwargs: extra arguments of the cnn_extractor
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, layers: Optional[Sequence[int]] = None,
                 cnn_extractor: Callable = nature_cnn, feature_extraction: str = "cnn",
                 obs_phs: Optional[Tuple[tf.Tensor, tf.Tensor]] = None, layer_norm: bool = False, dueling: bool = True,
                 act_fun: Callable = tf.nn.relu, **kwargs):
        self._kwargs_check(feature_extraction, kwargs)
        is_cnn = feature_extraction == 'cnn'
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=is_cnn, obs_phs=obs_phs,
                         dueling=dueling)
        sizes = check_layers(layers)

        def hidden(latent: tf.Tensor) -> tf.Tensor:
            for size in sizes:
                latent = fully_connected(latent, size)
                latent = act_fun(_layer_norm(latent) if layer_norm else latent)
            return latent

        with tf.variable_scope("model", reuse=reuse):
            with tf.variable_scope("action_value"):
                features = cnn_extractor(self.processed_obs, **kwargs) if is_cnn else conv_to_fc(self.processed_obs)
                # as Stable Baselines 2.10: the advantages of images come straight from the features
                self.q_values = fully_connected(features if is_cnn else hidden(features), self.n_actions)
            if dueling:
                with tf.variable_scope("state_value"):
                    self.value_fn = fully_connected(hidden(features), 1)
                # the mean as a product, whose gradient is one operation
                mean = tf.matmul(self.q_values, tf.fill([self.n_actions, 1], 1. / self.n_actions))
                self.q_values = self.value_fn + (self.q_values - mean)
        self._setup_init()


_layer_norm = layer_norm  # the policies have an argument of the same name, which is public


class _NamedPolicy(FeedForwardPolicy):
    """A ``FeedForwardPolicy`` whose kind of features and normalisation are class attributes."""

    feature_extraction: str
    layer_norm = False

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, obs_phs: Optional[Tuple[tf.Tensor, tf.Tensor]] = None,
                 dueling: bool = True, **_kwargs: Any):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse, obs_phs=obs_phs, dueling=dueling,
                         feature_extraction=self.feature_extraction, layer_norm=self.layer_norm, **_kwargs)


class CnnPolicy(_NamedPolicy):
    """The convolutional network of the Nature DQN paper, for images; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "cnn"


class LnCnnPolicy(_NamedPolicy):
    """A ``CnnPolicy`` with layer normalisation of the fully connected layers."""

    feature_extraction, layer_norm = "cnn", True


class MlpPolicy(_NamedPolicy):
    """Fully connected layers, two of 64 by default; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "mlp"


class LnMlpPolicy(_NamedPolicy):
    """Fully connected layers with layer normalisation; parameters as for ``FeedForwardPolicy``."""

    feature_extraction, layer_norm = "mlp", True


_policy_registry[DQNPolicy] = {policy.__name__: policy for policy in (CnnPolicy, LnCnnPolicy, MlpPolicy, LnMlpPolicy)}
