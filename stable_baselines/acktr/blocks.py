"""Which variables have a block of the Fisher matrix that K-FAC can factor, found in the graph."""
from typing import Any, Callable, Dict, List, NamedTuple, Sequence

import tensorflow.compat.v1 as tf

from stable_baselines.common.tf_util import intprod

PRODUCTS = ('MatMul', 'Conv2D')
SUMS = ('Add', 'AddV2', 'BiasAdd')


class Block(NamedTuple):
    """A weight, a weight with its bias, or a bias alone; and where it acts."""

    variables: List[tf.Variable]
    ops: List[tf.Operation]  # the products with the weight, or the sums with the bias; several if it is shared
    outputs: List[tf.Tensor]  # for each of them, the output whose derivative makes the output-side factor


def find_blocks(loss: tf.Tensor, variables: Sequence[tf.Variable], joint_bias: bool = False) -> List[Block]:
    """
    Find the variables that act as weights or biases of dense and convolutional layers.

    A weight is the second operand of ``tf.matmul`` or ``tf.nn.conv2d``, a bias is added along the last axis. Others
    (a gain, a reshaped bias, a weight inside a ``tf.while_loop``) have no block.

    :param loss: operations that it does not depend on are ignored
    :param joint_bias: whether a bias added by ``tf.nn.bias_add`` shares the block of its weight
    :return: the blocks, in the order of the variables
    """
    path = _reachable(loss.op, lambda op: [tensor.op for tensor in op.inputs])
    weights, biases = [], []
    for variable in variables:
        # the tensors that hold its value: each use reads it anew
        values = _reachable(variable.op.outputs[0], lambda tensor: [
            op.outputs[0] for op in tensor.consumers() if op.type in ('ReadVariableOp', 'Identity')])
        consumers = [op for value in values.values() for op in value.consumers() if op.name in path]
        consumers.sort(key=lambda op: op.name)  # TensorFlow gives them in the order of their addresses
        products = [op for op in consumers if _is_product(op, values)]
        sums = [op for op in consumers if _is_sum(op, values, variable)]
        if products:
            weights.append(Block([variable], products, [op.outputs[0] for op in products]))
        elif sums:
            biases.append(Block([variable], sums, [_summand(op, values) for op in sums]))

    owners = {output.name: block for block in weights for output in block.outputs}
    blocks = {block.variables[0].name: block for block in weights}
    for bias in biases:
        owner = owners.get(bias.outputs[0].name)
        if joint_bias and owner is not None and _is_bias_of(bias, owner):
            owner.variables.extend(bias.variables)
            continue
        outputs = [summand if summand.name in owners else op.outputs[0] for op, summand in zip(bias.ops, bias.outputs)]
        blocks[bias.variables[0].name] = Block(bias.variables, bias.ops, outputs)
    return [blocks[variable.name] for variable in variables if variable.name in blocks]


def _reachable(start: Any, neighbours: Callable[[Any], List]) -> Dict[str, Any]:
    """Return, by name, the operation or tensor ``start`` and all that is reached from it by way of ``neighbours``."""
    found, pending = {}, [start]
    while pending:
        node = pending.pop()
        if node.name not in found:
            found[node.name] = node
            pending.extend(neighbours(node))
    return found


def _is_product(op: tf.Operation, values: Dict[str, tf.Tensor]) -> bool:
    """Tell whether an operation multiplies rows, or patches of images, with the weight."""
    if op.type not in PRODUCTS or op.inputs[1].name not in values:
        return False
    if op.type == 'MatMul':
        return not op.get_attr('transpose_a') and not op.get_attr('transpose_b')
    return op.get_attr('data_format') == b'NHWC' and op.get_attr('padding') in (b'SAME', b'VALID')


def _is_sum(op: tf.Operation, values: Dict[str, tf.Tensor], variable: tf.Variable) -> bool:
    """Tell whether an operation adds the variable to every row of a tensor."""
    if op.type not in SUMS or not any(tensor.name in values for tensor in op.inputs):
        return False
    if op.type == 'BiasAdd' and op.get_attr('data_format') != b'NHWC':
        return False
    shape, size = op.outputs[0].shape, intprod(variable.shape.as_list())
    return shape.ndims is not None and shape.ndims >= 2 and shape.as_list()[-1] == size \
        and variable.shape.as_list()[-1] == size


def _summand(op: tf.Operation, values: Dict[str, tf.Tensor]) -> tf.Tensor:
    """Return what a bias is added to if nothing else uses it, so that both have the same derivative; else the sum."""
    summands = [tensor for tensor in op.inputs if tensor.name not in values]
    if len(summands) != 1 or summands[0].shape.ndims != op.outputs[0].shape.ndims:
        return op.outputs[0]
    summand, consumer = summands[0], op
    while [other.name for other in summand.consumers() if other.type != 'Shape'] == [consumer.name]:
        if summand.op.type != 'Identity':
            return summand
        summand, consumer = summand.op.inputs[0], summand.op
    return op.outputs[0]


def _is_bias_of(bias: Block, weight: Block) -> bool:
    """Tell whether a bias is added by ``tf.nn.bias_add`` to every product with the weight, and to nothing else."""
    return len(weight.variables) == 1 and all(op.type == 'BiasAdd' for op in bias.ops) \
        and sorted(tensor.name for tensor in bias.outputs) == sorted(tensor.name for tensor in weight.outputs)
