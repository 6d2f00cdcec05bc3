"""
Network layers on ``tf.get_variable``.

The variable names are part of the file format of saved models. ``linear``, ``conv`` and ``lstm`` name them ``w`` and
``b`` (the actor-critic policies), ``dense`` and ``layer_norm`` name them as Keras does (DDPG, SAC and TD3), and
``fully_connected`` names them ``weights`` and ``biases`` (DQN and GAIL).
"""
from typing import Callable, List, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common.graph.layer_gradients import add_bias, fast_conv_gradients, fast_product_gradients
from stable_baselines.common.graph.recurrence import Norm, apply_norm, normalise, recur, unroll
from stable_baselines.common.tf_util import intprod, next_op_seed


def ortho_init(scale: float = 1.0) -> Callable:
    """
    Make an initialiser of orthogonal matrices, https://arxiv.org/abs/1312.6120

    It draws from NumPy's global generator, so ``set_global_seeds`` decides the weights.

    :param scale: factor on the matrix; sqrt(2) suits ReLU layers
    :return: initialiser of 2D weights and of 4D filters (height, width, in, out)
    """
    def _ortho_init(shape, dtype=None, partition_info=None):  # the signature that tf.get_variable calls
        shape = tuple(int(dim) for dim in shape)
        if len(shape) not in (2, 4):
            raise ValueError(f"shape={shape}: accepted are 2 or 4 dimensions")
        flat_shape = (intprod(shape[:-1]), shape[-1])
        gaussian_noise = np.random.normal(0.0, 1.0, flat_shape)
        left, _, right = np.linalg.svd(gaussian_noise, full_matrices=False)
        if left.shape == flat_shape:
            weights = _same_everywhere(left, gaussian_noise[:1])
        else:
            weights = _same_everywhere(right.T, gaussian_noise[:, :1].T).T
        return (scale * weights.reshape(shape)).astype(np.float32)
    return _ortho_init


def _same_everywhere(vectors: np.ndarray, signs: np.ndarray) -> np.ndarray:
    """
    Remove from singular vectors (n, k) what differs between LAPACKs: their signs and the last bits of their elements.

    The largest element of every column gets the sign of the column's entry in ``signs``, shape (1, k).
    """
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=0)[None], axis=0)
    return np.round(vectors * np.sign(largest * signs) * 2 ** 24) / 2 ** 24


def linear(input_tensor: tf.Tensor, scope: str, n_hidden: int, *, init_scale: float = 1.0,
           init_bias: float = 0.0) -> tf.Tensor:
    """
    Apply a fully connected layer without activation, with orthogonal weights.

    :param input_tensor: shape (n_batch, n_in)
    :param scope: variable scope; the variables are ``w`` (n_in, n_hidden) and ``b`` (n_hidden,)
    :param n_hidden: number of outputs
    :return: shape (n_batch, n_hidden)
    """
    with tf.variable_scope(scope):
        weight = tf.get_variable("w", [int(input_tensor.shape[1]), n_hidden], initializer=ortho_init(init_scale))
        bias = tf.get_variable("b", [n_hidden], initializer=tf.constant_initializer(init_bias))
        return add_bias(_product(input_tensor, weight), bias)


def _product(inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    with fast_product_gradients(weights):
        return tf.matmul(inputs, weights)


def conv(input_tensor: tf.Tensor, scope: str, *, n_filters: int, filter_size: Union[int, Tuple[int, int], List[int]],
         stride: int, pad: str = 'VALID', init_scale: float = 1.0, data_format: str = 'NHWC',
         one_dim_bias: bool = False) -> tf.Tensor:
    """
    Apply a 2D convolution without activation, with orthogonal filters.

    :param input_tensor: images, shape (n_batch, height, width, channels) for NHWC
    :param scope: variable scope; the variables are ``w`` (height, width, in, out) and ``b``
    :param filter_size: height and width of the filters
    :param stride: stride in both directions
    :param pad: 'VALID' or 'SAME'
    :param data_format: 'NHWC' or 'NCHW' (GPU only)
    :param one_dim_bias: whether the shape of the bias is (n_filters,) rather than (1, n_filters, 1, 1)
    :return: shape (n_batch, new height, new width, n_filters) for NHWC
    """
    if data_format not in ('NHWC', 'NCHW'):
        raise ValueError(f"data_format={data_format!r}: accepted is 'NHWC' or 'NCHW'")
    if not isinstance(filter_size, int) and len(filter_size) != 2:
        raise ValueError(f"filter_size={filter_size!r}: accepted is an integer or (height, width)")
    height, width = (filter_size, filter_size) if isinstance(filter_size, int) else filter_size
    n_channels = int(input_tensor.shape[data_format.index('C')])
    bias_shape = [n_filters] if one_dim_bias or data_format == 'NHWC' else [1, n_filters, 1, 1]

    with tf.variable_scope(scope):
        filters = tf.get_variable("w", [height, width, n_channels, n_filters], initializer=ortho_init(init_scale))
        bias = tf.get_variable("b", [n_filters] if one_dim_bias else [1, n_filters, 1, 1],
                               initializer=tf.constant_initializer(0.0))
        with fast_conv_gradients(input_tensor, filters, stride, pad, data_format):
            return tf.reshape(bias, bias_shape) + tf.nn.conv2d(
                input_tensor, filters, strides=stride, padding=pad, data_format=data_format)


def conv_to_fc(input_tensor: tf.Tensor) -> tf.Tensor:
    """Flatten everything but the batch, (n_batch, ...) to (n_batch, n_features); only n_batch may be unknown."""
    return tf.reshape(input_tensor, [-1, intprod(input_tensor.shape.as_list()[1:])])


flatten = conv_to_fc


# Sequences up to here are unrolled, so that K-FAC sees each product with the recurrent weights; 128 steps would take a
# minute to build.
_LONGEST_UNROLLED = 32


def lstm(input_tensor: Sequence[tf.Tensor], mask_tensor: Sequence[tf.Tensor], cell_state_hidden: tf.Tensor,
         scope: str, n_hidden: int, init_scale: float = 1.0,
         layer_norm: bool = False) -> Tuple[List[tf.Tensor], tf.Tensor]:
    """
    Apply a Long Short Term Memory cell to a sequence.

    :param input_tensor: one tensor (n_envs, n_in) per step
    :param mask_tensor: one tensor (n_envs, 1) per step, 1 where an episode begins, which clears the state
    :param cell_state_hidden: state before the first step, cell then hidden, shape (n_envs, 2 * n_hidden)
    :param scope: variable scope; the variables are ``wx``, ``wh``, ``b`` and gains and biases of the normalisation
    :param n_hidden: number of cells
    :param layer_norm: whether to normalise inputs, recurrent inputs and cells, https://arxiv.org/abs/1607.06450
    :return: the hidden output of every step and the state after the last
    """
    n_input, n_gates = int(input_tensor[0].shape[1]), 4 * n_hidden
    with tf.variable_scope(scope):
        weight_x = tf.get_variable("wx", [n_input, n_gates], initializer=ortho_init(init_scale))
        weight_h = tf.get_variable("wh", [n_hidden, n_gates], initializer=ortho_init(init_scale))
        bias = tf.get_variable("b", [n_gates], initializer=tf.constant_initializer(0.0))
        norms = [_norm_params(suffix, size) for suffix, size in (
            ('x', n_gates), ('h', n_gates), ('c', n_hidden))] if layer_norm else []

    n_steps = len(input_tensor)
    # what does not depend on the state is computed for all steps at once
    gates_x = apply_norm(tf.matmul(tf.concat(input_tensor, axis=0), weight_x), *norms[:1]) + bias
    gates_x = tf.reshape(gates_x, [n_steps, -1, n_gates])
    cell, hidden = tf.split(cell_state_hidden, 2, axis=1)
    is_start = tf.not_equal(tf.stack(mask_tensor)[:, :, 0], 0)
    run = recur if n_steps > _LONGEST_UNROLLED else unroll
    hiddens, cell, hidden = run(gates_x, is_start, cell, hidden, weight_h, norms[1:])
    return tf.unstack(hiddens, n_steps), tf.concat([cell, hidden], axis=1)


def lnlstm(input_tensor: Sequence[tf.Tensor], mask_tensor: Sequence[tf.Tensor], cell_state: tf.Tensor,
           scope: str, n_hidden: int, init_scale: float = 1.0) -> Tuple[List[tf.Tensor], tf.Tensor]:
    """Apply an LSTM with layer normalisation; parameters and results are those of ``lstm``."""
    return lstm(input_tensor, mask_tensor, cell_state, scope, n_hidden, init_scale, layer_norm=True)


def _norm_params(suffix: str, size: int) -> Norm:
    """Create gain and bias of one layer normalisation within an LSTM."""
    return Norm(tf.get_variable("g" + suffix, [size], initializer=tf.constant_initializer(1.0)),
                tf.get_variable("b" + suffix, [size], initializer=tf.constant_initializer(0.0)))


def dense(input_tensor: tf.Tensor, units: int, activation: Optional[Callable] = None, name: Optional[str] = None,
          kernel_initializer: Optional[Callable] = None) -> tf.Tensor:
    """
    Apply a fully connected layer whose variables are named as those of ``tf.layers.dense``.

    :param input_tensor: shape (n_batch, n_in)
    :param units: number of outputs
    :param activation: activation function; None leaves the layer linear
    :param name: variable scope; None means ``dense``, ``dense_1``, ...; the variables are ``kernel`` and ``bias``
    :param kernel_initializer: initialiser of the weights; None means Glorot's uniform one
    :return: shape (n_batch, units)
    """
    with tf.variable_scope(name, default_name='dense'):
        output = _affine(input_tensor, units, 'kernel', 'bias', kernel_initializer)
        return output if activation is None else activation(output)


def fully_connected(input_tensor: tf.Tensor, units: int, activation: Optional[Callable] = None,
                    scope: Optional[str] = None) -> tf.Tensor:
    """
    Apply a fully connected layer whose variables are named as those of ``tf.contrib.layers.fully_connected``.

    :param input_tensor: shape (n_batch, n_in)
    :param units: number of outputs
    :param activation: activation function; None leaves the layer linear
    :param scope: variable scope; None means ``fully_connected``, ``fully_connected_1``, ...; the variables are
        ``weights`` and ``biases``
    :return: shape (n_batch, units)
    """
    with tf.variable_scope(scope, default_name='fully_connected'):
        output = _affine(input_tensor, units, 'weights', 'biases')
        return output if activation is None else activation(output)


def _affine(input_tensor: tf.Tensor, units: int, weights_name: str, biases_name: str,
            initializer: Optional[Callable] = None) -> tf.Tensor:
    """Multiply by weights, by default Glorot's uniform ones, and add biases; both get their names."""
    weights = tf.get_variable(weights_name, [int(input_tensor.shape[-1]), units],
                              initializer=initializer or tf.glorot_uniform_initializer(seed=next_op_seed()))
    biases = tf.get_variable(biases_name, [units], initializer=tf.zeros_initializer())
    return tf.nn.bias_add(_product(input_tensor, weights), biases)  # cheaper gradients than those of a sum


def layer_norm(input_tensor: tf.Tensor, center: bool = True, scale: bool = True,
               scope: Optional[str] = None) -> tf.Tensor:
    """
    Apply layer normalisation, https://arxiv.org/abs/1607.06450, with the variable names of ``tf.contrib.layers``.

    :param input_tensor: shape (n_batch, n)
    :param center: whether to add a learned offset ``beta``
    :param scale: whether to multiply by a learned gain ``gamma``
    :param scope: variable scope; None means ``LayerNorm``, ``LayerNorm_1``, ...
    :return: same shape
    """
    size = [int(input_tensor.shape[-1])]
    with tf.variable_scope(scope, default_name='LayerNorm'):
        beta = tf.get_variable('beta', size, initializer=tf.zeros_initializer()) if center else 0.
        gamma = tf.get_variable('gamma', size, initializer=tf.ones_initializer()) if scale else 1.
        return normalise(input_tensor, epsilon=1e-12) * gamma + beta


_layer_norm = layer_norm  # ``mlp`` has an argument of the same name, which is public


def mlp(input_tensor: tf.Tensor, layers: Sequence[int], activ_fn: Callable = tf.nn.relu,
        layer_norm: bool = False) -> tf.Tensor:
    """
    Apply fully connected layers, named ``fc0``, ``fc1``, ...

    :param input_tensor: shape (n_batch, n_in)
    :param layers: number of units of each layer
    :param layer_norm: whether to normalise before each activation
    :return: shape (n_batch, layers[-1])
    """
    output = input_tensor
    for index, units in enumerate(layers):
        output = dense(output, units, name=f'fc{index}')
        output = activ_fn(_layer_norm(output) if layer_norm else output)
    return output
