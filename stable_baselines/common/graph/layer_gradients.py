"""
Gradients of layers, from cheaper operations than TensorFlow's own.

A sum with a bias: the gradient of a general sum asks at every call which of its operands was spread along which axes.

Convolutions and large products on a CPU under TensorFlow 1: a convolution whose stride divides its filters is one of
stride 1 over blocks of stride x stride pixels, ``(n, height, width, block)``. There the gradient by the filters is a
matrix product for each offset, and the gradient by the images is again a convolution. Measured on TensorFlow 1.15.5, 32
images of 84x84x4, one core: first layer 7.8 to 4.7 ms by the filters, second 3.6 to 2.2 by the filters and 2.4 to 2.1
by the images, product with 3136x512 weights 3.2 to 0.8 by the inputs. TensorFlow 2 has better kernels and keeps its own
gradients, as every GPU does.

Rectifiers under TensorFlow 1: its kernel branches for each number, which a processor predicts wrongly half the time;
10.4 microseconds for 128x64 numbers, 2.1 as a product with their signs, with the same bits.
"""
import itertools
from typing import ContextManager, List, Tuple

import tensorflow.compat.v1 as tf

# products with smaller weights gain nothing
LARGE_WEIGHTS = 2 ** 19


def add_bias(outputs: tf.Tensor, bias: tf.Tensor) -> tf.Tensor:
    """
    Add a bias to every row.

    The operation stays a sum, which K-FAC treats unlike ``tf.nn.bias_add``, as in Stable Baselines 2.10.

    :param outputs: shape (n_batch, n)
    :param bias: shape (n,)
    """
    with tf.get_default_graph().gradient_override_map({'AddV2': 'StableBaselinesAddBias'}):
        return outputs + bias


@tf.RegisterGradient('StableBaselinesAddBias')
def _bias_gradient(op: tf.Operation, grad: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    return grad, tf.reduce_sum(grad, axis=0)


def is_slow() -> bool:
    """Tell whether this TensorFlow computes these gradients slowly."""
    return tf.__version__.startswith('1.') and not tf.config.experimental.list_physical_devices('GPU')


def fast_conv_gradients(images: tf.Tensor, filters: tf.Tensor, stride: int, pad: str,
                        data_format: str) -> ContextManager:
    """Give the convolutions made within faster gradients, where their shapes allow it; parameters as for ``conv``."""
    height, width = filters.shape.as_list()[:2]
    suits = data_format == 'NHWC' and pad == 'VALID' and height % stride == width % stride == 0 \
        and images.shape[1:].is_fully_defined()
    return _gradients('Conv2D', suits)


def fast_product_gradients(weights: tf.Tensor) -> ContextManager:
    """Give the products with such weights made within faster gradients, where that helps."""
    return _gradients('MatMul', weights.shape.num_elements() >= LARGE_WEIGHTS)


def fast_relu_gradients(graph: tf.Graph) -> ContextManager:
    """Give the rectifiers that are made within, a user's own included, a faster gradient."""
    return graph.gradient_override_map({'Relu': 'StableBaselinesRelu'} if is_slow() else {})


@tf.RegisterGradient('StableBaselinesRelu')
def _relu_gradient(op: tf.Operation, grad: tf.Tensor) -> tf.Tensor:
    return grad * tf.stop_gradient(tf.sign(op.outputs[0]))


def _gradients(op_type: str, suits: bool) -> ContextManager:
    names = {op_type: f'StableBaselines{op_type}'} if suits and is_slow() else {}
    return tf.get_default_graph().gradient_override_map(names)


@tf.RegisterGradient('StableBaselinesMatMul')
def _product_gradient(op: tf.Operation, grad: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Differentiate ``inputs @ weights``."""
    inputs, weights = op.inputs
    return _by_inputs(grad, weights), tf.matmul(inputs, grad, transpose_a=True)


def _by_inputs(grad: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Return ``grad @ weights^T``: TensorFlow's own product spends its time on packing the weights."""
    return tf.transpose(tf.matmul(weights, grad, transpose_b=True))


def product_with_fixed(inputs: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    """Multiply by weights that get no gradient from here."""
    with tf.get_default_graph().gradient_override_map({'MatMul': 'StableBaselinesProductWithFixed'}):
        return tf.matmul(inputs, weights)


@tf.RegisterGradient('StableBaselinesProductWithFixed')
def _input_gradient(op: tf.Operation, grad: tf.Tensor) -> Tuple[tf.Tensor, None]:
    weights = op.inputs[1]
    return _by_inputs(grad, weights) if is_slow() else tf.matmul(grad, weights, transpose_b=True), None


@tf.RegisterGradient('StableBaselinesConv2D')
def _conv_gradient(op: tf.Operation, grad: tf.Tensor) -> Tuple[tf.Tensor, tf.Tensor]:
    """Differentiate a convolution by its images and by its filters."""
    images, filters = op.inputs
    stride = op.get_attr('strides')[1]
    return _image_gradient(images, filters, grad, stride), _filter_gradient(images, filters, grad, stride)


def _filter_gradient(images: tf.Tensor, filters: tf.Tensor, grad: tf.Tensor, stride: int) -> tf.Tensor:
    height, width, _, n_filters = filters.shape.as_list()
    rows, columns = grad.shape.as_list()[1:3]
    n_down, n_right = height // stride, width // stride
    # copies of nearly all the images: made when they are needed, one after the other, as all at once take most memory
    with tf.control_dependencies([grad]):
        blocks = _to_blocks(images[:, :(rows + n_down - 1) * stride, :(columns + n_right - 1) * stride], stride)
    block = int(blocks.shape[-1])
    flat_grad = tf.reshape(grad, [-1, n_filters])

    gradients: List[tf.Tensor] = []
    for down, right in itertools.product(range(n_down), range(n_right)):
        with tf.control_dependencies(gradients[-1:] or [grad]):
            seen = tf.reshape(blocks[:, down:down + rows, right:right + columns], [-1, block])
        gradients.append(tf.transpose(tf.matmul(flat_grad, seen, transpose_a=True)))
    return _from_filter_blocks(tf.reshape(tf.stack(gradients), [n_down, n_right, block, n_filters]), stride)


def _image_gradient(images: tf.Tensor, filters: tf.Tensor, grad: tf.Tensor, stride: int) -> tf.Tensor:
    blocks = _to_filter_blocks(filters, stride)
    n_down, n_right = blocks.shape.as_list()[:2]
    around = [[0, 0], [n_down - 1, n_down - 1], [n_right - 1, n_right - 1], [0, 0]]
    turned = tf.transpose(tf.reverse(blocks, [0, 1]), [0, 1, 3, 2])
    seen = tf.nn.conv2d(tf.pad(grad, around), turned, strides=1, padding='VALID')
    seen = seen if stride == 1 else tf.depth_to_space(seen, stride)
    unseen = [given - used for given, used in zip(images.shape.as_list()[1:3], seen.shape.as_list()[1:3])]
    return tf.pad(seen, [[0, 0], [0, unseen[0]], [0, unseen[1]], [0, 0]]) if any(unseen) else seen


def _to_blocks(images: tf.Tensor, stride: int) -> tf.Tensor:
    return images if stride == 1 else tf.space_to_depth(images, stride)


def _to_filter_blocks(filters: tf.Tensor, stride: int) -> tf.Tensor:
    """Arrange filters for blocks: (height / stride, width / stride, stride * stride * in, out)."""
    height, width, n_in, n_out = filters.shape.as_list()
    split = tf.reshape(filters, [height // stride, stride, width // stride, stride, n_in, n_out])
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3, 4, 5]), [height // stride, width // stride, -1, n_out])


def _from_filter_blocks(blocks: tf.Tensor, stride: int) -> tf.Tensor:
    """Undo ``_to_filter_blocks``."""
    down, right, block, n_out = blocks.shape.as_list()
    split = tf.reshape(blocks, [down, right, stride, stride, block // stride ** 2, n_out])
    return tf.reshape(tf.transpose(split, [0, 2, 1, 3, 4, 5]), [down * stride, right * stride, -1, n_out])
