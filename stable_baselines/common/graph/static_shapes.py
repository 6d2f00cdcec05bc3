"""A copy of a part of the graph for inputs of known shapes, which leaves out the questions about shapes."""
from typing import Dict, List, NamedTuple, Sequence, Tuple

import tensorflow.compat.v1 as tf

Shape = Tuple[int, ...]

# calls of functions that may hold random operations
STATEFUL_FUNCTIONS = ('If', 'While', 'Case', 'StatefulPartitionedCall')


class Part(NamedTuple):
    """What one call of a session runs."""

    inputs: List[tf.Tensor]  # placeholders
    fetches: List[tf.Tensor]
    targets: List[tf.Operation]


def with_static_shapes(part: Part, shapes: Sequence[Shape]) -> Part:
    """
    Copy a part of the graph, for inputs of the given shapes; variables, tables and queues are shared.

    A tenth of the operations of a small network's gradient step ask for shapes. TensorFlow leaves them out where it
    knows the answers, but takes the shape of what is fed for unknown, whatever the placeholder says.

    :param shapes: of the inputs
    :return: the copy; the part itself if it may draw random numbers, which a copy would repeat, or if the graph takes
        no more operations
    """
    ops = _find_ops(part)
    states = {name: op for name, op in ops.items() if _is_state(op)}
    graph_def = _graph_def({name: op for name, op in ops.items() if name not in states})
    if tf.get_default_graph().finalized or any(
            'seed2' in node.attr or node.op in STATEFUL_FUNCTIONS for node in graph_def.node):
        return part
    inputs = [tf.placeholder(tensor.dtype, shape) for tensor, shape in zip(part.inputs, shapes)]
    given = {tensor.op.name: tf.ensure_shape(copy, shape) for tensor, copy, shape in zip(part.inputs, inputs, shapes)}
    given.update((name, op.outputs[0]) for name, op in states.items())
    used = {name.split(':')[0] for node in graph_def.node for name in node.input}  # the others may not be given
    wanted = [*(tensor.name for tensor in part.fetches), *(op.name for op in part.targets)]
    copies = tf.import_graph_def(graph_def, {f"{name}:0": tensor for name, tensor in given.items() if name in used},
                                 wanted, name='static_shapes')
    return Part(inputs, copies[:len(part.fetches)], copies[len(part.fetches):])


def _find_ops(part: Part) -> Dict[str, tf.Operation]:
    """Return by name the operations between the inputs, which are not among them, and what is asked for."""
    inputs = {tensor.op.name for tensor in part.inputs}
    found: Dict[str, tf.Operation] = {}
    pending = [*(tensor.op for tensor in part.fetches), *part.targets]
    while pending:
        op = pending.pop()
        if op.name not in found and op.name not in inputs:
            found[op.name] = op
            pending.extend([*op.control_inputs, *(tensor.op for tensor in op.inputs)])
    return found


def _is_state(op: tf.Operation) -> bool:
    """Tell whether an operation is a variable, of either kind, a table, a queue or the like."""
    return not op.inputs and bool(op.outputs) and (op.outputs[0].dtype == tf.resource
                                                   or op.outputs[0].dtype._is_ref_dtype)


def _graph_def(ops: Dict[str, tf.Operation]) -> tf.GraphDef:
    """Describe operations. They do not wait for others, inputs and states, which are there before any of them."""
    graph_def = tf.GraphDef()
    for op in ops.values():
        node = graph_def.node.add()
        node.CopyFrom(op.node_def)
        node.attr.pop('_class', None)  # would put the copy of an operation beside the copy of a variable
        waited_for = [name for name in node.input if not name.startswith('^') or name[1:] in ops]
        del node.input[:]
        node.input.extend(waited_for)
    if ops:
        graph_def.versions.CopyFrom(op.graph.graph_def_versions)
    return graph_def
