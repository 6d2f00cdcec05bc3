r"""
The statistics of K-FAC: each block of the Fisher matrix as a Kronecker product of two small matrices.

For a layer :math:`s = a W` and the derivative :math:`g` of each sample's log-likelihood with respect to :math:`s`,

.. math:: F \approx A \otimes G, \qquad A = \frac{1}{N} \sum_{rows} a a^T, \qquad G = \frac{1}{R} \sum_{rows} g g^T

for N samples that make R rows: one row per sample for a dense layer (https://arxiv.org/abs/1503.05671), one for every
position of the filters for a convolution (https://arxiv.org/abs/1602.01407), one for every time step for a weight that
is used in all of them. A bias is a layer with the input 1.
"""
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple

import tensorflow.compat.v1 as tf

from stable_baselines.acktr.blocks import PRODUCTS, Block
from stable_baselines.common.tf_util import intprod


class Factor:
    """
    One side of one or several layers: its second moment, averaged over batches, and the eigenbasis of that average.

    :param moment: the second moment on one batch, shape (n, n)
    :param name: name of its variables
    """

    def __init__(self, moment: tf.Tensor, name: str):
        size = int(moment.shape[0])
        self.moment = moment
        self.average = make_state(tf.zeros([size, size]), name + '/average')
        self.eigenvalues = make_state(tf.zeros([size]), name + '/eigenvalues')
        self.eigenvectors = make_state(tf.eye(size), name + '/eigenvectors')


class Sides(NamedTuple):
    """The two sides of a block."""

    block: Block
    input: Optional[Factor]  # None for a bias alone
    output: Factor


def make_state(initial_value: Any, name: str) -> tf.Variable:
    """Create a variable that belongs to the optimiser."""
    return tf.Variable(initial_value, trainable=False, use_resource=True, name=name)


def make_factors(blocks: Sequence[Block], loss: tf.Tensor, average_positions: bool = False) -> List[Sides]:
    """
    Build the factors of all blocks. Blocks with the same input, or the same output, share a factor.

    :param loss: mean over the samples of their negative log-likelihood, for outputs drawn from the model
    :param average_positions: whether to treat the positions of a convolution as one: mean patch, summed derivative
    :return: the factors; blocks that the loss does not depend on are left out
    """
    outputs = {output.name: output for block in blocks for output in block.outputs}
    derivatives = dict(zip(outputs, tf.gradients(loss, list(outputs.values())) if outputs else []))
    factors = {}

    def get(key, name, moment, *arguments):
        if key not in factors:
            factors[key] = Factor(moment(*arguments), name)
        return factors[key]

    sides = []
    for block in blocks:
        if any(derivatives[output.name] is None for output in block.outputs):
            continue
        name = block.variables[0].op.name
        has_weight = block.ops[0].type in PRODUCTS
        as_one = average_positions or not has_weight
        output = get(('output', _names(block.outputs), as_one and block.outputs[0].shape.ndims > 2), name + '/output',
                     _output_moment, [derivatives[tensor.name] for tensor in block.outputs], as_one)
        input_ = get(('input',) + _input_key(block), name + '/input',
                     _input_moment, block, average_positions) if has_weight else None
        sides.append(Sides(block, input_, output))
    return sides


def _names(tensors: Sequence[tf.Tensor]) -> Tuple[str, ...]:
    return tuple(tensor.name for tensor in tensors)


def _input_key(block: Block) -> Tuple:
    """Return a key that is equal for blocks with the same input-side factor."""
    convolution = [(op.get_attr('strides'), op.get_attr('padding'), op.get_attr('dilations'), op.inputs[1].shape[:3])
                   for op in block.ops if op.type == 'Conv2D']
    return str(convolution), len(block.variables), _names([op.inputs[0] for op in block.ops])


def _input_moment(block: Block, average_positions: bool) -> tf.Tensor:
    """Compute A: the second moment of the weight's inputs, summed over positions."""
    inputs = [_patches(op) if op.type == 'Conv2D' else op.inputs[0] for op in block.ops]
    if average_positions:
        inputs = [tf.reduce_mean(tensor, axis=_positions(tensor)) for tensor in inputs]
    rows, n_samples = _rows(inputs)
    if len(block.variables) == 2:  # the bias is one more row of the weight, with the input 1
        rows = tf.concat([rows, tf.ones_like(rows[:, :1])], axis=1)
    return tf.matmul(rows, rows, transpose_a=True) / n_samples


def _output_moment(derivatives: List[tf.Tensor], sum_positions: bool) -> tf.Tensor:
    """Compute G: the second moment of the derivatives; those of the mean are N times smaller than each sample's."""
    if sum_positions:
        derivatives = [tf.reduce_sum(tensor, axis=_positions(tensor)) for tensor in derivatives]
    rows, n_samples = _rows(derivatives)
    n_rows = tf.cast(tf.shape(rows)[0], tf.float32)
    return tf.matmul(rows, rows, transpose_a=True) * (n_samples * n_samples / n_rows)


def _patches(op: tf.Operation) -> tf.Tensor:
    """Cut out what the filters of a convolution see: shape (n, height, width, size of a filter)."""
    height, width = op.inputs[1].shape.as_list()[:2]
    return tf.image.extract_patches(op.inputs[0], sizes=[1, height, width, 1], strides=op.get_attr('strides'),
                                    rates=op.get_attr('dilations'), padding=op.get_attr('padding').decode())


def _positions(tensor: tf.Tensor) -> List[int]:
    """Return the axes between samples and channels."""
    return list(range(1, tensor.shape.ndims - 1))


def _rows(tensors: List[tf.Tensor]) -> Tuple[tf.Tensor, tf.Tensor]:
    """Join tensors (n, ..., channels) into a matrix with one row for each position; also return the sum of the n."""
    n_channels = int(tensors[0].shape[-1])
    rows = tf.concat([tf.reshape(tensor, [-1, n_channels]) for tensor in tensors], axis=0)
    return rows, tf.cast(tf.add_n([tf.shape(tensor)[0] for tensor in tensors]), tf.float32)


def as_matrix(gradients: Sequence[tf.Tensor], sides: Sides) -> tf.Tensor:
    """Join the gradients of a block's variables to shape (inputs, outputs); a joint bias is the last row."""
    n_outputs = int(sides.output.average.shape[0])
    return tf.concat([tf.reshape(gradient, [-1, n_outputs]) for gradient in gradients], axis=0)


def from_matrix(matrix: tf.Tensor, sides: Sides) -> List[tf.Tensor]:
    """Undo ``as_matrix``: split a matrix into tensors in the shapes of the block's variables."""
    shapes = [variable.shape.as_list() for variable in sides.block.variables]
    pieces = tf.split(matrix, [intprod(shape[:-1]) for shape in shapes], axis=0)
    return [tf.reshape(piece, shape) for piece, shape in zip(pieces, shapes)]
