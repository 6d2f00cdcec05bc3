"""Kronecker-Factored Approximate Curvature, https://arxiv.org/abs/1503.05671, with a trust region (ACKTR's step)."""
from typing import Any, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import tensorflow.compat.v1 as tf

from stable_baselines.acktr.blocks import Block, find_blocks
from stable_baselines.acktr.eigenbasis import Basis, decompose, solve
from stable_baselines.acktr.factors import Factor, Sides, as_matrix, from_matrix, make_factors, make_state
from stable_baselines.common import old_names
from stable_baselines.common.tf_util import clip_gradients

GradAndVar = Tuple[Optional[tf.Tensor], tf.Variable]

# names of the reference
KFAC_OPS = ['MatMul', 'Conv2D', 'BiasAdd']
KFAC_DEBUG = False

_RANGES = (
    ("in [0, 1)", lambda value: 0 <= value < 1, ('momentum', 'stats_decay')),
    ("positive", lambda value: value > 0, ('clip_kl', 'epsilon')),
    ("at least 1", lambda value: value >= 1, ('kfac_update', 'stats_accum_iter')),
    ("at least 0", lambda value: value >= 0, ('cold_iter',)),
)


class KfacOptimizer:
    r"""
    Natural gradient descent with a factored Fisher matrix.

    The operation that ``minimize`` returns does all of one call, in this order: gradients and statistics at the old
    parameters; running averages of the statistics; their eigendecomposition, every ``kfac_update`` calls; the step.
    For the first calls, until there is an eigendecomposition, the step is one of gradient descent with momentum (the
    cold start), then

    .. math:: U = (F + \epsilon I)^{-1} g, \quad \nu = \min(1, \sqrt{\delta / (\alpha^2 g^T U)}), \quad
        v \leftarrow m v + \nu U, \quad \theta \leftarrow \theta - (1 - m) \alpha v

    :param learning_rate: alpha
    :param momentum: m, within [0, 1)
    :param clip_kl: delta: how far, measured by the Fisher matrix, a step may go
    :param kfac_update: number of calls between two eigendecompositions
    :param stats_accum_iter: with full_stats_init, how many calls accumulate the first statistics, while the parameters
        wait. Otherwise the cold start accumulates them
    :param full_stats_init: whether to accumulate the first statistics after the cold start rather than during it
    :param cold_iter: number of calls of the cold start
    :param cold_lr: learning rate of the cold start; None means learning_rate
    :param async_eigen_decomp: whether the eigendecomposition is an operation of its own, see ``minimize``
    :param async_stats: has no effect: statistics are always those of the same call
    :param epsilon: damping of the Fisher matrix; larger values are closer to gradient descent
    :param stats_decay: decay of the running averages; closer to 1 averages over more calls
    :param blockdiag_bias: whether each bias has a block of its own; otherwise one added by ``tf.nn.bias_add``
        shares the block of its weight
    :param channel_fac: has no effect
    :param factored_damping: whether to damp both factors of a block instead of their product
    :param approx_t2: whether to treat the positions of a convolution as one
    :param use_float64: whether to decompose in double precision
    :param weight_decay_dict: variable -> weight decay, which adds to its damping
    :param max_grad_norm: in the cold start gradients are clipped to this global norm; None does not clip
    :param verbose: 2 prints the variables that have no factors
    """

    def __init__(self, learning_rate: Union[float, tf.Tensor] = 0.01, momentum: float = 0.9, clip_kl: float = 0.01,
                 kfac_update: int = 2, stats_accum_iter: int = 60, full_stats_init: bool = False, cold_iter: int = 100,
                 cold_lr: Union[None, float, tf.Tensor] = None, async_eigen_decomp: bool = False,
                 async_stats: bool = False, epsilon: float = 1e-2, stats_decay: float = 0.95,
                 blockdiag_bias: bool = False, channel_fac: bool = False, factored_damping: bool = False,
                 approx_t2: bool = False, use_float64: bool = False,
                 weight_decay_dict: Optional[Dict[tf.Variable, float]] = None, max_grad_norm: Optional[float] = 0.5,
                 verbose: int = 1):
        self.learning_rate, self.momentum, self.clip_kl = learning_rate, momentum, clip_kl
        self.epsilon, self.factored_damping = epsilon, factored_damping
        self.weight_decay = {var.name: decay for var, decay in (weight_decay_dict or {}).items()}
        self.cold_iter, self.max_grad_norm = cold_iter, max_grad_norm
        self.cold_lr = learning_rate if cold_lr is None else cold_lr
        self.stats_accum_iter, self.full_stats_init, self.stats_decay = stats_accum_iter, full_stats_init, stats_decay
        self.blockdiag_bias, self.approx_t2 = blockdiag_bias, approx_t2
        self.kfac_update, self.async_eigen_decomp = kfac_update, async_eigen_decomp
        self.use_float64, self.verbose = use_float64, verbose
        for accepted, is_valid, names in _RANGES:
            for name in names:
                if not is_valid(getattr(self, name)):
                    raise ValueError(f"{name}={getattr(self, name)!r}: accepted is {accepted}")
        with tf.variable_scope('KFAC'):
            self.global_step = make_state(0, 'global_step')  # number of calls
            self.factor_step = make_state(0, 'factor_step')  # number of eigendecompositions
            self.is_warm = make_state(False, 'is_warm')
        self.sides: List[Sides] = []
        self.stats: List[Factor] = []

    def minimize(self, loss: tf.Tensor, loss_sampled: tf.Tensor,
                 var_list: Optional[Sequence[tf.Variable]] = None) -> Tuple[tf.Operation, Optional[tf.Operation]]:
        """
        Build one call of the optimiser.

        :param loss_sampled: the mean over the samples of the negative log-likelihood of outputs drawn from the model:
            its derivatives make the Fisher matrix
        :param var_list: what to change; None means all trainable variables
        :return: the call; and with async_eigen_decomp the eigendecomposition, to be run between two calls, in a thread
            of its own if wanted (nothing else changes what it reads), otherwise None
        """
        grads = self.compute_gradients(loss, var_list)
        stats_updates = self.compute_stats(loss_sampled, var_list)
        with tf.control_dependencies(stats_updates + [grad for grad, _ in grads if grad is not None]):
            stats_op = self.apply_stats(stats_updates)
        with tf.control_dependencies([stats_op]):
            return self.apply_gradients(grads)

    @classmethod
    def compute_gradients(cls, loss: tf.Tensor, var_list: Optional[Sequence[tf.Variable]] = None) -> List[GradAndVar]:
        """Pair gradients and variables; the gradient is None where the loss does not depend on the variable."""
        variables = _variables(var_list)
        return list(zip(tf.gradients(loss, variables), variables))

    def get_factors(self, gradients: Sequence[Optional[tf.Tensor]], varlist: Sequence[tf.Variable]) -> List[Block]:
        """Find the blocks of the Fisher matrix; variables without a gradient of the sampled loss have none."""
        present, variables = _with_gradient(zip(gradients, varlist))
        return find_blocks(tf.add_n([tf.reduce_sum(grad) for grad in present]), variables,
                           joint_bias=not self.blockdiag_bias) if variables else []

    def compute_stats(self, loss_sampled: tf.Tensor,
                      var_list: Optional[Sequence[tf.Variable]] = None) -> List[tf.Tensor]:
        """Return the statistics of one batch: the second moment for each factor, in the order of ``stats``."""
        variables = _variables(var_list)
        blocks = find_blocks(loss_sampled, variables, joint_bias=not self.blockdiag_bias)
        self.sides = make_factors(blocks, loss_sampled, average_positions=self.approx_t2)
        self.stats = self.get_stats(self.sides, variables)
        return [factor.moment for factor in self.stats]

    def get_stats(self, factors: Sequence[Sides], varlist: Sequence[tf.Variable]) -> List[Factor]:
        """List the factors of all blocks, each once."""
        if self.verbose > 1:
            known = {var.name for sides in factors for var in sides.block.variables}
            print("K-FAC has no factors for", [var.name for var in varlist if var.name not in known])
        return list(dict.fromkeys(factor for sides in factors for factor in sides[1:] if factor is not None))

    def apply_stats(self, stats_updates: Sequence[tf.Tensor]) -> tf.Operation:
        """Count a call and average: with equal weights at first, then running; decompose too, unless asynchronous."""
        with tf.control_dependencies([self.global_step.assign_add(1)]):
            n_stats, n_first = self._count_stats()
            is_first = n_stats <= n_first
            keep = tf.where(is_first, 1., self.stats_decay)
            weight = tf.where(is_first, tf.cast(n_stats > 0, tf.float32) / n_first, 1. - self.stats_decay)
            averages = [factor.average.assign(keep * factor.average.read_value() + weight * moment)
                        for factor, moment in zip(self.stats, stats_updates)]
        with tf.control_dependencies(averages):
            return tf.no_op() if self.async_eigen_decomp else self._decompose_if_due()

    def _count_stats(self) -> Tuple[tf.Tensor, int]:
        """Return the number of batches in the statistics, and how many of them have equal weights."""
        if self.full_stats_init:
            return self.global_step.read_value() - self.cold_iter, self.stats_accum_iter
        return self.global_step.read_value(), max(self.cold_iter, 1)

    def compute_and_apply_stats(self, loss_sampled: tf.Tensor,
                                var_list: Optional[Sequence[tf.Variable]] = None) -> tf.Operation:
        """Compute and average the statistics; parameters as for ``minimize``."""
        stats_updates = self.compute_stats(loss_sampled, var_list)
        with tf.control_dependencies(stats_updates):
            return self.apply_stats(stats_updates)

    def get_stats_eigen(self, stats: Optional[Sequence[Factor]] = None) -> List[Basis]:
        """Return the variables of eigenvalues and eigenvectors for each factor; None means all factors."""
        return [(factor.eigenvalues, factor.eigenvectors) for factor in (self.stats if stats is None else stats)]

    def compute_stats_eigen(self) -> List[Basis]:
        """Decompose the averages into eigenvalues and eigenvectors, for each factor."""
        return [decompose(factor.average, self.use_float64, in_background=self.async_eigen_decomp, debug=KFAC_DEBUG)
                for factor in self.stats]

    def apply_stats_eigen(self, eigen_list: Sequence[Basis]) -> tf.Operation:
        """Keep what ``compute_stats_eigen`` returned for the following steps."""
        assigns = [variable.assign(value) for variables, basis in zip(self.get_stats_eigen(), eigen_list)
                   for variable, value in zip(variables, basis)]
        return tf.group(self.factor_step.assign_add(1), *assigns)

    def _decompose_if_due(self) -> tf.Operation:
        """Decompose when the first statistics are complete, then every kfac_update calls."""
        n_stats, n_first = self._count_stats()
        is_due = tf.logical_and(n_stats >= n_first, tf.equal(n_stats % self.kfac_update, 0))
        return tf.cond(is_due, lambda: self.apply_stats_eigen(self.compute_stats_eigen()), tf.no_op).op

    def get_kfac_precond_updates(self, gradlist: Sequence[tf.Tensor],
                                 varlist: Sequence[tf.Variable]) -> List[tf.Tensor]:
        """Compute natural gradients, or gradients where there are no factors, rescaled to the trust region."""
        gradients = {var.name: grad for grad, var in zip(gradlist, varlist)}
        natural = dict(gradients)
        for sides in self.sides:
            names = [var.name for var in sides.block.variables]
            if not set(names) <= set(gradients):
                continue
            bases: List[Any] = [None if factor is None else (
                factor.eigenvalues.read_value(), factor.eigenvectors.read_value()) for factor in sides[1:]]
            solved = solve(as_matrix([gradients[name] for name in names], sides), bases[0], bases[1],
                           self.epsilon + self.weight_decay.get(names[0], 0.), self.factored_damping)
            natural.update(zip(names, from_matrix(solved, sides)))

        directions = [natural[var.name] for var in varlist]
        # the squared length of the step, measured by the Fisher matrix: U^T F U with F U = g
        length = tf.square(self.learning_rate) * tf.add_n(
            [tf.reduce_sum(direction * grad) for direction, grad in zip(directions, gradlist)])
        scale = tf.minimum(1., tf.sqrt(self.clip_kl / length))
        return [scale * direction for direction in directions]

    def apply_gradients_kfac(self, grads: List[GradAndVar]) -> Tuple[tf.Operation, Optional[tf.Operation]]:
        """Build the step along the natural gradient, whatever the number of calls; returns what ``minimize`` does."""
        gradients, variables = _with_gradient(grads)
        directions = self.get_kfac_precond_updates(gradients, variables)
        optimizer = tf.train.MomentumOptimizer(self.learning_rate * (1. - self.momentum), self.momentum)
        return optimizer.apply_gradients(list(zip(directions, variables))), self._separate_decomposition()

    def apply_gradients(self, grads: List[GradAndVar]) -> Tuple[tf.Operation, Optional[tf.Operation]]:
        """Build the step: along the clipped gradient in the cold start, then as ``apply_gradients_kfac``."""
        gradients, variables = _with_gradient(grads)
        is_warm = self.factor_step.read_value() > 0
        directions = tf.cond(is_warm, lambda: self.get_kfac_precond_updates(gradients, variables),
                             lambda: clip_gradients(gradients, self.max_grad_norm)[0],
                             strict=True)  # a list for a single variable, too

        cold_lr = self.cold_lr * tf.ones([])
        if self.full_stats_init:
            cold_lr *= tf.cast(self.global_step.read_value() <= self.cold_iter, tf.float32)
        learning_rate = tf.where(is_warm, self.learning_rate * (1. - self.momentum), cold_lr)
        # the velocity of the cold start ends with it
        momentum = self.momentum * tf.cast(tf.equal(is_warm, self.is_warm.read_value()), tf.float32)
        optimizer = tf.train.MomentumOptimizer(learning_rate, momentum)
        step_op = optimizer.apply_gradients(list(zip(directions, variables)))
        with tf.control_dependencies([momentum]):
            return tf.group(step_op, self.is_warm.assign(is_warm)), self._separate_decomposition()

    def _separate_decomposition(self) -> Optional[tf.Operation]:
        """Return the eigendecomposition as an operation that waits for nothing; None if it is part of the call."""
        if not self.async_eigen_decomp:
            return None
        with tf.control_dependencies(None):
            return self._decompose_if_due()


def _variables(var_list: Optional[Sequence[tf.Variable]]) -> List[tf.Variable]:
    """List the given variables, all trainable ones for None."""
    return list(tf.trainable_variables() if var_list is None else var_list)


def _with_gradient(grads: Iterable[GradAndVar]) -> Tuple[List[tf.Tensor], List[tf.Variable]]:
    """Leave out the variables without a gradient."""
    pairs = [(tf.convert_to_tensor(grad), var) for grad, var in grads if grad is not None]
    return [grad for grad, _ in pairs], [var for _, var in pairs]


old_names.offer(__name__)
