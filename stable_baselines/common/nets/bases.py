"""What every policy offers: placeholders, heads, and calls into the session."""
from abc import ABC, abstractmethod
from operator import attrgetter
from typing import Any, Dict, List, Optional, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import distributions
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.input import observation_input
from stable_baselines.common.tf_layers import linear
from stable_baselines.common.tf_util import function

MaybeArray = Optional[np.ndarray]


def _read_only(attribute: str, meaning: str) -> Any:
    """Make a property that reads an attribute."""
    return property(attrgetter(attribute), doc=meaning)


class BasePolicy(ABC):
    """
    A network from observations to actions.

    :param sess: the session it runs in
    :param n_env: number of environments
    :param n_steps: number of steps per environment in one batch
    :param n_batch: number of observations in one batch (n_env * n_steps); None leaves it open
    :param reuse: whether to share the variables of a policy that exists already
    :param scale: whether to scale bounded observations to [0, 1]
    :param obs_phs: placeholder and preprocessed observations to use; None makes new ones
    :param add_action_ph: whether to create a placeholder for actions
    """

    recurrent = False
    _initial_state: MaybeArray = None

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, scale: bool = False,
                 obs_phs: Optional[Tuple[tf.Tensor, tf.Tensor]] = None, add_action_ph: bool = False):
        self.sess, self.reuse = sess, reuse
        self.ob_space, self.ac_space = ob_space, ac_space
        self.n_env, self.n_steps, self.n_batch = n_env, n_steps, n_batch
        with tf.variable_scope("input", reuse=False):
            self._obs_ph, self._processed_obs = obs_phs or observation_input(ob_space, n_batch, scale=scale)
            self._action_ph = tf.placeholder(ac_space.dtype, (n_batch,) + ac_space.shape, name="action_ph") \
                if add_action_ph else None

    obs_ph: tf.Tensor = _read_only('_obs_ph', "Placeholder for observations, shape (n_batch, *obs_shape).")
    processed_obs: tf.Tensor = _read_only(
        '_processed_obs', "Preprocessed observations (see ``observation_input``), float32, first dimension n_batch.")
    action_ph: Optional[tf.Tensor] = _read_only(
        '_action_ph', "Placeholder for actions, shape (n_batch, *action_shape), or None.")
    initial_state: MaybeArray = _read_only('_initial_state', (
        "State of a recurrent policy at the start of an episode, shape (n_env, *state_shape); None for others."))

    @staticmethod
    def _kwargs_check(feature_extraction: str, kwargs: Dict[str, Any]) -> None:
        """Refuse unknown kinds of features, and arguments that nothing would read: a network of ours has none."""
        if feature_extraction not in ('cnn', 'mlp'):
            raise ValueError(f"feature_extraction={feature_extraction!r}: accepted is 'cnn' or 'mlp'")
        if feature_extraction == 'mlp' and kwargs:
            raise ValueError(f"unknown keywords for policy: {kwargs}")

    @property
    def is_discrete(self) -> bool:
        """Whether the action space is Discrete."""
        return isinstance(self.ac_space, spaces.Discrete)

    @abstractmethod
    def step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None, deterministic: bool = False):
        """
        Choose actions.

        :param obs: observations, shape (n_batch, *obs_shape)
        :param state: states of a recurrent policy before these observations, shape (n_env, *state_shape)
        :param mask: True where an observation begins an episode, shape (n_batch,)
        :param deterministic: whether to take the most likely actions rather than sampled ones
        :return: actions, values, states, neglogp
        """

    @abstractmethod
    def proba_step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None):
        """Compute probabilities of actions, or their mean and standard deviation, from the arguments of ``step``."""


class ActorCriticPolicy(BasePolicy):
    """
    A policy together with a value function; parameters as for ``BasePolicy``.

    A subclass sets ``_proba_distribution``, ``_policy``, ``q_value`` and ``_value_fn``, then calls ``_setup_init()``.
    """

    _proba_distribution = _policy = _value_fn = q_value = None

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], reuse: bool = False, scale: bool = False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale)
        self._pdtype = distributions.make_proba_dist_type(ac_space)
        self._functions: Dict[Union[str, Tuple[str, ...]], Any] = {}

    def _build_heads(self, pi_latent: tf.Tensor, vf_latent: tf.Tensor, init_scale: float) -> None:
        """Build the last layers, ``vf``, ``pi`` and ``q``."""
        self._value_fn = linear(vf_latent, 'vf', 1)
        self._proba_distribution, self._policy, self.q_value = \
            self.pdtype.proba_distribution_from_latent(pi_latent, vf_latent, init_scale=init_scale)

    def _setup_init(self) -> None:
        """Build what every actor-critic policy offers on top of its distribution and its value function."""
        distribution = self._proba_distribution
        assert distribution is not None and self._policy is not None and self._value_fn is not None
        with tf.variable_scope("output", reuse=True):
            self._action, self._deterministic_action = distribution.sample(), distribution.mode()
            self._neglogp = distribution.neglogp(self._action)
            self._policy_proba = _distribution_parameters(distribution)
            self._value_flat = self._value_fn[:, 0]

    def _call(self, outputs: Union[str, Tuple[str, ...]], *feeds) -> Any:
        """
        Compute the outputs of these names; the function for them is made at its first use and kept.

        :param feeds: observations, states, episode starts; a policy without memory ignores the last two
        """
        call: Any = self._functions.get(outputs)
        if call is None:
            tensors = getattr(self, outputs) if isinstance(outputs, str) else [getattr(self, name) for name in outputs]
            self._functions[outputs] = call = function(self._inputs(), tensors, session=self.sess)
        return call(*feeds[:len(call.inputs)])

    def _inputs(self) -> List[tf.Tensor]:
        """Return the placeholders that every output depends on, in the order of ``_call``."""
        return [self.obs_ph]

    pdtype: distributions.ProbabilityDistributionType = _read_only('_pdtype', "Type of the distribution of actions.")
    policy: tf.Tensor = _read_only('_policy', "Output of the policy (logits or means), shape (n_batch, n_outputs).")
    proba_distribution: distributions.ProbabilityDistribution = _read_only(
        '_proba_distribution', "Distribution of the actions.")
    value_fn: tf.Tensor = _read_only('_value_fn', "Values, shape (n_batch, 1).")
    value_flat: tf.Tensor = _read_only('_value_flat', "Values, shape (n_batch,).")
    action: tf.Tensor = _read_only('_action', "Sampled actions, shape (n_batch, *action_shape).")
    deterministic_action: tf.Tensor = _read_only(
        '_deterministic_action', "Most likely actions, shape (n_batch, *action_shape).")
    neglogp: tf.Tensor = _read_only('_neglogp', "Negative log-likelihood of the sampled actions, shape (n_batch,).")
    policy_proba: Union[tf.Tensor, List[tf.Tensor]] = _read_only(
        '_policy_proba', "Probabilities, or mean and standard deviation.")

    def proba_step(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None):
        return self._call('policy_proba', obs, state, mask)

    def value(self, obs: np.ndarray, state: MaybeArray = None, mask: MaybeArray = None):
        """Estimate the values of observations, shape (n_batch,), from the arguments of ``step``."""
        return self._call('value_flat', obs, state, mask)

    def _choose_actions(self, obs: np.ndarray, state: MaybeArray, mask: MaybeArray,
                        deterministic: bool) -> Tuple[np.ndarray, Any]:
        """
        Do what ``step`` of the library's own networks does, without values and likelihoods.

        :return: actions, states
        """
        # the sampled actions always: their stream of random numbers goes on as with ``step``
        outputs = ('deterministic_action', 'action') if deterministic else ('action',)
        results = self._call((*outputs, 'snew') if self.recurrent else outputs, obs, state, mask)
        return results[0], results[-1] if self.recurrent else self.initial_state

    def step_with_proba(self, obs: np.ndarray, state: MaybeArray, mask: MaybeArray) -> Tuple[np.ndarray, Any, Any]:
        """
        Do what ``step`` and ``proba_step`` of the library's own networks do, in a single session call.

        :return: Discrete actions, states, and the probabilities of all actions, (n_batch, n_actions)
        """
        outputs = ('action', 'policy_proba', 'snew') if self.recurrent else ('action', 'policy_proba')
        actions, proba, *states = self._call(outputs, obs, state, mask)
        return actions, states[0] if states else None, proba


def _distribution_parameters(distribution: distributions.ProbabilityDistribution) -> Any:
    """Return what describes a distribution to a user: probabilities, or mean and standard deviation."""
    if isinstance(distribution, distributions.CategoricalProbabilityDistribution):
        return tf.nn.softmax(distribution.logits)
    if isinstance(distribution, distributions.DiagGaussianProbabilityDistribution):
        return [distribution.mean, distribution.std]
    if isinstance(distribution, distributions.BernoulliProbabilityDistribution):
        return tf.sigmoid(distribution.logits)
    if isinstance(distribution, distributions.MultiCategoricalProbabilityDistribution):
        return [tf.nn.softmax(categorical.logits) for categorical in distribution.categoricals]
    return []  # a distribution of the user's own


class RecurrentActorCriticPolicy(ActorCriticPolicy):
    """
    An actor-critic policy with a memory; parameters as for ``BasePolicy`` and

    :param state_shape: shape of the state of one environment
    """

    recurrent = True

    def __init__(self, sess: tf.Session, ob_space: spaces.Space, ac_space: spaces.Space, n_env: int, n_steps: int,
                 n_batch: Optional[int], state_shape: Tuple[int, ...], reuse: bool = False, scale: bool = False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=scale)
        state_shape = tuple(state_shape)
        with tf.variable_scope("input", reuse=False):
            self._dones_ph = tf.placeholder(tf.float32, (n_batch,), name="dones_ph")
            # any number of environments: a policy can be tested with another number than n_env
            self._states_ph = tf.placeholder(tf.float32, (None,) + state_shape, name="states_ph")
        self._initial_state = np.zeros((n_env,) + state_shape, dtype=np.float32)

    dones_ph: tf.Tensor = _read_only('_dones_ph', "Placeholder for episode starts: 1 or 0, shape (n_batch,).")
    states_ph: tf.Tensor = _read_only('_states_ph', "Placeholder for states, shape (n_env, *state_shape).")

    def _inputs(self) -> List[tf.Tensor]:
        return [self.obs_ph, self.states_ph, self.dones_ph]
