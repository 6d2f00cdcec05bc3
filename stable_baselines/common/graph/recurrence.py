"""The recurrence of an LSTM: a loop in the graph for long sequences, and step by step for short ones."""
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from stable_baselines.common.graph.layer_gradients import product_with_fixed
from stable_baselines.common.graph.sequences import pack_episodes, permute

NORM_EPSILON = 1e-5


class Norm(NamedTuple):
    """Gain and bias of a layer normalisation, https://arxiv.org/abs/1607.06450, one number a column each."""

    gain: tf.Tensor
    bias: tf.Tensor


def normalise(tensor: tf.Tensor, epsilon: float) -> tf.Tensor:
    """Shift and scale every row to mean 0 and variance 1."""
    mean, variance = tf.nn.moments(tensor, axes=[-1], keepdims=True)
    return (tensor - mean) * tf.rsqrt(variance + epsilon)


def apply_norm(tensor: tf.Tensor, norm: Optional[Norm] = None) -> tf.Tensor:
    """Apply layer normalisation, if there is one."""
    return tensor if norm is None else normalise(tensor, NORM_EPSILON) * norm.gain + norm.bias


def cell_step(gates_x: tf.Tensor, gates_h: tf.Tensor, cell: tf.Tensor, norm_h: Optional[Norm] = None,
              norm_c: Optional[Norm] = None) -> Tuple[tf.Tensor, tf.Tensor]:
    """
    Take one step of an LSTM.

    :param gates_x: what the inputs contribute to the gates, (n_rows, 4 * n_hidden): in, forget, out, candidate
    :param gates_h: what the hidden output contributes, likewise
    :param cell: the cell, (n_rows, n_hidden)
    :param norm_h: normalises gates_h
    :param norm_c: normalises the new cell on its way to the hidden output
    :return: the new cell and the new hidden output, (n_rows, n_hidden) each
    """
    in_gate, forget_gate, out_gate, candidate = tf.split(gates_x + apply_norm(gates_h, norm_h), 4, axis=1)
    cell = tf.sigmoid(forget_gate) * cell + tf.sigmoid(in_gate) * tf.tanh(candidate)
    return cell, tf.sigmoid(out_gate) * tf.tanh(apply_norm(cell, norm_c))


def recur(gates_x: tf.Tensor, is_start: tf.Tensor, cell: tf.Tensor, hidden: tf.Tensor, weight_h: tf.Tensor,
          norms: Sequence[Norm] = ()) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """
    Run an LSTM over the steps of several environments.

    Episodes do not depend on each other, so all of them start at once: the loop is as long as the longest one. On
    TensorFlow 1 there is no second derivative.

    :param gates_x: what the inputs contribute to the gates, (n_steps, n_envs, 4 * n_hidden)
    :param is_start: whether an episode begins, which clears the state, (n_steps, n_envs)
    :param cell: cell before the first step, (n_envs, n_hidden)
    :param hidden: hidden output before the first step, likewise
    :param weight_h: the recurrent weights, (n_hidden, 4 * n_hidden)
    :param norms: of ``gates_h`` and of the cell, see ``cell_step``; empty for none
    :return: the hidden outputs of every step, (n_steps, n_envs, n_hidden), and cell and hidden output after the last
    """
    packing = pack_episodes(is_start)
    kept = tf.cast(packing.is_going_on, tf.float32)[:, None]
    n_hidden, shape = int(cell.shape[1]), tf.shape(is_start)
    packed = _recur_packed(
        permute(tf.reshape(gates_x, [-1, 4 * n_hidden]), packing.order, packing.place), packing.sizes,
        tf.gather(cell, packing.envs) * kept, tf.gather(hidden, packing.envs) * kept, weight_h, norms)
    hiddens, cells = [tf.reshape(permute(rows, packing.place, packing.order), [shape[0], shape[1], n_hidden])
                      for rows in packed]
    return hiddens, cells[-1], hiddens[-1]


def unroll(gates_x: tf.Tensor, is_start: tf.Tensor, cell: tf.Tensor, hidden: tf.Tensor, weight_h: tf.Tensor,
           norms: Sequence[Norm] = ()) -> Tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """
    Do what ``recur`` does, with operations of its own for every step, as many as ``gates_x`` is known to have.

    K-FAC sees each product with the recurrent weights so. Here too a single one gives their gradient.
    """
    hiddens_before: List[tf.Tensor] = []

    @tf.custom_gradient
    def collect_gradients(weight_h: tf.Tensor) -> Tuple[tf.Tensor, Callable]:
        """Return zeros, to add to the products of all steps; by way of them the weights get their gradient."""
        def gradient(grad: tf.Tensor) -> tf.Tensor:
            return tf.matmul(tf.concat(hiddens_before, axis=0), tf.reshape(grad, [-1, int(weight_h.shape[1])]),
                             transpose_a=True)
        return tf.zeros_like(gates_x), gradient

    hiddens, zeros = [], collect_gradients(tf.identity(weight_h))
    keep = tf.cast(tf.logical_not(is_start), tf.float32)[:, :, None]
    # not gates_x[step], whose gradient is as long as the sequence in each step
    for step_gates_x, step_zeros, step_keep in zip(*map(tf.unstack, (gates_x, zeros, keep))):
        hiddens_before.append(hidden * step_keep)
        gates_h = product_with_fixed(hiddens_before[-1], weight_h) + step_zeros
        cell, hidden = cell_step(step_gates_x, gates_h, cell * step_keep, *norms)
        hiddens.append(hidden)
    return tf.stack(hiddens), cell, hidden


def _recur_packed(gates_x: tf.Tensor, sizes: tf.Tensor, cell: tf.Tensor, hidden: tf.Tensor, weight_h: tf.Tensor,
                  norms: Sequence[Norm]) -> Tuple[tf.Tensor, tf.Tensor]:
    """
    Run over packed sequences; return hidden outputs and cells, a row for each of ``gates_x``.

    TensorFlow alone would differentiate the loop with a gradient of the weights in every step. Here what does not
    depend on the later steps is computed for all steps at once, and one product gives the gradient of the weights.
    """
    @tf.custom_gradient
    def differentiable(gates_x: tf.Tensor, cell: tf.Tensor, hidden: tf.Tensor, weight_h: tf.Tensor,
                       *norms: tf.Tensor) -> Tuple[List[tf.Tensor], Callable]:
        norm_h, norm_c = (Norm(*norms[:2]), Norm(*norms[2:])) if norms else (None, None)
        run = _forwards(gates_x, sizes, cell, hidden, weight_h, norm_h, norm_c)
        return [run.hiddens, run.cells], lambda *grads: _backwards(gates_x, sizes, run, weight_h, norm_h, norm_c, grads)
    # tensors: a variable would have to be known to the decorator
    params = [tf.identity(param) for param in (weight_h, *(part for norm in norms for part in norm))]
    return tuple(differentiable(gates_x, cell, hidden, *params))


class _Run(NamedTuple):
    """What a loop leaves, a row for each of its inputs'."""

    hiddens: tf.Tensor
    cells: tf.Tensor
    cells_before: tf.Tensor  # as they enter the step
    hiddens_before: tf.Tensor
    gates_h: tf.Tensor


def _forwards(gates_x: tf.Tensor, sizes: tf.Tensor, cell: tf.Tensor, hidden: tf.Tensor, weight_h: tf.Tensor,
              norm_h: Optional[Norm], norm_c: Optional[Norm]) -> _Run:
    n_steps = tf.size(sizes)
    given, = _to_arrays(sizes, gates_x)

    def step_on(step: tf.Tensor, cell: tf.Tensor, hidden: tf.Tensor, kept: List[tf.TensorArray]) -> Any:
        gates_x = given.read(step)
        n_rows = tf.shape(gates_x)[0]
        before = cell[:n_rows], hidden[:n_rows]
        gates_h = tf.matmul(before[1], weight_h)
        cell, hidden = cell_step(gates_x, gates_h, before[0], norm_h, norm_c)
        return step + 1, cell, hidden, _write(kept, step, hidden, cell, *before, gates_h)

    *_, kept = _loop(lambda step, *_: step < n_steps, step_on, 0, cell, hidden,
                     _new_arrays(n_steps, hidden, cell, cell, hidden, gates_x))
    return _Run(*(array.concat() for array in kept))


def _backwards(gates_x: tf.Tensor, sizes: tf.Tensor, run: _Run, weight_h: tf.Tensor, norm_h: Optional[Norm],
               norm_c: Optional[Norm], grads: Sequence[tf.Tensor]) -> List[tf.Tensor]:
    """Return the gradients by gates_x, first cell and hidden output, weights, and by gains and biases."""
    n_steps, weight_t = tf.size(sizes), tf.transpose(weight_h)
    slopes = _find_slopes(gates_x, run, norm_h, norm_c)
    given = _to_arrays(sizes, *grads, slopes.gates, slopes.forget, slopes.cell)
    given_h, given_c = _to_arrays(sizes, *slopes.norm_h), _to_arrays(sizes, *slopes.norm_c)

    def step_back(step: tf.Tensor, cell_grad: tf.Tensor, hidden_grad: tf.Tensor, kept: List[tf.TensorArray]) -> Any:
        hidden_grad_here, cell_grad_here, gates_slope, forget_slope, cell_slope = _read(given, step)
        n_ending = tf.shape(cell_slope)[0] - tf.shape(cell_grad)[0]  # episodes that have no later step
        hidden_grad = hidden_grad_here + _add_rows(hidden_grad, n_ending)
        norm_c_grad = hidden_grad * cell_slope
        cell_grad = cell_grad_here + _add_rows(cell_grad, n_ending) + _through_norm(
            norm_c_grad, norm_c, _read(given_c, step))
        gates_grad = gates_slope * tf.concat([cell_grad, cell_grad, hidden_grad, cell_grad], axis=1)
        h_grad = _through_norm(gates_grad, norm_h, _read(given_h, step))
        return (step - 1, cell_grad * forget_slope, tf.matmul(h_grad, weight_t),
                _write(kept, step, gates_grad, h_grad, norm_c_grad))

    none = tf.zeros([0, int(run.cells.shape[1])])
    _, cell_grad, hidden_grad, kept = _loop(lambda step, *_: step >= 0, step_back, n_steps - 1, none, none,
                                            _new_arrays(n_steps, gates_x, gates_x, run.cells))
    gates_grad, h_grad, norm_c_grad = [array.concat() for array in kept]
    return [gates_grad, cell_grad, hidden_grad, tf.matmul(run.hiddens_before, h_grad, transpose_a=True),
            *_norm_grads(gates_grad, slopes.norm_h), *_norm_grads(norm_c_grad, slopes.norm_c)]


class _Slopes(NamedTuple):
    """What the gradients are multiplied by on their way back, a row for each step of each environment."""

    gates: tf.Tensor  # of the gates, by the new cell and, the out gate's, by the hidden output
    forget: tf.Tensor  # of the old cell
    cell: tf.Tensor  # of the (normalised) new cell by the hidden output
    norm_h: Sequence[tf.Tensor]  # normalised rows and the factors that normalised them; empty without
    norm_c: Sequence[tf.Tensor]


def _find_slopes(gates_x: tf.Tensor, run: _Run, norm_h: Optional[Norm], norm_c: Optional[Norm]) -> _Slopes:
    gates = tf.split(gates_x + apply_norm(run.gates_h, norm_h), 4, axis=1)
    in_gate, forget, out_gate = [tf.sigmoid(gate) for gate in gates[:3]]
    candidate, output = tf.tanh(gates[3]), tf.tanh(apply_norm(run.cells, norm_c))
    by_gate = [candidate * in_gate * (1. - in_gate), run.cells_before * forget * (1. - forget),
               output * out_gate * (1. - out_gate), in_gate * (1. - tf.square(candidate))]
    return _Slopes(tf.concat(by_gate, axis=1), forget, out_gate * (1. - tf.square(output)),
                   [] if norm_h is None else _normalised(run.gates_h),
                   [] if norm_c is None else _normalised(run.cells))


def _normalised(rows: tf.Tensor) -> List[tf.Tensor]:
    """Return normalised rows, and the factors of that, (n_rows, 1)."""
    _, variance = tf.nn.moments(rows, axes=[-1], keepdims=True)
    return [normalise(rows, NORM_EPSILON), tf.rsqrt(variance + NORM_EPSILON)]


def _through_norm(grad: tf.Tensor, norm: Optional[Norm], slopes: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the gradient by what a layer normalisation takes, given that by what it returns."""
    if norm is None:
        return grad
    normalised, factor = slopes
    grad *= norm.gain
    along = tf.reduce_mean(grad * normalised, axis=-1, keepdims=True)
    return factor * (grad - tf.reduce_mean(grad, axis=-1, keepdims=True) - normalised * along)


def _norm_grads(grad: tf.Tensor, slopes: Sequence[tf.Tensor]) -> List[tf.Tensor]:
    """Return the gradients by gain and bias of a layer normalisation; none without."""
    return [tf.reduce_sum(grad * slopes[0], axis=0), tf.reduce_sum(grad, axis=0)] if slopes else []


# ---------------------------------------------------------------- loops

def _loop(goes_on: Callable, body: Callable, step: Any, cell: tf.Tensor, hidden: tf.Tensor, kept: Any) -> Any:
    """Run a loop in which the number of rows changes."""
    rows, fixed = tf.TensorShape([None, cell.shape[1]]), tf.TensorShape([])
    return tf.while_loop(goes_on, body, [step, cell, hidden, kept], parallel_iterations=1,
                         shape_invariants=[fixed, rows, rows, [fixed] * len(kept)])


def _new_arrays(n_steps: tf.Tensor, *like: tf.Tensor) -> List[tf.TensorArray]:
    """Make arrays for the rows of every step, as wide as those of the given tensors."""
    return [tf.TensorArray(tf.float32, n_steps, infer_shape=False, element_shape=[None, rows.shape[1]])
            for rows in like]


def _to_arrays(sizes: tf.Tensor, *packed: tf.Tensor) -> List[tf.TensorArray]:
    """Split packed rows into steps, which are read faster in a loop than the parts of a tensor."""
    return [array.split(rows, sizes) for array, rows in zip(_new_arrays(tf.size(sizes), *packed), packed)]


def _read(arrays: Sequence[tf.TensorArray], step: tf.Tensor) -> List[tf.Tensor]:
    return [array.read(step) for array in arrays]


def _write(arrays: Sequence[tf.TensorArray], step: tf.Tensor, *values: tf.Tensor) -> List[tf.TensorArray]:
    return [array.write(step, value) for array, value in zip(arrays, values)]


def _add_rows(tensor: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
    """Add rows of zeros at the end."""
    return tf.pad(tensor, [[0, number], [0, 0]])
