# ruff: noqa: F401  what is imported here is public here
"""Actor-critic policies: networks from observations to actions and values."""
import warnings
from typing import Any, Callable, Dict, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import old_names
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.nets.bases import ActorCriticPolicy, BasePolicy, MaybeArray, RecurrentActorCriticPolicy
from stable_baselines.common.nets.net_arch import NetArch, split_arch
from stable_baselines.common.nets.registry import _policy_registry, get_policy_from_name, register_policy
from stable_baselines.common.tf_layers import conv, conv_to_fc, linear, lstm
from stable_baselines.common.tf_util import batch_to_seq, seq_to_batch

__all__ = ['ActorCriticPolicy', 'BasePolicy', 'CnnLnLstmPolicy', 'CnnLstmPolicy', 'CnnPolicy', 'FeedForwardPolicy',
           'LstmPolicy', 'MlpLnLstmPolicy', 'MlpLstmPolicy', 'MlpPolicy', 'RecurrentActorCriticPolicy',
           'get_policy_from_name', 'mlp_extractor', 'nature_cnn', 'register_policy']

# pickles name functions and classes by their module and open in Stable Baselines too, so that must be this one
for _offered in list(globals().values()):
    if (getattr(_offered, '__module__', None) or '').startswith('stable_baselines.common.nets.'):
        _offered.__module__ = __name__


def nature_cnn(scaled_images: tf.Tensor, **kwargs) -> tf.Tensor:
    """
    Build the convolutional network of the Nature DQN paper, https://www.nature.com/articles/nature14236

    :param scaled_images: values in [0, 1], shape (n_batch, height, width, channels), at least 36 x 36
    :param kwargs: extra arguments of the convolutions, see ``tf_layers.conv``
    :return: features, shape (n_batch, 512)
    :raises ValueError: if the input is not a batch of images of that size
    """
    shape = tuple(scaled_images.shape.as_list()[1:])
    if len(shape) != 3 or min(shape[:2]) < 36:
        raise ValueError(f"observations of shape {shape}: accepted by nature_cnn are images of shape (height, width, "
                         "channels), at least 36 x 36; use an Mlp policy for other observations")
    features = scaled_images
    for scope, n_filters, filter_size, stride in (('c1', 32, 8, 4), ('c2', 64, 4, 2), ('c3', 64, 3, 1)):
        features = tf.nn.relu(conv(features, scope, n_filters=n_filters, filter_size=filter_size, stride=stride,
                                   init_scale=np.sqrt(2), **kwargs))
    return fc_layers(conv_to_fc(features), 'fc', [512], tf.nn.relu, first_index=1)


def mlp_extractor(flat_observations: tf.Tensor, net_arch: NetArch,
                  act_fun: Callable[[tf.Tensor], tf.Tensor]) -> Tuple[tf.Tensor, tf.Tensor]:
    """
    Build fully connected layers, first shared by policy and value function, then one branch for each.

    ``[128, 128]`` means two shared layers; ``[128, dict(vf=[256], pi=[16])]`` a shared one and then one for each;
    ``[dict(vf=[64, 64], pi=[64, 64])]`` two separate networks.

    :param flat_observations: shape (n_batch, n_features)
    :param net_arch: sizes of the shared layers, optionally followed by a dict with the sizes of the separate ones:
        ``pi`` for the policy and ``vf`` for the value function, both optional
    :param act_fun: activation function
    :return: features for the policy and for the value function, shape (n_batch, size of the last layer) each
    :raises ValueError: if the net_arch makes no sense
    """
    shared, pi_layers, vf_layers = split_arch(net_arch)
    return branches(fc_layers(flat_observations, 'shared_fc', shared, act_fun), pi_layers, vf_layers, act_fun)


def fc_layers(latent: tf.Tensor, name: str, sizes: Sequence[int], act_fun: Callable, first_index: int = 0) -> tf.Tensor:
    """Build fully connected layers in scopes of a name and a running number."""
    for index, size in enumerate(sizes, first_index):
        latent = act_fun(linear(latent, f"{name}{index}", int(size), init_scale=np.sqrt(2)))
    return latent


def branches(latent: tf.Tensor, pi_layers: Sequence[int], vf_layers: Sequence[int],
             act_fun: Callable) -> Tuple[tf.Tensor, tf.Tensor]:
    """Build the separate layers, in turn: the order of the variables is part of the file format."""
    pi_latent = vf_latent = latent
    for index in range(max(len(pi_layers), len(vf_layers))):
        pi_latent = fc_layers(pi_latent, 'pi_fc', pi_layers[index:index + 1], act_fun, index)
        vf_latent = fc_layers(vf_latent, 'vf_fc', vf_layers[index:index + 1], act_fun, index)
    return pi_latent, vf_latent


def _layer_sizes(layers: Optional[Sequence[int]]) -> Sequence[int]:
    """Return what the deprecated argument means."""
    if layers is None:
        return [64, 64]
    warnings.warn(f"layers={layers!r} is deprecated, use net_arch: [dict(vf=layers, pi=layers)], or [*layers, 'lstm'] "
                  "for a recurrent policy", DeprecationWarning, stacklevel=3)
    return layers


class FeedForwardPolicy(ActorCriticPolicy):
    """
    An actor-critic policy without memory; parameters as for ``BasePolicy`` and

    :param layers: deprecated: sizes of the layers of both networks, use net_arch; None means [64, 64]
    :param net_arch: architecture for 'mlp', see ``mlp_extractor``; None means two networks of two layers of 64
    :param act_fun: activation function of the fully connected layers
    :param cnn_extractor: function from images to features
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param kwargs: extra arguments of the cnn_extractor
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, layers: Optional[Sequence[int]] = None,
                 net_arch: Optional[NetArch] = None, act_fun: Callable = tf.tanh,
                 cnn_extractor: Callable = nature_cnn, feature_extraction: str = "cnn", **kwargs):
        self._kwargs_check(feature_extraction, kwargs)
        is_cnn = feature_extraction == 'cnn'
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=is_cnn)
        sizes = _layer_sizes(layers)
        if net_arch is None:
            net_arch = [dict(vf=sizes, pi=sizes)]
        with tf.variable_scope("model", reuse=reuse):
            if is_cnn:
                pi_latent = vf_latent = cnn_extractor(self.processed_obs, **kwargs)
            else:
                pi_latent, vf_latent = mlp_extractor(conv_to_fc(self.processed_obs), net_arch, act_fun)
            self._build_heads(pi_latent, vf_latent, init_scale=0.01)
        self._setup_init()

    def step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None, deterministic: bool = False):
        action = 'deterministic_action' if deterministic else 'action'
        action, value, neglogp = self._call((action, 'value_flat', 'neglogp'), obs)
        return action, value, self.initial_state, neglogp


class LstmPolicy(RecurrentActorCriticPolicy):
    """
    An actor-critic policy with a Long Short Term Memory; parameters as for ``FeedForwardPolicy``, except

    :param n_lstm: number of LSTM cells
    :param layers: deprecated: sizes of the layers before the LSTM, use net_arch; None means [64, 64]
    :param net_arch: architecture with one 'lstm' among the shared layers, see ``mlp_extractor``
    :param layer_norm: whether to use layer normalisation in the LSTM
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], n_lstm: int = 256, reuse: bool = False,
                 layers: Optional[Sequence[int]] = None, net_arch: Optional[NetArch] = None,
                 act_fun: Callable = tf.tanh, cnn_extractor: Callable = nature_cnn, layer_norm: bool = False,
                 feature_extraction: str = "cnn", **kwargs):
        self._kwargs_check(feature_extraction, kwargs)
        is_cnn = feature_extraction == 'cnn'
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, (2 * n_lstm,), reuse=reuse, scale=is_cnn)
        self._n_lstm, self._layer_norm = n_lstm, layer_norm
        sizes = _layer_sizes(layers)
        with tf.variable_scope("model", reuse=reuse):
            latent = cnn_extractor(self.processed_obs, **kwargs) if is_cnn else conv_to_fc(self.processed_obs)
            if net_arch is None:
                latent = latent if is_cnn else fc_layers(latent, 'pi_fc', sizes, act_fun)
                pi_latent = vf_latent = self._lstm(latent)
            else:
                pi_latent, vf_latent = self._layers_around_lstm(latent, net_arch, act_fun)
            self._build_heads(pi_latent, vf_latent, init_scale=1.0)
        self._setup_init()

    def _layers_around_lstm(self, latent: tf.Tensor, net_arch: NetArch,
                            act_fun: Callable) -> Tuple[tf.Tensor, tf.Tensor]:
        """Build what ``mlp_extractor`` does, with the LSTM among the shared layers."""
        shared, pi_layers, vf_layers = split_arch(net_arch, recurrent=True)
        place = shared.index('lstm')
        latent = self._lstm(fc_layers(latent, 'shared_fc', shared[:place], act_fun))
        latent = fc_layers(latent, 'shared_fc', shared[place + 1:], act_fun, first_index=place + 1)
        return branches(latent, pi_layers, vf_layers, act_fun)

    def _lstm(self, features: tf.Tensor) -> tf.Tensor:
        """Build the LSTM over (n_env * n_steps, n_features); remember the state after the last step."""
        sequence = batch_to_seq(features, None, self.n_steps)
        episode_starts = batch_to_seq(self.dones_ph, None, self.n_steps, flat=True)
        outputs, self.snew = lstm(sequence, episode_starts, self.states_ph, 'lstm1', n_hidden=self._n_lstm,
                                  layer_norm=self._layer_norm)
        return seq_to_batch(outputs)

    def step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None, deterministic: bool = False):
        action = 'deterministic_action' if deterministic else 'action'
        return self._call((action, 'value_flat', 'snew', 'neglogp'), obs, state, mask)


class _NamedFeedForwardPolicy(FeedForwardPolicy):
    """A ``FeedForwardPolicy`` whose kind of features is a class attribute."""

    feature_extraction: str

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, **_kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse,
                         feature_extraction=self.feature_extraction, **_kwargs)


class _NamedLstmPolicy(LstmPolicy):
    """An ``LstmPolicy`` whose kind of features and of LSTM are class attributes."""

    feature_extraction: str
    layer_norm = False

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], n_lstm: int = 256, reuse: bool = False, **_kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, n_lstm, reuse, layer_norm=self.layer_norm,
                         feature_extraction=self.feature_extraction, **_kwargs)


class CnnPolicy(_NamedFeedForwardPolicy):
    """The convolutional network of the Nature DQN paper, for images; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "cnn"


class CnnLstmPolicy(_NamedLstmPolicy):
    """A convolutional network with an LSTM, for images; parameters as for ``LstmPolicy``."""

    feature_extraction = "cnn"


class CnnLnLstmPolicy(_NamedLstmPolicy):
    """A convolutional network with a layer-normalised LSTM, for images; parameters as for ``LstmPolicy``."""

    feature_extraction, layer_norm = "cnn", True


class MlpPolicy(_NamedFeedForwardPolicy):
    """Fully connected layers, two of 64 by default; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "mlp"


class MlpLstmPolicy(_NamedLstmPolicy):
    """Fully connected layers with an LSTM; parameters as for ``LstmPolicy``."""

    feature_extraction = "mlp"


class MlpLnLstmPolicy(_NamedLstmPolicy):
    """Fully connected layers with a layer-normalised LSTM; parameters as for ``LstmPolicy``."""

    feature_extraction, layer_norm = "mlp", True


_policy_registry[ActorCriticPolicy] = {policy.__name__: policy for policy in (
    CnnPolicy, CnnLstmPolicy, CnnLnLstmPolicy, MlpPolicy, MlpLstmPolicy, MlpLnLstmPolicy)}


old_names.offer(__name__)
