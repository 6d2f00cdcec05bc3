"""Probability distributions over actions, on tensors."""
from typing import List, Sequence, Tuple, Type

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.tf_layers import linear
from stable_baselines.common.tf_util import calc_entropy, next_op_seed
from stable_baselines.common.tf_util import sample as sample_categorical


class ProbabilityDistribution:
    """A batch of distributions over actions."""

    def flatparam(self) -> tf.Tensor:
        """
        Return the parameters of the distribution.

        :return: shape (n_batch, n_params)
        """
        raise NotImplementedError

    def mode(self) -> tf.Tensor:
        """
        Return the most likely actions.

        :return: deterministic actions, shape (n_batch,) + action shape
        """
        raise NotImplementedError

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        """
        Compute the negative log-likelihood of actions.

        :param x: actions, shape (n_batch,) + action shape
        :return: shape (n_batch,)
        """
        raise NotImplementedError

    def kl(self, other: 'ProbabilityDistribution') -> tf.Tensor:
        """
        Compute the Kullback-Leibler divergence KL(self || other).

        :param other: distributions of the same kind
        :return: shape (n_batch,)
        """
        raise NotImplementedError

    def entropy(self) -> tf.Tensor:
        """
        Compute the entropy, in nats.

        :return: shape (n_batch,)
        """
        raise NotImplementedError

    def sample(self) -> tf.Tensor:
        """
        Sample actions.

        :return: stochastic actions, shape (n_batch,) + action shape
        """
        raise NotImplementedError

    def logp(self, x: tf.Tensor) -> tf.Tensor:
        """
        Compute the log-likelihood of actions.

        :param x: actions, shape (n_batch,) + action shape
        :return: shape (n_batch,)
        """
        return -self.neglogp(x)


class CategoricalProbabilityDistribution(ProbabilityDistribution):
    """
    One choice among n categories.

    :param logits: unnormalised log-probabilities, shape (n_batch, n_categories)
    """

    def __init__(self, logits: tf.Tensor):
        self.logits = logits

    def flatparam(self) -> tf.Tensor:
        return self.logits

    def mode(self) -> tf.Tensor:
        return tf.argmax(self.logits, axis=-1)

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        # the sparse form has no second derivative, which Fisher-vector products need
        return tf.nn.softmax_cross_entropy_with_logits_v2(
            logits=self.logits, labels=tf.one_hot(x, int(self.logits.shape[-1])))

    def kl(self, other: ProbabilityDistribution) -> tf.Tensor:
        log_p, log_q = tf.nn.log_softmax(self.logits), tf.nn.log_softmax(other.logits)
        return tf.reduce_sum(tf.exp(log_p) * (log_p - log_q), axis=-1)

    def entropy(self) -> tf.Tensor:
        return calc_entropy(self.logits)

    def sample(self) -> tf.Tensor:
        return sample_categorical(self.logits)

    @classmethod
    def fromflat(cls, flat: tf.Tensor) -> 'CategoricalProbabilityDistribution':
        """
        Create the distribution from its parameters.

        :param flat: logits, shape (n_batch, n_categories)
        :return: the distribution
        """
        return cls(flat)


class MultiCategoricalProbabilityDistribution(ProbabilityDistribution):
    """
    Several independent choices.

    :param nvec: number of categories of each choice
    :param flat: logits of all choices side by side, shape (n_batch, sum(nvec))
    """

    def __init__(self, nvec: Sequence[int], flat: tf.Tensor):
        self.flat = flat
        self.categoricals = [CategoricalProbabilityDistribution(logits) for logits
                             in tf.split(flat, [int(n_categories) for n_categories in nvec], axis=-1)]

    def _sum(self, method: str, arguments: Sequence = None) -> tf.Tensor:
        """Add up what a method of the categoricals gives: independent log-likelihoods, KLs and entropies add."""
        arguments = [()] * len(self.categoricals) if arguments is None else [(argument,) for argument in arguments]
        return tf.add_n([getattr(dist, method)(*args) for dist, args in zip(self.categoricals, arguments)])

    def flatparam(self) -> tf.Tensor:
        return self.flat

    def mode(self) -> tf.Tensor:
        return tf.stack([dist.mode() for dist in self.categoricals], axis=-1)

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        return self._sum('neglogp', tf.unstack(x, axis=-1))

    def kl(self, other: ProbabilityDistribution) -> tf.Tensor:
        return self._sum('kl', other.categoricals)

    def entropy(self) -> tf.Tensor:
        return self._sum('entropy')

    def sample(self) -> tf.Tensor:
        return tf.stack([dist.sample() for dist in self.categoricals], axis=-1)

    @classmethod
    def fromflat(cls, flat: tf.Tensor) -> 'MultiCategoricalProbabilityDistribution':
        """
        Not possible: the logits alone do not say where one choice ends and the next begins.

        :raises NotImplementedError: always; use ``MultiCategoricalProbabilityDistributionType``
        """
        raise NotImplementedError("the number of categories is needed too: use "
                                  "MultiCategoricalProbabilityDistributionType(n_vec).proba_distribution_from_flat")


class DiagGaussianProbabilityDistribution(ProbabilityDistribution):
    """
    A normal distribution with a diagonal covariance.

    :param flat: means, then log standard deviations, shape (n_batch, 2 * n_actions)
    """

    def __init__(self, flat: tf.Tensor):
        self.flat = flat
        self.mean, self.logstd = tf.split(axis=-1, num_or_size_splits=2, value=flat)
        self.std = tf.exp(self.logstd)

    def flatparam(self) -> tf.Tensor:
        return self.flat

    def mode(self) -> tf.Tensor:
        return self.mean  # the bounds of the action space are applied outside

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        n_actions = int(x.shape[-1])
        return 0.5 * tf.reduce_sum(tf.square((x - self.mean) / self.std), axis=-1) \
            + 0.5 * np.log(2.0 * np.pi) * n_actions + tf.reduce_sum(self.logstd, axis=-1)

    def kl(self, other: ProbabilityDistribution) -> tf.Tensor:
        if not isinstance(other, DiagGaussianProbabilityDistribution):
            raise TypeError(f"the divergence needs another DiagGaussianProbabilityDistribution, got {type(other).__name__}")
        squares = tf.square(self.std) + tf.square(self.mean - other.mean)
        return tf.reduce_sum(other.logstd - self.logstd + squares / (2.0 * tf.square(other.std)) - 0.5, axis=-1)

    def entropy(self) -> tf.Tensor:
        return tf.reduce_sum(self.logstd + .5 * np.log(2.0 * np.pi * np.e), axis=-1)

    def sample(self) -> tf.Tensor:
        noise = tf.random_normal(tf.shape(self.mean), dtype=self.mean.dtype, seed=next_op_seed())
        return self.mean + self.std * noise

    @classmethod
    def fromflat(cls, flat: tf.Tensor) -> 'DiagGaussianProbabilityDistribution':
        """
        Create the distribution from its parameters.

        :param flat: means, then log standard deviations, shape (n_batch, 2 * n_actions)
        :return: the distribution
        """
        return cls(flat)


class BernoulliProbabilityDistribution(ProbabilityDistribution):
    """
    Several independent choices between 0 and 1.

    :param logits: log-odds of a 1, shape (n_batch, n_actions)
    """

    def __init__(self, logits: tf.Tensor):
        self.logits = logits
        self.probabilities = tf.sigmoid(logits)

    def flatparam(self) -> tf.Tensor:
        return self.logits

    def mode(self) -> tf.Tensor:
        return tf.round(self.probabilities)

    def neglogp(self, x: tf.Tensor) -> tf.Tensor:
        return self._cross_entropy(tf.cast(x, tf.float32))

    def _cross_entropy(self, labels: tf.Tensor) -> tf.Tensor:
        """Compute -sum(labels * log p + (1 - labels) * log(1 - p)) of every row."""
        return tf.reduce_sum(tf.nn.sigmoid_cross_entropy_with_logits(logits=self.logits, labels=labels), axis=-1)

    def kl(self, other: ProbabilityDistribution) -> tf.Tensor:
        return other._cross_entropy(self.probabilities) - self.entropy()

    def entropy(self) -> tf.Tensor:
        return self._cross_entropy(self.probabilities)

    def sample(self) -> tf.Tensor:
        uniform = tf.random_uniform(tf.shape(self.probabilities), seed=next_op_seed())
        return tf.cast(tf.less(uniform, self.probabilities), tf.float32)

    @classmethod
    def fromflat(cls, flat: tf.Tensor) -> 'BernoulliProbabilityDistribution':
        """
        Create the distribution from its parameters.

        :param flat: log-odds, shape (n_batch, n_actions)
        :return: the distribution
        """
        return cls(flat)


class ProbabilityDistributionType:
    """What is known about the distribution of an action space before there is a network."""

    def probability_distribution_class(self) -> Type[ProbabilityDistribution]:
        """
        Return the class of the distributions.

        :return: the class
        """
        raise NotImplementedError

    def proba_distribution_from_flat(self, flat: tf.Tensor) -> ProbabilityDistribution:
        """
        Create a distribution from its parameters.

        :param flat: shape (n_batch,) + ``param_shape()``
        :return: the distribution
        """
        return self.probability_distribution_class()(flat)

    def proba_distribution_from_latent(self, pi_latent_vector: tf.Tensor, vf_latent_vector: tf.Tensor,
                                       init_scale: float = 1.0, init_bias: float = 0.0) \
            -> Tuple[ProbabilityDistribution, tf.Tensor, tf.Tensor]:
        """
        Build the last layers (scopes ``pi`` and ``q``) and the distribution on top of them.

        :param pi_latent_vector: features for the policy, shape (n_batch, n_features)
        :param vf_latent_vector: features for the values, shape (n_batch, n_features)
        :param init_scale: scale of the initial weights
        :param init_bias: initial bias
        :return: the distribution, the output of the policy (logits or
            means) and the Q values, both (n_batch, n_outputs)
        """
        n_outputs = self.param_shape()[0]
        policy = linear(pi_latent_vector, 'pi', n_outputs, init_scale=init_scale, init_bias=init_bias)
        q_values = linear(vf_latent_vector, 'q', n_outputs, init_scale=init_scale, init_bias=init_bias)
        return self.proba_distribution_from_flat(policy), policy, q_values

    def param_shape(self) -> List[int]:
        """
        Return the shape of the parameters of one distribution.

        :return: the shape
        """
        raise NotImplementedError

    def sample_shape(self) -> List[int]:
        """
        Return the shape of one action.

        :return: the shape
        """
        raise NotImplementedError

    def sample_dtype(self) -> tf.DType:
        """
        Return the type of actions.

        :return: the type
        """
        raise NotImplementedError

    def param_placeholder(self, prepend_shape: Sequence[int], name: str = None) -> tf.Tensor:
        """
        Create a placeholder for parameters.

        :param prepend_shape: shape of the batch
        :param name: its name
        :return: float32 placeholder, shape prepend_shape + ``param_shape()``
        """
        return tf.placeholder(dtype=tf.float32, shape=list(prepend_shape) + self.param_shape(), name=name)

    def sample_placeholder(self, prepend_shape: Sequence[int], name: str = None) -> tf.Tensor:
        """
        Create a placeholder for actions.

        :param prepend_shape: shape of the batch
        :param name: its name
        :return: placeholder of ``sample_dtype()``, shape prepend_shape + ``sample_shape()``
        """
        return tf.placeholder(dtype=self.sample_dtype(), shape=list(prepend_shape) + self.sample_shape(), name=name)


class CategoricalProbabilityDistributionType(ProbabilityDistributionType):
    """
    Distributions for a Discrete space.

    :param n_cat: number of categories
    """

    def __init__(self, n_cat: int):
        self.n_cat = int(n_cat)

    def probability_distribution_class(self) -> Type[ProbabilityDistribution]:
        return CategoricalProbabilityDistribution

    def param_shape(self) -> List[int]:
        return [self.n_cat]

    def sample_shape(self) -> List[int]:
        return []

    def sample_dtype(self) -> tf.DType:
        return tf.int64


class MultiCategoricalProbabilityDistributionType(ProbabilityDistributionType):
    """
    Distributions for a MultiDiscrete space.

    :param n_vec: number of categories of each choice
    """

    def __init__(self, n_vec: Sequence[int]):
        self.n_vec = np.asarray(n_vec).astype(np.int32)
        if self.n_vec.ndim != 1 or not np.all(self.n_vec > 0):
            raise ValueError(f"n_vec must be a list of positive numbers of categories, got {n_vec}")

    def probability_distribution_class(self) -> Type[ProbabilityDistribution]:
        return MultiCategoricalProbabilityDistribution

    def proba_distribution_from_flat(self, flat: tf.Tensor) -> ProbabilityDistribution:
        return MultiCategoricalProbabilityDistribution(self.n_vec, flat)

    def param_shape(self) -> List[int]:
        return [int(sum(self.n_vec))]

    def sample_shape(self) -> List[int]:
        return [len(self.n_vec)]

    def sample_dtype(self) -> tf.DType:
        return tf.int64


class DiagGaussianProbabilityDistributionType(ProbabilityDistributionType):
    """
    Distributions for a Box space with one dimension.

    :param size: number of dimensions of an action
    """

    def __init__(self, size: int):
        self.size = int(size)

    def probability_distribution_class(self) -> Type[ProbabilityDistribution]:
        return DiagGaussianProbabilityDistribution

    def proba_distribution_from_latent(self, pi_latent_vector: tf.Tensor, vf_latent_vector: tf.Tensor,
                                       init_scale: float = 1.0, init_bias: float = 0.0) \
            -> Tuple[ProbabilityDistribution, tf.Tensor, tf.Tensor]:
        mean = linear(pi_latent_vector, 'pi', self.size, init_scale=init_scale, init_bias=init_bias)
        logstd = tf.get_variable(name='pi/logstd', shape=[1, self.size], initializer=tf.zeros_initializer())
        # adding 0 * mean gives every row its own log standard deviation
        flat = tf.concat([mean, mean * 0.0 + logstd], axis=1)
        q_values = linear(vf_latent_vector, 'q', self.size, init_scale=init_scale, init_bias=init_bias)
        return self.proba_distribution_from_flat(flat), mean, q_values

    def param_shape(self) -> List[int]:
        return [2 * self.size]

    def sample_shape(self) -> List[int]:
        return [self.size]

    def sample_dtype(self) -> tf.DType:
        return tf.float32


class BernoulliProbabilityDistributionType(ProbabilityDistributionType):
    """
    Distributions for a MultiBinary space.

    :param size: number of binary choices
    """

    def __init__(self, size: int):
        self.size = int(size)

    def probability_distribution_class(self) -> Type[ProbabilityDistribution]:
        return BernoulliProbabilityDistribution

    def param_shape(self) -> List[int]:
        return [self.size]

    def sample_shape(self) -> List[int]:
        return [self.size]

    def sample_dtype(self) -> tf.DType:
        return tf.int32


def make_proba_dist_type(ac_space: spaces.Space) -> ProbabilityDistributionType:
    """
    Choose the distribution that fits an action space.

    :param ac_space: the action space
    :return: its distributions
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
                    "use Discrete, MultiDiscrete, MultiBinary or a Box of one dimension")


def shape_el(tensor: tf.Tensor, index: int):
    """
    Return one dimension of a tensor, as a number where it is known.

    :param tensor: the tensor
    :param index: the axis
    :return: its length
    """
    known = tensor.shape.as_list()[index]
    return tf.shape(tensor)[index] if known is None else known


def action_log_likelihood(ac_space: spaces.Space, parameters, actions: np.ndarray) -> np.ndarray:
    """
    Compute the log-likelihood of actions in NumPy, from what ``proba_step`` of a policy returns.

    :param ac_space: the action space
    :param parameters: probabilities (a list of them for MultiDiscrete), or mean and
        standard deviation for Box; n_batch rows
    :param actions: actions, shape (n_batch,) + action shape
    :return: shape (n_batch,), float32
    """
    with np.errstate(divide='ignore'):  # the logarithm of an impossible action is -inf
        if isinstance(ac_space, spaces.Discrete):
            logp = np.log(_chosen(parameters, actions))
        elif isinstance(ac_space, spaces.MultiDiscrete):
            logp = sum(np.log(_chosen(probabilities, choice)) for probabilities, choice in zip(parameters, actions.T))
        elif isinstance(ac_space, spaces.MultiBinary):
            logp = np.log(np.where(np.asarray(actions, bool), parameters, 1 - parameters)).sum(axis=-1)
        elif isinstance(ac_space, spaces.Box):
            mean, std = (np.asarray(parameter, np.float64) for parameter in parameters)
            logp = (-0.5 * np.square((actions - mean) / std) - np.log(std * np.sqrt(2.0 * np.pi))).sum(axis=-1)
        else:
            raise TypeError(f"no likelihood of actions for the action space {ac_space}")
    return logp.astype(np.float32)


def _chosen(probabilities: np.ndarray, categories: np.ndarray) -> np.ndarray:
    """Return the probability of the chosen category in each row."""
    return probabilities[np.arange(len(categories)), np.asarray(categories, np.int64)]
