"""Graphs, their seeds, sessions, and the variables in them."""
import functools
import os
import re
from typing import Callable, Optional, Union

import tensorflow.compat.v1 as tf

_OP_SEEDS = 'stable_baselines_op_seeds'


def make_graph(seed: Optional[int] = None) -> tf.Graph:
    """
    Create a graph with resource variables, in which a seed means the same on every TensorFlow version.

    :param seed: seed of all its random operations; None draws one from the operating system
    """
    graph = tf.Graph()
    with graph.as_default():
        tf.get_variable_scope().set_use_resource(True)
        # the operations below carry seeds of their own, so without a seed of the graph every run would be the same
        tf.set_random_seed(int.from_bytes(os.urandom(4), 'little') >> 1 if seed is None else seed)
    return graph


def next_op_seed() -> int:
    """
    Number the random operations of the current graph: 1, 2, 3, ...

    TensorFlow 1.15 and 2.x choose different seeds for operations that state none: every random operation of this
    library asks here, so that the streams are the same on both.
    """
    seeds = tf.get_default_graph().get_collection_ref(_OP_SEEDS)
    seeds.append(len(seeds) + 1)
    return seeds[-1]


def make_session(num_cpu: Optional[int] = None, make_default: bool = False,
                 graph: Optional[tf.Graph] = None) -> tf.Session:
    """
    Create a session that uses at most ``num_cpu`` threads.

    :param num_cpu: number of threads; None means the number of CPUs (or the variable RCALL_NUM_CPU)
    :param make_default: whether to return an InteractiveSession, which makes itself the default
    :param graph: the graph of the session; None means the current one
    """
    if num_cpu is None:
        num_cpu = int(os.getenv('RCALL_NUM_CPU', os.cpu_count() or 1))
    config = tf.ConfigProto(allow_soft_placement=True, inter_op_parallelism_threads=num_cpu,
                            intra_op_parallelism_threads=num_cpu)
    # otherwise one process takes the whole memory of a GPU
    config.gpu_options.allow_growth = True
    return (tf.InteractiveSession if make_default else tf.Session)(config=config, graph=graph)


def single_threaded_session(make_default: bool = False, graph: Optional[tf.Graph] = None) -> tf.Session:
    """Create a session that uses one thread; parameters as for ``make_session``."""
    return make_session(num_cpu=1, make_default=make_default, graph=graph)


def in_session(func: Callable) -> Callable:
    """Decorate a function so that it runs within a new session; the decorated function returns nothing."""
    @functools.wraps(func)
    def newfunc(*args, **kwargs):
        with make_session():
            func(*args, **kwargs)
    return newfunc


def initialize(sess: Optional[tf.Session] = None) -> None:
    """
    Initialise the variables of the session's graph that are not initialised yet.

    :param sess: None means the default session
    """
    sess = sess or tf.get_default_session()
    with sess.graph.as_default():
        variables = tf.global_variables()
        ready = sess.run([tf.is_variable_initialized(variable) for variable in variables])
        sess.run(tf.variables_initializer([var for var, is_ready in zip(variables, ready) if not is_ready]))


def transfer_variables(source: tf.Session, target: tf.Session) -> None:
    """
    Copy variables from one session into another wherever names and shapes agree.

    :param source: where to read; all its variables are initialised
    """
    collection = tf.GraphKeys.GLOBAL_VARIABLES
    values = source.run({variable.name: variable for variable in source.graph.get_collection(collection)})
    fitting = [variable for variable in target.graph.get_collection(collection)
               if variable.name in values and variable.shape.as_list() == list(values[variable.name].shape)]
    # copies: a variable may go on living in the memory that was fed
    target.run([variable.initializer for variable in fitting],
               {variable.initializer.inputs[1]: values[variable.name].copy() for variable in fitting})


def explain_missing(error: Union[AttributeError, ImportError]) -> None:
    """
    Say what replaces a part of TensorFlow 1 that a user's network relies on and this version lacks.

    :raises AttributeError: or ImportError, like the error, with the advice; other errors are left alone
    """
    if re.search(r"'tensorflow\b.*has no attribute|No module named 'tensorflow\.contrib|Keras 3|"
                 r"'(int|NoneType)' object has no attribute 'value'", str(error)):
        raise type(error)(
            f"{str(error).rstrip('.')}. TensorFlow {tf.__version__} lacks what this network was written with: "
            "`import tensorflow.compat.v1 as tf`, and take layers from stable_baselines.common.tf_layers (dense, conv, "
            "flatten, layer_norm, lstm) instead of tf.layers and tf.contrib; sizes are numbers, without .value"
        ) from error
