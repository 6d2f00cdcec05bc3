"""Probability distributions over actions, on tensors."""
from typing import Any, List, Optional, Sequence, Tuple, Type, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.tf_layers import linear
from stable_baselines.common.tf_util import calc_entropy, next_op_seed
from stable_baselines.common.tf_util import sample as sample_categorical


class ProbabilityDistribution:
    """A batch of distributions over actions."""

    flat: tf.Tensor  # a subclass sets it, or overrides the method that returns it

    def flatparam(self) -> tf.Tensor:
        """Return the parameters of the distribution, shape (n_batch, n_params)."""
        return self.flat

    def mode(self) -> tf.Tensor:
        """Return the most likely actions, shape (n_batch,) + action shape."""
        raise NotImplementedError

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        """Compute the negative log-likelihood (n_batch,) of actions (n_batch,) + action shape."""
        raise NotImplementedError

    def kl(self, other: 'ProbabilityDistribution') -> tf.Tensor:
        """Compute the Kullback-Leibler divergence KL(self || other) from distributions of the same kind, (n_batch,)."""
        raise NotImplementedError

    def entropy(self) -> tf.Tensor:
        """Compute the entropy in nats, shape (n_batch,)."""
        raise NotImplementedError

    def sample(self) -> tf.Tensor:
        """Sample actions, shape (n_batch,) + action shape."""
        raise NotImplementedError

    def logp(self, x: tf.Tensor) -> tf.Tensor:
        """Compute the log-likelihood of actions, like ``neglogp``."""
        return -self.neglogp(x)

    @classmethod
    def fromflat(cls, flat: tf.Tensor) -> 'ProbabilityDistribution':
        """Create the distribution from its parameters, shape (n_batch, n_params)."""
        make: Any = cls  # this class itself takes nothing
        return make(flat)


class CategoricalProbabilityDistribution(ProbabilityDistribution):
    """One choice among n categories, by unnormalised log-probabilities (n_batch, n_categories)."""

    def __init__(self, logits: tf.Tensor):
        self.flat = self.logits = logits

    def mode(self) -> tf.Tensor:
        return tf.argmax(self.logits, axis=-1)

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        # the sparse form has no second derivative, which Fisher-vector products need
        return tf.nn.softmax_cross_entropy_with_logits_v2(
            logits=self.logits, labels=tf.one_hot(x, int(self.logits.shape[-1])))

    def kl(self, other: Any) -> tf.Tensor:
        log_p, log_q = tf.nn.log_softmax(self.logits), tf.nn.log_softmax(other.logits)
        return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)

    def entropy(self) -> tf.Tensor:
        return calc_entropy(self.logits)

    def sample(self) -> tf.Tensor:
        return sample_categorical(self.logits)


class MultiCategoricalProbabilityDistribution(ProbabilityDistribution):
    """Several independent choices among ``nvec`` categories, by their logits side by side (n_batch, sum(nvec))."""

    def __init__(self, nvec: Union[np.ndarray, Sequence[int]], flat: tf.Tensor):
        self.flat = flat
        self.categoricals = [CategoricalProbabilityDistribution(logits) for logits
                             in tf.split(flat, [int(n_categories) for n_categories in nvec], axis=-1)]

    def _sum(self, method: str, *arguments: Sequence) -> tf.Tensor:
        """Add up what a method of the categoricals gives: independent log-likelihoods, KLs and entropies add."""
        return tf.add_n([getattr(dist, method)(*args) for dist, *args in zip(self.categoricals, *arguments)])

    def mode(self) -> tf.Tensor:
        return tf.stack([dist.mode() for dist in self.categoricals], axis=-1)

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        return self._sum('neglogp', tf.unstack(x, axis=-1))

    def kl(self, other: Any) -> tf.Tensor:
        return self._sum('kl', other.categoricals)

    def entropy(self) -> tf.Tensor:
        return self._sum('entropy')

    def sample(self) -> tf.Tensor:
        return tf.stack([dist.sample() for dist in self.categoricals], axis=-1)

    @classmethod
    def fromflat(cls, flat: tf.Tensor) -> 'MultiCategoricalProbabilityDistribution':
        """Refuse: the logits alone do not say where one choice ends and the next begins."""
        raise NotImplementedError("the number of categories of each choice is needed too: use "
                                  "MultiCategoricalProbabilityDistributionType(n_vec).proba_distribution_from_flat")


class DiagGaussianProbabilityDistribution(ProbabilityDistribution):
    """A normal distribution with diagonal covariance, by means, then log deviations (n_batch, 2 * n_actions)."""

    def __init__(self, flat: tf.Tensor):
        self.flat = flat
        self.mean, self.logstd = tf.split(axis=-1, num_or_size_splits=2, value=flat)
        self.std = tf.exp(self.logstd)

    def mode(self) -> tf.Tensor:
        return self.mean  # the bounds of the action space are applied outside

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        distance = 0.5 * tf.reduce_sum(tf.square((x - self.mean) / self.std), axis=-1)
        constant = 0.5 * np.log(2.0 * np.pi) * int(x.shape[-1])
        return distance + constant + tf.reduce_sum(self.logstd, axis=-1)

    def kl(self, other: ProbabilityDistribution) -> tf.Tensor:
        if not isinstance(other, DiagGaussianProbabilityDistribution):
            raise TypeError(f"other={other!r}: accepted is a DiagGaussianProbabilityDistribution")
        squares = tf.square(self.std) + tf.square(self.mean - other.mean)
        return tf.reduce_sum(other.logstd - self.logstd + squares / (2.0 * tf.square(other.std)) - 0.5, axis=-1)

    def entropy(self) -> tf.Tensor:
        return tf.reduce_sum(self.logstd + .5 * np.log(2.0 * np.pi * np.e), axis=-1)

    def sample(self) -> tf.Tensor:
        noise = tf.random_normal(tf.shape(self.mean), dtype=self.mean.dtype, seed=next_op_seed())
        return self.mean + self.std * noise


class BernoulliProbabilityDistribution(ProbabilityDistribution):
    """Several independent choices between 0 and 1, by the log-odds of a 1 (n_batch, n_actions)."""

    def __init__(self, logits: tf.Tensor):
        self.flat = self.logits = logits
        self.probabilities = tf.sigmoid(logits)

    def mode(self) -> tf.Tensor:
        return tf.round(self.probabilities)

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        labels = tf.cast(x, tf.float32)
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(logits=self.logits, labels=labels), axis=-1)

    def kl(self, other: ProbabilityDistribution) -> tf.Tensor:
        return other.neglogp(self.probabilities) - self.entropy()

    def entropy(self) -> tf.Tensor:
        # linear in x, so the mean over the actions is that of the mean action
        return self.neglogp(self.probabilities)

    def sample(self) -> tf.Tensor:
        uniform = tf.random_uniform(tf.shape(self.probabilities), seed=next_op_seed())
        return tf.cast(tf.less(uniform, self.probabilities), tf.float32)


class ProbabilityDistributionType:
    """What is known about the distribution of an action space before there is a network."""

    # a subclass sets these, or overrides the methods that return them
    _distribution_class: Type[ProbabilityDistribution]
    _dtype: tf.DType
    _param_shape: List[int]
    _sample_shape: List[int]

    def probability_distribution_class(self) -> Type[ProbabilityDistribution]:
        """Return the class of the distributions."""
        return self._distribution_class

    def proba_distribution_from_flat(self, flat: tf.Tensor) -> ProbabilityDistribution:
        """Create a distribution from its parameters, shape (n_batch,) + ``param_shape()``."""
        make: Any = self.probability_distribution_class()
        return make(flat)

    def proba_distribution_from_latent(self, pi_latent_vector: tf.Tensor, vf_latent_vector: tf.Tensor,
                                       init_scale: float = 1.0, init_bias: float = 0.0) \
            -> Tuple[ProbabilityDistribution, tf.Tensor, tf.Tensor]:
        """
        Build the last layers (scopes ``pi`` and ``q``) and the distribution on top of them.

        :param pi_latent_vector: features for the policy, shape (n_batch, n_features)
        :param vf_latent_vector: features for the values, shape (n_batch, n_features)
        :return: the distribution, the output of the policy (logits or means) and the Q values, both
            (n_batch, n_outputs)
        """
        n_outputs = self.param_shape()[0]
        policy = linear(pi_latent_vector, 'pi', n_outputs, init_scale=init_scale, init_bias=init_bias)
        q_values = linear(vf_latent_vector, 'q', n_outputs, init_scale=init_scale, init_bias=init_bias)
        return self.proba_distribution_from_flat(policy), policy, q_values

    def param_shape(self) -> List[int]:
        """Return the shape of the parameters of one distribution."""
        return self._param_shape

    def sample_shape(self) -> List[int]:
        """Return the shape of one action."""
        return self._sample_shape

    def sample_dtype(self) -> tf.DType:
        """Return the type of actions."""
        return self._dtype

    def param_placeholder(self, prepend_shape: Sequence[int], name: Optional[str] = None) -> tf.Tensor:
        """Create a placeholder for parameters, float32, shape prepend_shape + ``param_shape()``."""
        return tf.placeholder(dtype=tf.float32, shape=list(prepend_shape) + self.param_shape(), name=name)

    def sample_placeholder(self, prepend_shape: Sequence[int], name: Optional[str] = None) -> tf.Tensor:
        """Create a placeholder for actions of ``sample_dtype()``, shape prepend_shape + ``sample_shape()``."""
        return tf.placeholder(dtype=self.sample_dtype(), shape=list(prepend_shape) + self.sample_shape(), name=name)


class CategoricalProbabilityDistributionType(ProbabilityDistributionType):
    """Distributions for a Discrete space with ``n_cat`` categories."""

    _distribution_class, _dtype = CategoricalProbabilityDistribution, tf.int64

    def __init__(self, n_cat: int):
        self.n_cat = int(n_cat)
        self._param_shape, self._sample_shape = [self.n_cat], []


class MultiCategoricalProbabilityDistributionType(ProbabilityDistributionType):
    """Distributions for a MultiDiscrete space; ``n_vec`` holds the number of categories of each choice."""

    _distribution_class, _dtype = MultiCategoricalProbabilityDistribution, tf.int64

    def __init__(self, n_vec: Sequence[int]):
        self.n_vec = np.asarray(n_vec).astype(np.int32)
        if self.n_vec.ndim != 1 or not np.all(self.n_vec > 0):
            raise ValueError(f"n_vec={n_vec!r}: accepted is a list of positive numbers of categories")
        self._param_shape, self._sample_shape = [int(sum(self.n_vec))], [len(self.n_vec)]

    def proba_distribution_from_flat(self, flat: tf.Tensor) -> ProbabilityDistribution:
        return MultiCategoricalProbabilityDistribution(self.n_vec, flat)


class DiagGaussianProbabilityDistributionType(ProbabilityDistributionType):
    """Distributions for a Box space of shape ``(size,)``."""

    _distribution_class, _dtype = DiagGaussianProbabilityDistribution, tf.float32

    def __init__(self, size: int):
        self.size = int(size)
        self._param_shape, self._sample_shape = [2 * self.size], [self.size]

    def proba_distribution_from_latent(self, pi_latent_vector: tf.Tensor, vf_latent_vector: tf.Tensor,
                                       init_scale: float = 1.0, init_bias: float = 0.0) \
            -> Tuple[ProbabilityDistribution, tf.Tensor, tf.Tensor]:
        mean = linear(pi_latent_vector, 'pi', self.size, init_scale=init_scale, init_bias=init_bias)
        logstd = tf.get_variable(name='pi/logstd', shape=[1, self.size], initializer=tf.zeros_initializer())
        # adding 0 * mean gives every row its own log standard deviation
        flat = tf.concat([mean, mean * 0.0 + logstd], axis=1)
        q_values = linear(vf_latent_vector, 'q', self.size, init_scale=init_scale, init_bias=init_bias)
        return self.proba_distribution_from_flat(flat), mean, q_values


class BernoulliProbabilityDistributionType(ProbabilityDistributionType):
    """Distributions for a MultiBinary space with ``size`` choices."""

    _distribution_class, _dtype = BernoulliProbabilityDistribution, tf.int32

    def __init__(self, size: int):
        self.size = int(size)
        self._param_shape = self._sample_shape = [self.size]


def make_proba_dist_type(ac_space: spaces.Space) -> ProbabilityDistributionType:
    """
    Choose the distribution that fits an action space.

    :raises TypeError: if there is none for this space
    """
    if isinstance(ac_space, spaces.Box) and len(ac_space.shape) == 1:
        return DiagGaussianProbabilityDistributionType(ac_space.shape[0])
    if isinstance(ac_space, spaces.Discrete):
        return CategoricalProbabilityDistributionType(ac_space.n)
    if isinstance(ac_space, spaces.MultiDiscrete):
        return MultiCategoricalProbabilityDistributionType(ac_space.nvec)
    if isinstance(ac_space, spaces.MultiBinary):
        return BernoulliProbabilityDistributionType(ac_space.n)
    raise TypeError(f"no probability distribution for the action space {ac_space}: "
                    "accepted are Discrete, MultiDiscrete, MultiBinary and a Box of one dimension")


def shape_el(tensor: tf.Tensor, index: int):
    """Return the length of a tensor along the axis ``index``, as a number where it is known."""
    known = tensor.shape.as_list()[index]
    return tf.shape(tensor)[index] if known is None else known


def action_log_likelihood(ac_space: spaces.Space, parameters, actions: np.ndarray) -> np.ndarray:
    """
    Compute the log-likelihood of actions in NumPy, from what ``proba_step`` of a policy returns.

    :param ac_space: the action space
    :param parameters: probabilities (a list of them for MultiDiscrete), or mean and deviation for Box; n_batch rows
    :param actions: actions, shape (n_batch,) + action shape
    :return: shape (n_batch,), float32
    """
    with np.errstate(divide='ignore'):  # the logarithm of an impossible action is -inf
        if isinstance(ac_space, spaces.Discrete):
            logp: Any = np.log(_chosen(parameters, actions))
        elif isinstance(ac_space, spaces.MultiDiscrete):
            logp = sum(np.log(_chosen(probabilities, choice)) for probabilities, choice in zip(parameters, actions.T))
        elif isinstance(ac_space, spaces.MultiBinary):
            logp = np.log(np.where(np.asarray(actions, bool), parameters, 1 - parameters)).sum(axis=-1)
        elif isinstance(ac_space, spaces.Box):
            mean, std = (np.asarray(parameter, np.float64) for parameter in parameters)
            logp = (-0.5 * np.square((actions - mean) / std) - np.log(std * np.sqrt(2.0 * np.pi))).sum(axis=-1)
        else:
            raise TypeError(f"action space {ac_space}: accepted are Discrete, MultiDiscrete, MultiBinary and Box")
    return logp.astype(np.float32)


def _chosen(probabilities: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """Return the probability of the chosen category in each row."""
    return probabilities[np.arange(len(categories)), np.asarray(categories, np.int64)]
