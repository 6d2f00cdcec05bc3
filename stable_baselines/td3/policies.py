"""The policies of TD3: a deterministic actor and two critics."""
from typing import Callable, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.nets.features import FeatureLayers, NamedPolicy
from stable_baselines.common.policies import BasePolicy, _policy_registry, nature_cnn
from stable_baselines.common.tf_layers import dense
from stable_baselines.common.tf_util import function


class TD3Policy(BasePolicy):
    """
    A deterministic policy and two critics; parameters as for ``BasePolicy``.

    A subclass implements ``make_actor``, which keeps its result as ``policy``, and ``make_critics``.
    """

    policy: Optional[tf.Tensor] = None  # actions within [-1, 1], (n_batch, n_actions)
    qf1: Optional[tf.Tensor] = None  # the values of the last call of ``make_critics``, (n_batch, 1)
    qf2: Optional[tf.Tensor] = None
    _act: Optional[Callable] = None

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int = 1,
                 n_steps: int = 1, n_batch: Optional[int] = None, reuse: bool = False, scale: bool = False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale)

    def make_actor(self, obs: Optional[tf.Tensor] = None, reuse: bool = False, scope: str = "pi") -> tf.Tensor:
        """
        Build the actor and keep its output as ``policy``.

        :param obs: preprocessed observations; None means those of the policy's own placeholder
        :param reuse: whether to share the variables of an actor that exists already
        :param scope: variable scope
        :return: actions within [-1, 1], shape (n_batch, n_actions)
        """
        raise NotImplementedError

    def make_critics(self, obs: Optional[tf.Tensor] = None, action: Optional[tf.Tensor] = None, reuse: bool = False,
                     scope: str = "qvalues_fn") -> Tuple[tf.Tensor, tf.Tensor]:
        """
        Build two critics.

        :param obs: preprocessed observations; None means those of the policy's own placeholder
        :param action: actions within [-1, 1], shape (n_batch, n_actions)
        :param reuse: whether to share the variables of critics that exist already
        :param scope: variable scope
        :return: the values of both, shape (n_batch, 1) each
        """
        raise NotImplementedError

    def step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
             deterministic: bool = True) -> np.ndarray:
        """
        Choose actions.

        :param obs: observations, shape (n_batch, *obs_shape)
        :param state: ignored, like mask: there is no memory
        :param deterministic: ignored
        :return: actions within [-1, 1], shape (n_batch, n_actions)
        """
        if self._act is None:
            self._act = function([self.obs_ph], self.policy, session=self.sess)
        return self._act(obs)

    def proba_step(self, obs: np.ndarray, state: Optional[np.ndarray] = None,
                   mask: Optional[np.ndarray] = None) -> np.ndarray:
        return self.step(obs)


class FeedForwardPolicy(TD3Policy):
    """
    Networks without memory; parameters as for ``BasePolicy`` and

    :param layers: sizes of the fully connected layers of actor and critics; None means [64, 64]
    :param cnn_extractor: function from images to features; the critics share theirs
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param layer_norm: whether to normalise before each activation
    :param act_fun: activation function of the fully connected layers
    :param kwargs: extra arguments of the cnn_extractor
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int = 1,
                 n_steps: int = 1, n_batch: Optional[int] = None, reuse: bool = False,
                 layers: Optional[Sequence[int]] = None, cnn_extractor: Callable = nature_cnn,
                 feature_extraction: str = "cnn", layer_norm: bool = False, act_fun: Callable = tf.nn.relu, **kwargs):
        self.net = FeatureLayers(layers, cnn_extractor, feature_extraction, layer_norm, act_fun, kwargs)
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse,
                         scale=feature_extraction == "cnn")

    def make_actor(self, obs: Optional[tf.Tensor] = None, reuse: bool = False, scope: str = "pi") -> tf.Tensor:
        with tf.variable_scope(scope, reuse=reuse):
            features = self.net.extract(self.processed_obs if obs is None else obs)
            self.policy = dense(self.net.mlp(features), self.ac_space.shape[0], tf.tanh)
        return self.policy

    def make_critics(self, obs: Optional[tf.Tensor] = None, action: Optional[tf.Tensor] = None, reuse: bool = False,
                     scope: str = "values_fn") -> Tuple[tf.Tensor, tf.Tensor]:
        with tf.variable_scope(scope, reuse=reuse):
            features = self.net.extract(self.processed_obs if obs is None else obs)
            inputs = tf.concat([features, action], axis=-1)
            self.qf1, self.qf2 = (self._critic(inputs, name) for name in ("qf1", "qf2"))
        return self.qf1, self.qf2

    def _critic(self, inputs: tf.Tensor, name: str) -> tf.Tensor:
        """Build one critic, shape (n_batch, 1)."""
        with tf.variable_scope(name):
            return dense(self.net.mlp(inputs), 1, name=name)


class CnnPolicy(NamedPolicy, FeedForwardPolicy):
    """The convolutional network of the Nature DQN paper, for images; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "cnn"


class LnCnnPolicy(NamedPolicy, FeedForwardPolicy):
    """``CnnPolicy`` with layer normalisation behind the convolutions; parameters as for ``FeedForwardPolicy``."""

    feature_extraction, layer_norm = "cnn", True


class MlpPolicy(NamedPolicy, FeedForwardPolicy):
    """Fully connected layers, two of 64 by default; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "mlp"


class LnMlpPolicy(NamedPolicy, FeedForwardPolicy):
    """``MlpPolicy`` with layer normalisation; parameters as for ``FeedForwardPolicy``."""

    feature_extraction, layer_norm = "mlp", True


_policy_registry[TD3Policy] = {policy.__name__: policy for policy in (CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy)}


old_names.offer(__name__)
