"""Variables, their gradients, and both as one vector."""
from typing import Callable, List, Optional, Sequence, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.graph.functions import function
from stable_baselines.common.graph.tensors import numel


def get_trainable_vars(name: Optional[str]) -> List[tf.Variable]:
    """Return the trainable variables of a scope, in the order of their creation."""
    return tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=name)


def get_globals_vars(name: Optional[str]) -> List[tf.Variable]:
    """Return all variables of a scope, in the order of their creation."""
    return tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope=name)


def outer_scope_getter(scope: str, new_scope: str = "") -> Callable:
    """
    Make a ``custom_getter`` for ``tf.variable_scope`` that removes (or renames) an outer scope.

    :param new_scope: what replaces it, with its slash
    """
    def _getter(getter, name, *args, **kwargs):
        return getter(name.replace(scope + "/", new_scope, 1), *args, **kwargs)
    return _getter


class Adam(tf.train.AdamOptimizer):
    """TensorFlow's Adam, which reads the powers of its decay rates once in a step, not once for every variable."""

    _powers: Optional[List[tf.Tensor]] = None

    def _prepare(self) -> None:
        super()._prepare()
        self._powers = [tf.identity(power) for power in super()._get_beta_accumulators()]

    def _get_beta_accumulators(self):
        return self._powers or super()._get_beta_accumulators()

    def _finish(self, update_ops, name_scope):
        self._powers = None  # here it is the variables that are asked for
        return super()._finish(update_ops, name_scope)


def minimize(optimizer: tf.train.Optimizer, loss: tf.Tensor, params: Sequence[tf.Variable],
             max_grad_norm: Optional[float] = None) -> tf.Operation:
    """
    Build one optimiser step: all gradients at the old parameters, then the step.

    :param loss: the scalar to minimise
    :param params: the variables to change; those without a gradient stay as they are
    :param max_grad_norm: clip the gradients to this global norm; None does not clip
    """
    grads, _ = clip_gradients(tf.gradients(loss, params), max_grad_norm)
    return apply_gradients(optimizer, grads, params)


def clip_gradients(grads: Sequence[Optional[tf.Tensor]],
                   max_grad_norm: Optional[float]) -> Tuple[List[Optional[tf.Tensor]], tf.Tensor]:
    """
    Clip gradients to a global norm.

    :param max_grad_norm: the greatest norm; None does not clip
    :return: the clipped gradients, and their norm before clipping
    """
    if max_grad_norm is None:
        return list(grads), tf.global_norm(grads)
    return tf.clip_by_global_norm(grads, max_grad_norm)


def clip_each_gradient(grads: Sequence[tf.Tensor], max_norm: Optional[float]) -> List[tf.Tensor]:
    """
    Clip gradients to a norm, each on its own.

    :param max_norm: the greatest norm of each; None does not clip
    """
    if max_norm is None:
        return list(grads)
    # all norms in one vector: a quarter of the operations of so many tf.clip_by_norm
    norms = tf.sqrt(2. * tf.stack([tf.nn.l2_loss(grad) for grad in grads]))
    return [grad * factor for grad, factor in zip(grads, tf.unstack(max_norm / tf.maximum(norms, max_norm)))]


def apply_gradients(optimizer: tf.train.Optimizer, grads: Sequence[Optional[tf.Tensor]],
                    params: Sequence[tf.Variable], after: Sequence[tf.Tensor] = ()) -> tf.Operation:
    """
    Build one optimiser step, which waits until all gradients are known.

    :param grads: gradients; None leaves the variable as it is
    :param after: further tensors to compute at the old parameters
    """
    # without clipping nothing else keeps a layer from being changed while gradients are still computed from it
    with tf.control_dependencies([grad for grad in grads if grad is not None] + list(after)):
        return optimizer.apply_gradients(list(zip(grads, params)))


def soft_update(params: Sequence[tf.Variable], target_params: Sequence[tf.Variable], tau: float) -> tf.Operation:
    """
    Build one step of target variables towards the variables that they follow: ``(1 - tau) * target + tau * param``.

    :param target_params: as many, in the same order
    :param tau: share of the way; 1 copies
    """
    if len(params) != len(target_params):
        raise ValueError(f"{len(params)} params for {len(target_params)} target_params: accepted are equally many")
    if tau == 1:
        return tf.group(*[tf.assign(target, param) for param, target in zip(params, target_params)])
    return tf.group(*[tf.assign_add(target, tau * (param - target)) for param, target in zip(params, target_params)])


def flatgrad(loss: tf.Tensor, var_list: Sequence[tf.Variable], clip_norm: Optional[float] = None) -> tf.Tensor:
    """
    Compute a gradient as one vector.

    :param clip_norm: clip the gradient of every variable to this norm; None does not clip
    :return: gradient, shape (total number of elements,); zero where the loss does not depend on a variable
    """
    grads = tf.gradients(loss, var_list, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    return _flatten(clip_each_gradient(grads, clip_norm), var_list)


def _flatten(tensors: Sequence[tf.Tensor], var_list: Sequence[tf.Variable]) -> tf.Tensor:
    """Join tensors with the shapes of the variables into one vector."""
    return tf.concat([tf.reshape(tensor, [numel(var)]) for tensor, var in zip(tensors, var_list)], axis=0)


def gradient_add(grad_1: Optional[tf.Tensor], grad_2: Optional[tf.Tensor], param: tf.Variable,
                 verbose: int = 0) -> Optional[tf.Tensor]:
    """Add two gradients, either of which may be None; print them if ``verbose`` is greater than 1."""
    if verbose > 1:
        print([grad_1, grad_2, param.name])
    if grad_1 is None or grad_2 is None:
        return grad_2 if grad_1 is None else grad_1
    return grad_1 + grad_2


class SetFromFlat:
    """
    Set variables from one vector.

    :param dtype: type of the vector
    :param sess: the session; None means the default session at the call
    """

    def __init__(self, var_list: Sequence[tf.Variable], dtype: tf.DType = tf.float32,
                 sess: Optional[tf.Session] = None):
        sizes = [numel(var) for var in var_list]
        theta = tf.placeholder(dtype, [sum(sizes)])
        assigns = [tf.assign(var, tf.reshape(piece, var.shape)) for var, piece in zip(var_list, tf.split(theta, sizes))]
        self._set = function([theta], [], updates=[tf.group(*assigns)], session=sess)

    def __call__(self, theta: np.ndarray) -> None:
        # a copy: a variable may go on living in the memory that was fed
        self._set(np.array(theta))


class GetFlat:
    """Get variables as one vector; parameters as for ``SetFromFlat``."""

    def __init__(self, var_list: Sequence[tf.Variable], sess: Optional[tf.Session] = None):
        self._get = function([], _flatten(var_list, var_list), session=sess)

    def __call__(self) -> np.ndarray:
        return self._get().copy()  # a single variable would come as the memory in which it lives
