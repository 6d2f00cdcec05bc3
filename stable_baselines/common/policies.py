"""Actor-critic policies: networks from observations to actions and values."""
import itertools
from abc import ABC, abstractmethod
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.distributions import (
    BernoulliProbabilityDistribution,
    CategoricalProbabilityDistribution,
    DiagGaussianProbabilityDistribution,
    MultiCategoricalProbabilityDistribution,
    ProbabilityDistribution,
    ProbabilityDistributionType,
    make_proba_dist_type,
)
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.input import observation_input
from stable_baselines.common.tf_layers import conv, conv_to_fc, linear, lstm
from stable_baselines.common.tf_util import batch_to_seq, function, seq_to_batch

NetArch = Sequence[Union[int, str, Dict[str, Sequence[int]]]]


# ================================================================
# Feature extractors
# ================================================================

def nature_cnn(scaled_images: tf.Tensor, **kwargs) -> tf.Tensor:
    """
    Build the convolutional network of the Nature DQN paper, https://www.nature.com/articles/nature14236

    :param scaled_images: images with values in [0, 1], shape (n_batch, height, width, channels), at least
        36 x 36
    :param kwargs: extra arguments of the convolutions, see ``tf_layers.conv``
    :return: features, shape (n_batch, 512)
    :raises ValueError: if the input are not images of that size
    """
    shape = scaled_images.shape.as_list()
    if len(shape) != 4 or shape[1] < 36 or shape[2] < 36:
        raise ValueError(f"nature_cnn takes images of shape (height, width, channels), at least 36 x 36, got {tuple(shape[1:])}; "
                         "use an Mlp policy for other observations")
    activ, scale = tf.nn.relu, np.sqrt(2)
    layer_1 = activ(conv(scaled_images, 'c1', n_filters=32, filter_size=8, stride=4, init_scale=scale, **kwargs))
    layer_2 = activ(conv(layer_1, 'c2', n_filters=64, filter_size=4, stride=2, init_scale=scale, **kwargs))
    layer_3 = activ(conv(layer_2, 'c3', n_filters=64, filter_size=3, stride=1, init_scale=scale, **kwargs))
    return activ(linear(conv_to_fc(layer_3), 'fc1', n_hidden=512, init_scale=scale))


def mlp_extractor(flat_observations: tf.Tensor, net_arch: NetArch,
                  act_fun: Callable[[tf.Tensor], tf.Tensor]) -> Tuple[tf.Tensor, tf.Tensor]:
    """
    Build fully connected layers, first shared by policy and value function, then one branch for each.

    ``[128, 128]`` are two shared layers; ``[128, dict(vf=[256], pi=[16])]`` a shared one and then one for each;
    ``[dict(vf=[64, 64], pi=[64, 64])]`` two separate networks.

    :param flat_observations: shape (n_batch, n_features)
    :param net_arch: sizes of the shared layers, at last optionally a dict with the sizes of the
        separate ones: ``pi`` for the policy and ``vf`` for the value function, both optional
    :param act_fun: activation function
    :return: features for the policy and for the value function
    :raises ValueError: if the net_arch makes no sense
    """
    shared, pi_layers, vf_layers = _split_net_arch(net_arch)
    latent = _shared_layers(flat_observations, shared, act_fun)
    return _branches(latent, pi_layers, vf_layers, act_fun)


def _split_net_arch(net_arch: NetArch, recurrent: bool = False) -> Tuple[List, List[int], List[int]]:
    """Check a net_arch and return its shared layers, its policy layers and its value layers."""
    def refuse(reason):
        raise ValueError("net_arch={!r} makes no sense: {}. It is a list of layer sizes{}, at last optionally a dict "
                         "of lists, as in [64, {}dict(pi=[32], vf=[32])]".format(
                             net_arch, reason, " with one 'lstm' among them" if recurrent else "",
                             "'lstm', " if recurrent else ""))

    if not isinstance(net_arch, (list, tuple)):
        refuse("it is no list")
    has_branches = len(net_arch) > 0 and isinstance(net_arch[-1], dict)
    shared, branches = (net_arch[:-1], net_arch[-1]) if has_branches else (net_arch, {})
    if set(branches) - {'pi', 'vf'}:
        refuse("the only branches are 'pi' and 'vf'")
    for branch in branches.values():
        if not isinstance(branch, (list, tuple)):
            refuse("a branch must be a list of layer sizes")
    sizes = [layer for layer in shared if not (recurrent and layer == 'lstm')]
    for size in itertools.chain(sizes, *branches.values()):
        if not isinstance(size, (int, np.integer)) or isinstance(size, bool) or size <= 0:
            refuse(f"{size!r} is no layer size")
    if recurrent and len(shared) - len(sizes) != 1:
        refuse("'lstm' must occur once among the shared layers")
    return list(shared), list(branches.get('pi', [])), list(branches.get('vf', []))


def _shared_layers(latent: tf.Tensor, sizes: Sequence[int], act_fun: Callable, first_index: int = 0) -> tf.Tensor:
    """Build shared layers, named by their place in the net_arch."""
    for index, size in enumerate(sizes, first_index):
        latent = act_fun(linear(latent, f"shared_fc{index}", int(size), init_scale=np.sqrt(2)))
    return latent


def _branches(latent: tf.Tensor, pi_layers: Sequence[int], vf_layers: Sequence[int],
              act_fun: Callable) -> Tuple[tf.Tensor, tf.Tensor]:
    """Build the separate layers, in turn: the order of the variables is part of the file format."""
    latent_policy = latent_value = latent
    for index, (pi_size, vf_size) in enumerate(itertools.zip_longest(pi_layers, vf_layers)):
        if pi_size is not None:
            latent_policy = act_fun(linear(latent_policy, f"pi_fc{index}", int(pi_size),
                                           init_scale=np.sqrt(2)))
        if vf_size is not None:
            latent_value = act_fun(linear(latent_value, f"vf_fc{index}", int(vf_size),
                                          init_scale=np.sqrt(2)))
    return latent_policy, latent_value


# ================================================================
# Base classes
# ================================================================

class BasePolicy(ABC):
    """
    A network from observations to actions.

    :param sess: the session it runs in
    :param ob_space: the observation space
    :param ac_space: the action space
    :param n_env: number of environments
    :param n_steps: number of steps per environment in one batch
    :param n_batch: number of observations in one batch (n_env * n_steps); None leaves it open
    :param reuse: whether to share the variables of a policy that exists already
    :param scale: whether to scale bounded observations to [0, 1]
    :param obs_phs: placeholder and preprocessed observations to use instead of new ones
    :param add_action_ph: whether to create a placeholder for actions
    """

    recurrent = False

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, scale: bool = False,
                 obs_phs: Optional[Tuple[tf.Tensor, tf.Tensor]] = None, add_action_ph: bool = False):
        self.n_env = n_env
        self.n_steps = n_steps
        self.n_batch = n_batch
        self.sess = sess
        self.reuse = reuse
        self.ob_space = ob_space
        self.ac_space = ac_space
        with tf.variable_scope("input", reuse=False):
            if obs_phs is None:
                obs_phs = observation_input(ob_space, n_batch, scale=scale)
            self._obs_ph, self._processed_obs = obs_phs
            self._action_ph = None
            if add_action_ph:
                self._action_ph = tf.placeholder(dtype=ac_space.dtype, shape=(n_batch,) + ac_space.shape,
                                                 name="action_ph")

    @property
    def is_discrete(self) -> bool:
        """bool: whether the action space is Discrete."""
        return isinstance(self.ac_space, spaces.Discrete)

    @property
    def initial_state(self) -> Optional[np.ndarray]:
        """np.ndarray: state of a recurrent policy at the start of an episode, shape (n_env,) + state shape, or None."""
        assert not self.recurrent, "recurrent policies must override `initial_state`"
        return None

    @property
    def obs_ph(self) -> tf.Tensor:
        """tf.Tensor: placeholder for observations, shape (n_batch,) + observation shape."""
        return self._obs_ph

    @property
    def processed_obs(self) -> tf.Tensor:
        """tf.Tensor: preprocessed observations (see ``observation_input``), float32, first dimension n_batch."""
        return self._processed_obs

    @property
    def action_ph(self) -> Optional[tf.Tensor]:
        """tf.Tensor: placeholder for actions, shape (n_batch,) + action shape, or None."""
        return self._action_ph

    @abstractmethod
    def step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        """
        Choose actions.

        :param obs: observations, shape (n_batch,) + observation shape
        :param state: states of a recurrent policy before these observations
        :param mask: True where an observation begins an episode, shape (n_batch,)
        :return: actions, values, states, neglogp
        """
        raise NotImplementedError

    @abstractmethod
    def proba_step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        """
        Compute the parameters of the distribution of actions.

        :param obs: observations, shape (n_batch,) + observation shape
        :param state: states of a recurrent policy before these observations
        :param mask: True where an observation begins an episode, shape (n_batch,)
        :return: probabilities, or mean and standard deviation
        """
        raise NotImplementedError


class ActorCriticPolicy(BasePolicy):
    """
    A policy together with a value function; parameters as for ``BasePolicy``.

    A subclass sets ``_proba_distribution``, ``_policy``, ``q_value`` and ``_value_fn``, then calls ``_setup_init()``.
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, scale: bool = False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse,
                                                scale=scale)
        self._pdtype = make_proba_dist_type(ac_space)
        self._policy = None
        self._proba_distribution = None
        self._value_fn = None
        self.q_value = None
        self._functions = {}

    def _setup_init(self) -> None:
        """Build what every actor-critic policy offers on top of its distribution and its value function."""
        assert self._policy is not None and self._proba_distribution is not None and self._value_fn is not None
        with tf.variable_scope("output", reuse=True):
            self._action = self.proba_distribution.sample()
            self._deterministic_action = self.proba_distribution.mode()
            self._neglogp = self.proba_distribution.neglogp(self.action)
            self._policy_proba = _distribution_parameters(self.proba_distribution)
            self._value_flat = self.value_fn[:, 0]

    def _build_heads(self, pi_latent: tf.Tensor, vf_latent: tf.Tensor, init_scale: float) -> None:
        """Build the last layers, ``vf``, ``pi`` and ``q``."""
        self._value_fn = linear(vf_latent, 'vf', 1)
        self._proba_distribution, self._policy, self.q_value = \
            self.pdtype.proba_distribution_from_latent(pi_latent, vf_latent, init_scale=init_scale)

    def _call(self, outputs: Any, *feeds) -> Any:
        """Compute outputs of this network; the function is made at its first use and kept."""
        key = outputs if isinstance(outputs, str) else tuple(outputs)
        if key not in self._functions:
            tensors = getattr(self, outputs) if isinstance(outputs, str) else [getattr(self, name) for name in outputs]
            self._functions[key] = function(self._inputs(), tensors, session=self.sess)
        return self._functions[key](*feeds)

    def _inputs(self) -> List[tf.Tensor]:
        """Return the placeholders that every output depends on, in the order of ``_call``."""
        return [self.obs_ph]

    @property
    def pdtype(self) -> ProbabilityDistributionType:
        """ProbabilityDistributionType: type of the distribution of actions."""
        return self._pdtype

    @property
    def policy(self) -> tf.Tensor:
        """tf.Tensor: output of the policy (logits or means), shape (n_batch, n_outputs)."""
        return self._policy

    @property
    def proba_distribution(self) -> ProbabilityDistribution:
        """ProbabilityDistribution: distribution of the actions."""
        return self._proba_distribution

    @property
    def value_fn(self) -> tf.Tensor:
        """tf.Tensor: values, shape (n_batch, 1)."""
        return self._value_fn

    @property
    def value_flat(self) -> tf.Tensor:
        """tf.Tensor: values, shape (n_batch,)."""
        return self._value_flat

    @property
    def action(self) -> tf.Tensor:
        """tf.Tensor: sampled actions, shape (n_batch,) + action shape."""
        return self._action

    @property
    def deterministic_action(self) -> tf.Tensor:
        """tf.Tensor: most likely actions, shape (n_batch,) + action shape."""
        return self._deterministic_action

    @property
    def neglogp(self) -> tf.Tensor:
        """tf.Tensor: negative log-likelihood of the sampled actions, shape (n_batch,)."""
        return self._neglogp

    @property
    def policy_proba(self) -> Any:
        """tf.Tensor or [tf.Tensor]: probabilities, or mean and standard deviation."""
        return self._policy_proba

    @abstractmethod
    def step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
             deterministic: bool = False):
        """
        Choose actions.

        :param obs: observations, shape (n_batch,) + observation shape
        :param state: states of a recurrent policy before these observations
        :param mask: True where an observation begins an episode, shape (n_batch,)
        :param deterministic: whether to take the most likely actions rather than to sample
        :return: actions, values, states, neglogp
        """
        raise NotImplementedError

    @abstractmethod
    def value(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        """
        Estimate the values of observations.

        :param obs: observations, shape (n_batch,) + observation shape
        :param state: states of a recurrent policy before these observations
        :param mask: True where an observation begins an episode, shape (n_batch,)
        :return: values, shape (n_batch,)
        """
        raise NotImplementedError


def _distribution_parameters(distribution: ProbabilityDistribution) -> Any:
    """Return what describes a distribution to a user: probabilities, or mean and standard deviation."""
    if isinstance(distribution, CategoricalProbabilityDistribution):
        return tf.nn.softmax(distribution.logits)
    if isinstance(distribution, DiagGaussianProbabilityDistribution):
        return [distribution.mean, distribution.std]
    if isinstance(distribution, BernoulliProbabilityDistribution):
        return tf.sigmoid(distribution.logits)
    if isinstance(distribution, MultiCategoricalProbabilityDistribution):
        return [tf.nn.softmax(categorical.logits) for categorical in distribution.categoricals]
    return []  # a distribution of the user's own


class RecurrentActorCriticPolicy(ActorCriticPolicy):
    """
    An actor-critic policy with a memory; parameters as for ``BasePolicy``.

    :param state_shape: shape of the state of one environment
    """

    recurrent = True

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], state_shape: Tuple[int, ...], reuse: bool = False, scale: bool = False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch,
                                                         reuse=reuse, scale=scale)
        # any number of environments, whatever n_env is: a policy can be tested with another number of them
        with tf.variable_scope("input", reuse=False):
            self._dones_ph = tf.placeholder(tf.float32, (n_batch,), name="dones_ph")
            self._states_ph = tf.placeholder(tf.float32, (None,) + tuple(state_shape), name="states_ph")
        self._initial_state = np.zeros((self.n_env,) + tuple(state_shape), dtype=np.float32)

    def _inputs(self) -> List[tf.Tensor]:
        return [self.obs_ph, self.states_ph, self.dones_ph]

    @property
    def initial_state(self) -> np.ndarray:
        return self._initial_state

    @property
    def dones_ph(self) -> tf.Tensor:
        """tf.Tensor: placeholder for whether an observation begins an episode, shape (n_batch,)."""
        return self._dones_ph

    @property
    def states_ph(self) -> tf.Tensor:
        """tf.Tensor: placeholder for states, shape (n_env,) + state shape."""
        return self._states_ph

    @abstractmethod
    def value(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        """
        Estimate the values of observations, see ``ActorCriticPolicy.value``; state and mask are needed.

        :return: values, shape (n_batch,)
        """
        raise NotImplementedError


# ================================================================
# The two kinds of network
# ================================================================

def _check_feature_extraction(feature_extraction: str, kwargs: Dict[str, Any]) -> None:
    """Refuse unknown kinds of features, and arguments that nothing would read."""
    if feature_extraction not in ('cnn', 'mlp'):
        raise ValueError(f"feature_extraction must be 'cnn' or 'mlp', got {feature_extraction!r}")
    if feature_extraction == 'mlp' and kwargs:
        raise ValueError(f"unknown keywords for policy: {kwargs}")


class LstmPolicy(RecurrentActorCriticPolicy):
    """
    An actor-critic policy with a Long Short Term Memory; parameters as for ``BasePolicy`` and

    :param n_lstm: number of LSTM cells
    :param layers: deprecated: sizes of the layers before the LSTM, use net_arch; None means [64, 64]
    :param net_arch: architecture with one 'lstm' among the shared layers, see ``mlp_extractor``
    :param act_fun: activation function of the fully connected layers
    :param cnn_extractor: function from images to features
    :param layer_norm: whether to use layer normalisation in the LSTM
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param kwargs: extra arguments of the cnn_extractor
    """

    recurrent = True

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], n_lstm: int = 256, reuse: bool = False,
                 layers: Optional[Sequence[int]] = None, net_arch: Optional[NetArch] = None,
                 act_fun: Callable = tf.tanh, cnn_extractor: Callable = nature_cnn, layer_norm: bool = False,
                 feature_extraction: str = "cnn", **kwargs):
        _check_feature_extraction(feature_extraction, kwargs)
        is_cnn = feature_extraction == "cnn"
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch,
                                         state_shape=(2 * n_lstm,), reuse=reuse, scale=is_cnn)
        self._n_lstm, self._layer_norm = n_lstm, layer_norm
        with tf.variable_scope("model", reuse=reuse):
            latent = cnn_extractor(self.processed_obs, **kwargs) if is_cnn else conv_to_fc(self.processed_obs)
            if net_arch is None:
                for index, size in enumerate([] if is_cnn else [64, 64] if layers is None else layers):
                    latent = act_fun(linear(latent, 'pi_fc' + str(index), n_hidden=size, init_scale=np.sqrt(2)))
                pi_latent = vf_latent = self._lstm(latent)
            else:
                shared, pi_layers, vf_layers = _split_net_arch(net_arch, recurrent=True)
                lstm_index = shared.index('lstm')
                latent = _shared_layers(latent, shared[:lstm_index], act_fun)
                latent = _shared_layers(self._lstm(latent), shared[lstm_index + 1:], act_fun, lstm_index + 1)
                pi_latent, vf_latent = _branches(latent, pi_layers, vf_layers, act_fun)
            self._build_heads(pi_latent, vf_latent, init_scale=1.0)
        self._setup_init()

    def _lstm(self, features: tf.Tensor) -> tf.Tensor:
        """Build the LSTM over (n_env * n_steps, n_features); remember the state after the last step."""
        input_sequence = batch_to_seq(features, None, self.n_steps)
        masks = batch_to_seq(self.dones_ph, None, self.n_steps, flat=True)
        outputs, self.snew = lstm(input_sequence, masks, self.states_ph, 'lstm1', n_hidden=self._n_lstm,
                                  layer_norm=self._layer_norm)
        return seq_to_batch(outputs)

    def step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
             deterministic: bool = False):
        action = 'deterministic_action' if deterministic else 'action'
        return self._call((action, 'value_flat', 'snew', 'neglogp'), obs, state, mask)

    def proba_step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        return self._call('policy_proba', obs, state, mask)

    def value(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        return self._call('value_flat', obs, state, mask)


class FeedForwardPolicy(ActorCriticPolicy):
    """
    An actor-critic policy without memory; parameters as for ``BasePolicy`` and

    :param layers: deprecated: sizes of the layers of both networks, use net_arch; None means [64, 64]
    :param net_arch: architecture for feature_extraction='mlp', see ``mlp_extractor``; None means two
        separate networks of two layers of 64
    :param act_fun: activation function
    :param cnn_extractor: function from images to features
    :param feature_extraction: 'cnn' for images, 'mlp' for other observations
    :param kwargs: extra arguments of the cnn_extractor
    """

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, layers: Optional[Sequence[int]] = None,
                 net_arch: Optional[NetArch] = None, act_fun: Callable = tf.tanh,
                 cnn_extractor: Callable = nature_cnn, feature_extraction: str = "cnn", **kwargs):
        _check_feature_extraction(feature_extraction, kwargs)
        is_cnn = feature_extraction == "cnn"
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse,
                                                scale=is_cnn)
        if net_arch is None:
            sizes = [64, 64] if layers is None else layers
            net_arch = [dict(vf=sizes, pi=sizes)]
        with tf.variable_scope("model", reuse=reuse):
            if is_cnn:
                pi_latent = vf_latent = cnn_extractor(self.processed_obs, **kwargs)
            else:
                pi_latent, vf_latent = mlp_extractor(conv_to_fc(self.processed_obs), net_arch, act_fun)
            self._build_heads(pi_latent, vf_latent, init_scale=0.01)
        self._setup_init()

    def step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None,
             deterministic: bool = False):
        name = 'deterministic_action' if deterministic else 'action'
        action, value, neglogp = self._call((name, 'value_flat', 'neglogp'), obs)
        return action, value, self.initial_state, neglogp

    def proba_step(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        return self._call('policy_proba', obs)

    def value(self, obs: np.ndarray, state: Optional[np.ndarray] = None, mask: Optional[np.ndarray] = None):
        return self._call('value_flat', obs)


# ================================================================
# The six policies by name
# ================================================================

class _NamedFeedForwardPolicy(FeedForwardPolicy):
    """A ``FeedForwardPolicy`` whose kind of features is a class attribute."""

    feature_extraction: str = None

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, **_kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse,
                                                      feature_extraction=self.feature_extraction, **_kwargs)


class _NamedLstmPolicy(LstmPolicy):
    """An ``LstmPolicy`` whose kind of features and of LSTM are class attributes."""

    feature_extraction: str = None
    layer_norm = False

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], n_lstm: int = 256, reuse: bool = False, **_kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, n_lstm, reuse,
                                               layer_norm=self.layer_norm,
                                               feature_extraction=self.feature_extraction, **_kwargs)


class CnnPolicy(_NamedFeedForwardPolicy):
    """A policy for images: the convolutional network of the Nature DQN paper; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "cnn"


class CnnLstmPolicy(_NamedLstmPolicy):
    """A policy for images with an LSTM; parameters as for ``LstmPolicy``."""

    feature_extraction = "cnn"


class CnnLnLstmPolicy(_NamedLstmPolicy):
    """A policy for images with a layer-normalised LSTM; parameters as for ``LstmPolicy``."""

    feature_extraction = "cnn"
    layer_norm = True


class MlpPolicy(_NamedFeedForwardPolicy):
    """A policy of fully connected layers, two of 64 by default; parameters as for ``FeedForwardPolicy``."""

    feature_extraction = "mlp"


class MlpLstmPolicy(_NamedLstmPolicy):
    """A policy of fully connected layers and an LSTM; parameters as for ``LstmPolicy``."""

    feature_extraction = "mlp"


class MlpLnLstmPolicy(_NamedLstmPolicy):
    """A policy of fully connected layers and a layer-normalised LSTM; parameters as for ``LstmPolicy``."""

    feature_extraction = "mlp"
    layer_norm = True


# ================================================================
# Policies by name
# ================================================================

_policy_registry = {
    ActorCriticPolicy: {
        "CnnPolicy": CnnPolicy,
        "CnnLstmPolicy": CnnLstmPolicy,
        "CnnLnLstmPolicy": CnnLnLstmPolicy,
        "MlpPolicy": MlpPolicy,
        "MlpLstmPolicy": MlpLstmPolicy,
        "MlpLnLstmPolicy": MlpLnLstmPolicy,
    }
}  # type: Dict[Type[BasePolicy], Dict[str, Type[BasePolicy]]]


def get_policy_from_name(base_policy_type: Type[BasePolicy], name: str) -> Type[BasePolicy]:
    """
    Find a registered policy.

    :param base_policy_type: the family of policies that an algorithm uses
    :param name: name of the policy
    :return: the policy
    :raises ValueError: if the family or the name is unknown
    """
    if base_policy_type not in _policy_registry:
        raise ValueError(f"no policies are registered for {base_policy_type}, register one with register_policy")
    known = _policy_registry[base_policy_type]
    if name not in known:
        raise ValueError("unknown policy {!r}, the registered ones are: {}".format(name, ', '.join(sorted(known))))
    return known[name]


def register_policy(name: str, policy: Type[BasePolicy]) -> None:
    """
    Give a policy a name, so that it can be passed as a string.

    :param name: the name
    :param policy: the policy class
    :raises ValueError: if the class belongs to no family of policies, or the name is taken by another one
    """
    if not isinstance(policy, type) or not issubclass(policy, BasePolicy):
        raise ValueError(f"a policy must be a subclass of BasePolicy, got {policy!r}")
    # the closest registered family: those of the off-policy algorithms derive from BasePolicy too
    families = [cls for cls in policy.__mro__ if cls in _policy_registry]
    family = families[0] if families else BasePolicy
    known = _policy_registry.setdefault(family, {})
    if name in known and known[name] is not policy:
        raise ValueError(f"the name {name!r} is already registered for {known[name]}")
    known[name] = policy
