"""The policies of SAC: a Gaussian that is squashed into the bounds of the actions, two Q functions, and a value."""
from typing import Callable, Dict, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.nets.bases import MaybeArray
from stable_baselines.common.nets.features import FeatureLayers, NamedPolicy
from stable_baselines.common.policies import BasePolicy, _policy_registry, nature_cnn
from stable_baselines.common.tf_layers import dense
from stable_baselines.common.tf_util import function, next_op_seed

EPS = 1e-6  # keeps logarithms and quotients finite
LOG_STD_MIN, LOG_STD_MAX = -20, 2  # bounds of the logarithm of the standard deviation


def gaussian_likelihood(input_: tf.Tensor, mu_: tf.Tensor, log_std: tf.Tensor) -> tf.Tensor:
    r"""
    Compute the log-likelihood of Gaussians with independent dimensions.

    .. math:: \sum_i -\frac{1}{2} \left(\frac{x_i - \mu_i}{\sigma_i}\right)^2 - \log \sigma_i - \frac{1}{2} \log 2 \pi

    :param input_: points, shape (n_batch, n_dims)
    :param mu_: means, same shape
    :param log_std: logarithms of the standard deviations, same shape
    :return: shape (n_batch,)
    """
    standardised = (input_ - mu_) / (tf.exp(log_std) + EPS)
    return -tf.reduce_sum(.5 * tf.square(standardised) + log_std + .5 * np.log(2. * np.pi), axis=1)


def gaussian_entropy(log_std: tf.Tensor) -> tf.Tensor:
    """Compute the entropy of Gaussians, shape (n_batch,), from the logarithms of their standard deviations."""
    return tf.reduce_sum(log_std + .5 * np.log(2. * np.pi * np.e), axis=-1)


def clip_but_pass_gradient(input_: tf.Tensor, lower: float = -1., upper: float = 1.) -> tf.Tensor:
    """Clip values to bounds; the gradient is that of values that are not clipped."""
    return input_ + tf.stop_gradient(tf.clip_by_value(input_, lower, upper) - input_)


def apply_squashing_func(mu_: tf.Tensor, pi_: tf.Tensor,
                         logp_pi: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    r"""
    Squash actions into [-1, 1] and correct their log-likelihood, appendix C of https://arxiv.org/abs/1801.01290

    .. math:: \log \pi(a) = \log \mu(u) - \sum_i \log(1 - \tanh^2(u_i)), \quad a = \tanh(u)

    :param mu_: means of the Gaussians, shape (n_batch, n_actions)
    :param pi_: samples of the Gaussians, same shape
    :param logp_pi: log-likelihood of the samples, shape (n_batch,)
    :return: squashed means, squashed samples and the log-likelihood of these
    """
    policy = tf.tanh(pi_)
    # in this order the slope at saturated actions is rounded as in Stable Baselines 2.10, after TensorFlow's rewriting
    return tf.tanh(mu_), policy, logp_pi - tf.reduce_sum(tf.log(1. + EPS - tf.square(policy)), axis=1)


class SACPolicy(BasePolicy):
    """
    A stochastic policy, two Q functions and a value function; parameters as for ``BasePolicy``.

    A subclass implements ``make_actor`` and ``make_critics``, which keep what they build under the names below.
    """

    policy: Optional[tf.Tensor] = None  # sampled actions within [-1, 1], (n_batch, n_actions)
    deterministic_policy: Optional[tf.Tensor] = None  # the squashed mean, likewise
    act_mu: Optional[tf.Tensor] = None  # the mean of the Gaussian before it is squashed
    std: Optional[tf.Tensor] = None  # its standard deviation
    entropy: Optional[tf.Tensor] = None  # its entropy, (n_batch,)
    noise_ph: Optional[tf.Tensor] = None  # the standard normal draws of ``policy``, where they can be fed
    qf1: Optional[tf.Tensor] = None  # values of the last call of ``make_critics``, (n_batch, 1)
    qf2: Optional[tf.Tensor] = None
    value_fn: Optional[tf.Tensor] = None

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int = 1,
                 n_steps: int = 1, n_batch: Optional[int] = None, reuse: bool = False, scale: bool = False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale)
        self._functions: Dict[str, Callable] = {}

    def make_actor(self, obs: Optional[tf.Tensor] = None, reuse: bool = False,
                   scope: str = "pi") -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """
        Build the actor.

        :param obs: preprocessed observations; None means those of the policy's own placeholder
        :param reuse: whether to share the variables of an actor that exists already
        :param scope: variable scope
        :return: deterministic actions and sampled ones, both within [-1, 1], shape (n_batch, n_actions), and the
            log-likelihood of the sampled ones, shape (n_batch,)
        """
        raise NotImplementedError

    def make_critics(self, obs: Optional[tf.Tensor] = None, action: Optional[tf.Tensor] = None, reuse: bool = False,
                     scope: str = "values_fn", create_vf: bool = True,
                     create_qf: bool = True) -> Tuple[Optional[tf.Tensor], Optional[tf.Tensor], Optional[tf.Tensor]]:
        """
        Build the value function and two Q functions.

        :param obs: preprocessed observations; None means those of the policy's own placeholder
        :param action: actions within [-1, 1], shape (n_batch, n_actions); only Q functions need them
        :param reuse: whether to share the variables of functions that exist already
        :param scope: variable scope
        :param create_vf: whether to build the value function
        :param create_qf: whether to build the Q functions
        :return: the values of both Q functions and of the value function, shape (n_batch, 1); those that were not built
            are the last that were, or None
        """
        raise NotImplementedError

    def step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None,
             deterministic: bool = False) -> np.ndarray:
        """
        Choose actions.

        :param obs: observations, shape (n_batch, *obs_shape)
        :param state: ignored, like mask: there is no memory
        :param deterministic: whether to take the squashed means rather than samples
        :return: actions within [-1, 1], shape (n_batch, n_actions)
        """
        return self._call('deterministic_policy' if deterministic else 'policy', obs)

    def proba_step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None):
        """Compute mean and standard deviation of the Gaussians before they are squashed, (n_batch, n_actions) each."""
        return [self._call('act_mu', obs), self._call('std', obs)]

    def _call(self, output: str, obs: np.ndarray) -> np.ndarray:
        """Compute the output of a name; the function for it is made at its first use and kept."""
        if output not in self._functions:
            self._functions[output] = function([self.obs_ph], getattr(self, output), session=self.sess)
        return self._functions[output](obs)


class FeedForwardPolicy(SACPolicy):
    """
    Networks without memory; parameters as for ``BasePolicy`` and

    :param layers: sizes of the fully connected layers of actor and critics; None means [64, 64]
    :param cnn_extractor: function from images to features; the critics share theirs
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param reg_weight: has no effect, as in Stable Baselines 2.10
    :param layer_norm: whether to normalise before each activation
    :param act_fun: activation function of the fully connected layers
    :param kwargs: extra arguments of the cnn_extractor
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int = 1,
                 n_steps: int = 1, n_batch: Optional[int] = None, reuse: bool = False,
                 layers: Optional[Sequence[int]] = None, cnn_extractor: Callable = nature_cnn,
                 feature_extraction: str = "cnn", reg_weight: float = 0.0, layer_norm: bool = False,
                 act_fun: Callable = tf.nn.relu, **kwargs):
        self.net = FeatureLayers(layers, cnn_extractor, feature_extraction, layer_norm, act_fun, kwargs)
        self.reg_weight = reg_weight
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse,
                         scale=feature_extraction == "cnn")

    def make_actor(self, obs: Optional[tf.Tensor] = None, reuse: bool = False,
                   scope: str = "pi") -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        n_actions = self.ac_space.shape[0]
        with tf.variable_scope(scope, reuse=reuse):
            latent = self.net.mlp(self.net.extract(self.processed_obs if obs is None else obs))
            self.act_mu = dense(latent, n_actions)
            log_std = tf.clip_by_value(dense(latent, n_actions), LOG_STD_MIN, LOG_STD_MAX)
        self.std = tf.exp(log_std)
        self.entropy = gaussian_entropy(log_std)
        self.noise_ph = tf.placeholder_with_default(
            tf.random_normal(tf.shape(self.act_mu), seed=next_op_seed()), [None, n_actions], name="noise")
        sample = self.act_mu + self.std * self.noise_ph
        self.deterministic_policy, self.policy, logp_pi = apply_squashing_func(
            self.act_mu, sample, gaussian_likelihood(sample, self.act_mu, log_std))
        return self.deterministic_policy, self.policy, logp_pi

    def make_critics(self, obs: Optional[tf.Tensor] = None, action: Optional[tf.Tensor] = None, reuse: bool = False,
                     scope: str = "values_fn", create_vf: bool = True,
                     create_qf: bool = True) -> Tuple[Optional[tf.Tensor], Optional[tf.Tensor], Optional[tf.Tensor]]:
        with tf.variable_scope(scope, reuse=reuse):
            features = self.net.extract(self.processed_obs if obs is None else obs)
            if create_vf:
                self.value_fn = self._critic(features, "vf")
            if create_qf:
                inputs = tf.concat([features, action], axis=-1)
                self.qf1, self.qf2 = (self._critic(inputs, name) for name in ("qf1", "qf2"))
        return self.qf1, self.qf2, self.value_fn

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


_policy_registry[SACPolicy] = {policy.__name__: policy for policy in (CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy)}


old_names.offer(__name__)
