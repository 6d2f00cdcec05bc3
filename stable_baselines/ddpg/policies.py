"""The policies of DDPG: a deterministic actor and a critic."""
from typing import Callable, Dict, Optional, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.nets.features import FeatureLayers, NamedPolicy
from stable_baselines.common.policies import BasePolicy, _policy_registry, nature_cnn
from stable_baselines.common.tf_layers import dense
from stable_baselines.common.tf_layers import layer_norm as normalise_layer
from stable_baselines.common.tf_util import function, next_op_seed


class DDPGPolicy(BasePolicy):
    """
    A deterministic policy and a critic; parameters as for ``BasePolicy``.

    A subclass implements ``make_actor``, which keeps its result as ``policy``, and ``make_critic``, which keeps its as
    ``value_fn``.
    """

    policy: Optional[tf.Tensor] = None  # actions within [-1, 1], (n_batch, n_actions)
    value_fn: Optional[tf.Tensor] = None  # of the last call of ``make_critic``, (n_batch, 1)

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, scale: bool = False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale,
                         add_action_ph=True)
        self._functions: Dict[str, Callable] = {}

    def make_actor(self, obs: Optional[tf.Tensor] = None, reuse: bool = False, scope: str = "pi") -> tf.Tensor:
        """
        Build the actor and keep its output as ``policy``.

        :param obs: preprocessed observations; None means those of the policy's own placeholder
        :param reuse: whether to share the variables of an actor that exists already
        :param scope: variable scope
        :return: actions within [-1, 1], shape (n_batch, n_actions)
        """
        raise NotImplementedError

    def make_critic(self, obs: Optional[tf.Tensor] = None, action: Optional[tf.Tensor] = None, reuse: bool = False,
                    scope: str = "qf") -> tf.Tensor:
        """
        Build the critic and keep its output as ``value_fn``.

        :param obs: preprocessed observations; None means those of the policy's own placeholder
        :param action: actions within [-1, 1], shape (n_batch, n_actions); None means the policy's own placeholder
        :param reuse: whether to share the variables of a critic that exists already
        :param scope: variable scope
        :return: values, shape (n_batch, 1)
        """
        raise NotImplementedError

    def _call(self, output: str, *feeds) -> np.ndarray:
        """Compute an output of the policy from observations, and actions."""
        if output not in self._functions:
            inputs = [self.obs_ph, self.action_ph][:len(feeds)]
            self._functions[output] = function(inputs, getattr(self, output), session=self.sess)
        return self._functions[output](*feeds)

    def step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
             deterministic: bool = True) -> np.ndarray:
        """
        Choose actions.

        :param obs: observations, shape (n_batch, *obs_shape)
        :param state: ignored, like mask: there is no memory
        :param deterministic: ignored
        :return: actions within [-1, 1], shape (n_batch, n_actions)
        """
        return self._call('policy', obs)

    def proba_step(self, obs: np.ndarray, state: Optional[np.ndarray] = None,
                   mask: Optional[np.ndarray] = None) -> np.ndarray:
        return self.step(obs)

    def value(self, obs: np.ndarray, action: np.ndarray, state: Optional[np.ndarray] = None,
              mask: Optional[np.ndarray] = None) -> np.ndarray:
        """
        Estimate the values of actions.

        :param obs: observations, shape (n_batch, *obs_shape)
        :param action: actions within [-1, 1], shape (n_batch, n_actions)
        :param state: ignored, like mask: there is no memory
        :return: values, shape (n_batch, 1)
        """
        return self._call('value_fn', obs, action)


class FeedForwardPolicy(DDPGPolicy):
    """
    Networks without memory; parameters as for ``BasePolicy`` and

    :param layers: sizes of the fully connected layers of actor and critic; None means [64, 64]
    :param cnn_extractor: function from images to features
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param layer_norm: whether to normalise before each activation
    :param act_fun: activation function of the fully connected layers
    :param kwargs: extra arguments of the cnn_extractor
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, layers: Optional[Sequence[int]] = None,
                 cnn_extractor: Callable = nature_cnn, feature_extraction: str = "cnn", layer_norm: bool = False,
                 act_fun: Callable = tf.nn.relu, **kwargs):
        self.net = FeatureLayers(layers, cnn_extractor, feature_extraction, layer_norm, act_fun, kwargs)
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse,
                         scale=feature_extraction == "cnn")

    def make_actor(self, obs: Optional[tf.Tensor] = None, reuse: bool = False, scope: str = "pi") -> tf.Tensor:
        with tf.variable_scope(scope, reuse=reuse):
            features = self.net.extract(self.processed_obs if obs is None else obs)
            self.policy = self._output(self.net.mlp(features), self.ac_space.shape[0], 'pi', tf.tanh)
        return self.policy

    def make_critic(self, obs: Optional[tf.Tensor] = None, action: Optional[tf.Tensor] = None, reuse: bool = False,
                    scope: str = "qf") -> tf.Tensor:
        action = tf.cast(self.action_ph, tf.float32) if action is None else action
        with tf.variable_scope(scope, reuse=reuse):
            latent = self.net.extract(self.processed_obs if obs is None else obs)
            for index, size in enumerate(self.net.sizes):
                latent = dense(latent, size, name=f'fc{index}')
                latent = self.net.act_fun(normalise_layer(latent) if self.net.layer_norm else latent)
                if index == 0:  # the first layer sees the observations alone, as in the paper
                    latent = tf.concat([latent, action], axis=-1)
            self.value_fn = self._output(latent, 1, 'qf_output')
        return self.value_fn

    @staticmethod
    def _output(latent: tf.Tensor, size: int, name: str, activation: Optional[Callable] = None) -> tf.Tensor:
        """Build a last layer, with weights so small that the outputs begin near zero, as in the paper."""
        return dense(latent, size, activation, name=name,
                     kernel_initializer=tf.random_uniform_initializer(-3e-3, 3e-3, seed=next_op_seed()))


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


_policy_registry[DDPGPolicy] = {policy.__name__: policy for policy in (CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy)}


old_names.offer(__name__)
