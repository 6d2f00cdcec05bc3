"""TensorFlow in graph mode: sessions, fast calls into them, gradients, summaries."""
import collections
import functools
import os
import re
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

_OP_SEEDS = 'stable_baselines_op_seeds'

# kept for code that empties it: `initialize` asks the session instead
ALREADY_INITIALIZED: set = set()


# ================================================================
# Graphs, seeds, sessions
# ================================================================

def make_graph(seed: Optional[int] = None) -> tf.Graph:
    """
    Create a graph in which a seed means the same on every TensorFlow line.

    :param seed: seed of all its random operations; None draws one from the operating system
    :return: a graph with resource variables and its seed set
    """
    graph = tf.Graph()
    with graph.as_default():
        tf.get_variable_scope().set_use_resource(True)
        # the operations below carry seeds of their own, so without a seed of the graph every run would be the same
        tf.set_random_seed(int.from_bytes(os.urandom(4), 'little') >> 1 if seed is None else seed)
    return graph


def next_op_seed() -> int:
    """
    Number the random operations of the current graph.

    TensorFlow 1.15 and 2.x choose different seeds for operations that state none: every random operation of this
    library asks here, so that the streams are the same on both.

    :return: 1, 2, 3, ... for each call within one graph
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
    :return: the session
    """
    if num_cpu is None:
        num_cpu = int(os.getenv('RCALL_NUM_CPU', os.cpu_count() or 1))
    config = tf.ConfigProto(allow_soft_placement=True, inter_op_parallelism_threads=num_cpu,
                            intra_op_parallelism_threads=num_cpu)
    # otherwise one process takes the whole memory of a GPU
    config.gpu_options.allow_growth = True
    return (tf.InteractiveSession if make_default else tf.Session)(config=config, graph=graph)


def single_threaded_session(make_default: bool = False, graph: Optional[tf.Graph] = None) -> tf.Session:
    """
    Create a session that uses one thread.

    :param make_default: whether to return an InteractiveSession
    :param graph: the graph of the session
    :return: the session
    """
    return make_session(num_cpu=1, make_default=make_default, graph=graph)


def in_session(func: Callable) -> Callable:
    """
    Decorate a function so that it runs within a new session.

    :param func: the function
    :return: the decorated function, which returns nothing
    """
    @functools.wraps(func)
    def newfunc(*args, **kwargs):
        with make_session():
            func(*args, **kwargs)
    return newfunc


def initialize(sess: Optional[tf.Session] = None) -> None:
    """
    Initialise those variables of the session's graph that are not initialised yet.

    :param sess: the session; None means the default session
    """
    sess = sess or tf.get_default_session()
    with sess.graph.as_default():
        variables = tf.global_variables()
        ready = sess.run([tf.is_variable_initialized(variable) for variable in variables])
        sess.run(tf.variables_initializer([var for var, is_ready in zip(variables, ready) if not is_ready]))


def transfer_variables(source: tf.Session, target: tf.Session) -> None:
    """
    Copy the variables of one session into another one, as far as names and shapes agree.

    :param source: where to read; all its variables are initialised
    :param target: where to write
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
    Say what takes the place of a part of TensorFlow 1 that a user's network asked for in vain.

    :param error: the error
    :raises AttributeError: or an ImportError, with the advice, if the error is of that kind
    """
    if re.search(r"'tensorflow\b.*has no attribute|No module named 'tensorflow\.contrib|Keras 3|"
                 r"'(int|NoneType)' object has no attribute 'value'", str(error)):
        raise type(error)(
            "{}. TensorFlow {} lacks what this network was written with: `import tensorflow.compat.v1 as tf`, and take "
            "layers from stable_baselines.common.tf_layers (dense, conv, flatten, layer_norm, lstm) instead of "
            "tf.layers and tf.contrib; sizes are numbers, without .value".format(
                str(error).rstrip('.'), tf.__version__)) from error


# ================================================================
# Calls into a session
# ================================================================

class _Function:
    """
    A callable from arrays to arrays, see ``function``.

    Built on the session's callable: about five times faster for a small network than ``session.run``, because feeds
    and fetches are resolved once. That callable neither casts nor checks, so both happen here.
    """

    def __init__(self, inputs: Sequence[tf.Tensor], outputs: Any, updates: Sequence[tf.Operation],
                 givens: Dict[tf.Tensor, Any], session: Optional[tf.Session]):
        self.givens = givens
        # givens are defaults: a later positional or named argument replaces them
        self.inputs = list(inputs) + [placeholder for placeholder in givens if placeholder not in inputs]
        self._names = [placeholder.op.name.split('/')[-1] for placeholder in self.inputs]
        self._specs = [(ph, ph.dtype.as_numpy_dtype, ph.shape.as_list() if ph.shape.ndims is not None else None)
                       for ph in self.inputs]
        self._pack, self._fetches = _flatten_outputs(outputs)
        self._updates = updates
        self._session = session
        self._callable = None  # made at the first call: making one walks the whole graph

    def _make(self) -> Callable:
        """Make the callable, in the given session or in the default one."""
        session = self._session or tf.get_default_session()
        if session is None:
            raise ValueError("this function was made without a session: call it within `with session.as_default():`")
        with session.graph.as_default():
            # reads variables; what is both fed and fetched needs another name
            fetches = [tf.identity(fetch) if any(fetch is fed for fed in self.inputs) else tf.convert_to_tensor(fetch)
                       for fetch in self._fetches]
        options = tf.RunOptions(inter_op_thread_pool=-1)  # run on the caller's thread: no hand-over, no wake-up
        return _make_callable(session, self.inputs, fetches, self._updates, options)

    def __call__(self, *args, **kwargs) -> Any:
        if kwargs or len(args) != len(self._specs):
            args = self._arrange(args, kwargs)
        feeds = [_as_feed(spec, arg) for spec, arg in zip(self._specs, args)]
        if self._callable is None:
            self._callable = self._make()
        return self._pack(self._callable(*feeds))

    def _arrange(self, args: Sequence, kwargs: Dict[str, Any]) -> List:
        """Put positional arguments, named arguments and givens into the order of the inputs."""
        if len(args) > len(self.inputs):
            raise TypeError("too many arguments: expected at most {} ({}), got {}".format(
                len(self.inputs), ', '.join(self._names), len(args)))
        unknown = set(kwargs) - set(self._names[len(args):])
        if unknown:
            raise TypeError(f"unexpected arguments {sorted(unknown)}, the inputs are {self._names}")
        values = dict(zip(self._names, args), **kwargs)
        arranged = []
        for name, placeholder in zip(self._names, self.inputs):
            if name not in values and placeholder not in self.givens:
                raise TypeError(f"missing argument {name!r}, the inputs are {self._names}")
            arranged.append(values[name] if name in values else self.givens[placeholder])
        return arranged


def _make_callable(session: tf.Session, feeds: Sequence[tf.Tensor], fetches: Sequence[tf.Tensor],
                   targets: Sequence[tf.Operation], options: tf.RunOptions) -> Callable:
    """Return ``call(*arrays) -> [array]``; through ``session.run`` where the session has no callables from options."""
    if not hasattr(session, '_make_callable_from_options'):
        return lambda *arrays: session.run([list(fetches), list(targets)], dict(zip(feeds, arrays)), options)[0]
    from tensorflow.core.protobuf import config_pb2
    callable_options = config_pb2.CallableOptions(
        feed=[tensor.name for tensor in feeds], fetch=[tensor.name for tensor in fetches],
        target=[op.name for op in targets], run_options=options)
    return session._make_callable_from_options(callable_options)  # pylint: disable=protected-access


def _flatten_outputs(outputs: Any):
    """Return a function from the list of fetched arrays to the structure of ``outputs``, and the tensors to fetch."""
    if isinstance(outputs, dict):
        keys = list(outputs)
        return (lambda arrays: type(outputs)(zip(keys, arrays))), [outputs[key] for key in keys]
    if isinstance(outputs, tuple) and hasattr(outputs, '_fields'):
        return (lambda arrays: type(outputs)(*arrays)), list(outputs)
    if isinstance(outputs, (list, tuple)):
        return list, list(outputs)
    return (lambda arrays: arrays[0]), [outputs]


def _as_feed(spec, value: Any) -> np.ndarray:
    """Cast a value to the type of its placeholder and check its shape."""
    placeholder, dtype, shape = spec
    array = np.asarray(value, dtype)
    if shape is not None and (len(shape) != array.ndim or any(
            expected is not None and expected != given for expected, given in zip(shape, array.shape))):
        raise ValueError(f"{placeholder.op.name} takes shape {tuple(shape)}, got {array.shape}")
    return array


def function(inputs: Sequence[tf.Tensor], outputs: Any, updates: Union[tf.Operation, Sequence, None] = None,
             givens: Optional[Dict[tf.Tensor, Any]] = None, session: Optional[tf.Session] = None) -> Callable:
    """
    Make a fast Python function of a part of the graph.

    Values are given in the order of ``inputs``, or by the names of the placeholders. They are cast to the type of their
    placeholder and their shapes are checked::

        x = tf.placeholder(tf.int32, (), name="x")
        y = tf.placeholder(tf.int32, (), name="y")
        lin = function([x, y], 3 * x + 2 * y, givens={y: 0})
        lin(2) == 6; lin(x=3) == 9; lin(2, 2) == 10

    :param inputs: the placeholders
    :param outputs: what the function returns, in the same structure
    :param updates: operations that every call runs as well
    :param givens: values of placeholders that a call does not state
    :param session: the session; None means the default session at the first call
    :return: the function
    """
    updates = [] if updates is None else updates if isinstance(updates, (list, tuple)) else [updates]
    targets = [update if isinstance(update, tf.Operation) else update.op for update in updates]
    return _Function(inputs, outputs, targets, givens or {}, session)


# ================================================================
# Variables and gradients
# ================================================================

def get_trainable_vars(name: Optional[str]) -> List[tf.Variable]:
    """
    Return the trainable variables of a scope, in the order of their creation.

    :param name: the scope
    :return: its trainable variables
    """
    return tf.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES, scope=name)


def get_globals_vars(name: Optional[str]) -> List[tf.Variable]:
    """
    Return all variables of a scope, in the order of their creation.

    :param name: the scope
    :return: its variables
    """
    return tf.get_collection(tf.GraphKeys.GLOBAL_VARIABLES, scope=name)


def outer_scope_getter(scope: str, new_scope: str = "") -> Callable:
    """
    Make a variable getter that removes (or renames) an outer scope.

    :param scope: the scope to remove
    :param new_scope: what replaces it
    :return: a ``custom_getter`` for ``tf.variable_scope``
    """
    def _getter(getter, name, *args, **kwargs):
        return getter(name.replace(scope + "/", new_scope, 1), *args, **kwargs)
    return _getter


def minimize(optimizer: tf.train.Optimizer, loss: tf.Tensor, params: Sequence[tf.Variable],
             max_grad_norm: Optional[float] = None) -> tf.Operation:
    """
    Build one optimiser step: all gradients at the old parameters, then the step.

    :param optimizer: the optimiser
    :param loss: the scalar to minimise
    :param params: the variables to change; those without a gradient stay as they are
    :param max_grad_norm: clip the gradients to this global norm; None does not clip
    :return: the step
    """
    grads, _ = clip_gradients(tf.gradients(loss, params), max_grad_norm)
    return apply_gradients(optimizer, grads, params)


def clip_gradients(grads: Sequence[Optional[tf.Tensor]],
                   max_grad_norm: Optional[float]) -> Tuple[List[Optional[tf.Tensor]], tf.Tensor]:
    """
    Clip gradients to a global norm.

    :param grads: the gradients
    :param max_grad_norm: the greatest norm; None does not clip
    :return: the clipped gradients, and their norm before clipping
    """
    if max_grad_norm is None:
        return list(grads), tf.global_norm(grads)
    return tf.clip_by_global_norm(grads, max_grad_norm)


def apply_gradients(optimizer: tf.train.Optimizer, grads: Sequence[Optional[tf.Tensor]],
                    params: Sequence[tf.Variable], after: Sequence[tf.Tensor] = ()) -> tf.Operation:
    """
    Build one optimiser step, which waits until all gradients are known.

    :param optimizer: the optimiser
    :param grads: gradients; None leaves the variable as it is
    :param params: the variables to change
    :param after: further tensors that are to be computed at the old parameters
    :return: the step
    """
    # without clipping nothing else keeps a layer from being changed while gradients are still computed from it
    with tf.control_dependencies([grad for grad in grads if grad is not None] + list(after)):
        return optimizer.apply_gradients(list(zip(grads, params)))


def flatgrad(loss: tf.Tensor, var_list: Sequence[tf.Variable], clip_norm: Optional[float] = None) -> tf.Tensor:
    """
    Compute a gradient as one vector.

    :param loss: the scalar
    :param var_list: the variables
    :param clip_norm: clip the gradient of every variable to this norm; None does not clip
    :return: gradient, shape (total number of elements,); zero where the loss does not depend on a variable
    """
    grads = tf.gradients(loss, var_list)
    if clip_norm is not None:
        grads = [None if grad is None else tf.clip_by_norm(grad, clip_norm=clip_norm) for grad in grads]
    return tf.concat(axis=0, values=[
        tf.reshape(grad if grad is not None else tf.zeros_like(var), [numel(var)])
        for var, grad in zip(var_list, grads)])


def gradient_add(grad_1: Optional[tf.Tensor], grad_2: Optional[tf.Tensor], param: tf.Variable,
                 verbose: int = 0) -> Optional[tf.Tensor]:
    """
    Add two gradients, either of which may be missing.

    :param grad_1: the first
    :param grad_2: the second
    :param param: what they are gradients of, for the message
    :param verbose: print what is added if greater than 1
    :return: their sum
    """
    if verbose > 1:
        print([grad_1, grad_2, param.name])
    if grad_1 is None or grad_2 is None:
        return grad_2 if grad_1 is None else grad_1
    return grad_1 + grad_2


class SetFromFlat:
    """
    Set variables from one vector.

    :param var_list: the variables
    :param dtype: type of the vector
    :param sess: the session; None means the default session at the call
    """

    def __init__(self, var_list: Sequence[tf.Variable], dtype: tf.DType = tf.float32,
                 sess: Optional[tf.Session] = None):
        shapes = [var_shape(var) for var in var_list]
        sizes = [intprod(shape) for shape in shapes]
        theta = tf.placeholder(dtype, [sum(sizes)])
        assigns = [tf.assign(var, tf.reshape(piece, shape))
                   for var, shape, piece in zip(var_list, shapes, tf.split(theta, sizes))]
        self._set = function([theta], [], updates=[tf.group(*assigns)], session=sess)

    def __call__(self, theta: np.ndarray) -> None:
        # a copy: a variable may go on living in the memory that was fed
        self._set(np.array(theta))


class GetFlat:
    """
    Get variables as one vector.

    :param var_list: the variables
    :param sess: the session; None means the default session at the call
    """

    def __init__(self, var_list: Sequence[tf.Variable], sess: Optional[tf.Session] = None):
        self._get = function([], tf.concat(axis=0, values=[tf.reshape(var, [numel(var)]) for var in var_list]),
                             session=sess)

    def __call__(self) -> np.ndarray:
        return self._get().copy()  # a single variable would come as the memory in which it lives


# ================================================================
# Shapes
# ================================================================

def var_shape(tensor: tf.Tensor) -> List[int]:
    """
    Return the static shape of a tensor.

    :param tensor: tensor with a completely known shape
    :return: its shape
    """
    shape = tensor.get_shape().as_list()
    if any(dim is None for dim in shape):
        raise ValueError(f"the shape of {tensor.name} is not completely known: {shape}")
    return shape


def numel(tensor: tf.Tensor) -> int:
    """
    Return the number of elements of a tensor.

    :param tensor: tensor with a completely known shape
    :return: number of elements
    """
    return intprod(var_shape(tensor))


def intprod(tensor: Iterable[int]) -> int:
    """
    Multiply all numbers of a list.

    :param tensor: the numbers
    :return: their product, 1 for an empty list
    """
    return int(np.prod(list(tensor)))


def check_shape(tensors: Sequence[tf.Tensor], shapes: Sequence[Sequence[Optional[int]]]) -> None:
    """
    Verify that tensors have the given static shapes.

    :param tensors: the tensors
    :param shapes: their expected shapes
    :raises ValueError: at the first that differs
    """
    for index, (tensor, shape) in enumerate(zip(tensors, shapes)):
        if tensor.get_shape().as_list() != list(shape):
            raise ValueError(f"tensor {index} ({tensor.name}) has shape {tensor.get_shape().as_list()}, expected {list(shape)}")


def is_image(tensor: Union[tf.Tensor, np.ndarray]) -> bool:
    """
    Tell whether TensorBoard can show a tensor as images: grey, RGB or RGBD.

    :param tensor: the tensor
    :return: True for a shape (batch, height, width, 1, 3 or 4)
    """
    return len(tensor.shape) == 4 and int(tensor.shape[-1]) in (1, 3, 4)


def batch_to_seq(tensor_batch: tf.Tensor, n_batch: Optional[int], n_steps: int, flat: bool = False) -> List[tf.Tensor]:
    """
    Split a batch that holds all steps of one environment after the other into a sequence over time.

    :param tensor_batch: shape (n_envs * n_steps, ...)
    :param n_batch: number of environments; None leaves it open
    :param n_steps: number of steps
    :param flat: whether the tensor has one value per row
    :return: n_steps tensors of shape (n_envs, n_features), or (n_envs, 1) if flat
    """
    n_envs = -1 if n_batch is None else n_batch
    shape = [n_envs, n_steps] if flat else [n_envs, n_steps, intprod(tensor_batch.shape.as_list()[1:])]
    sequence = tf.split(axis=1, num_or_size_splits=n_steps, value=tf.reshape(tensor_batch, shape))
    return sequence if flat else [tf.squeeze(step, [1]) for step in sequence]


def seq_to_batch(tensor_sequence: Sequence[tf.Tensor], flat: bool = False) -> tf.Tensor:
    """
    Join a sequence over time into a batch with all steps of one environment after the other.

    :param tensor_sequence: n_steps tensors of shape (n_envs, n_features), or (n_envs,) if flat
    :param flat: whether the tensors have one value per environment
    :return: shape (n_envs * n_steps, n_features), or (n_envs * n_steps,) if flat
    """
    stacked = tf.stack(values=tensor_sequence, axis=1)
    return tf.reshape(stacked, [-1] if flat else [-1, int(tensor_sequence[0].shape[-1])])


# ================================================================
# Small formulas
# ================================================================

def sample(logits: tf.Tensor) -> tf.Tensor:
    """
    Sample from categorical distributions with the Gumbel-max trick, http://amid.fish/humble-gumbel

    :param logits: unnormalised log-probabilities, shape (n_batch, n_categories)
    :return: sampled categories, int64, shape (n_batch,)
    """
    uniform = tf.random_uniform(tf.shape(logits), dtype=logits.dtype, seed=next_op_seed())
    return tf.argmax(logits - tf.log(-tf.log(uniform)), axis=-1)


def calc_entropy(logits: tf.Tensor) -> tf.Tensor:
    """
    Compute the entropy of categorical distributions.

    :param logits: unnormalised log-probabilities, shape (n_batch, n_categories)
    :return: entropies in nats, shape (n_batch,)
    """
    shifted = logits - tf.reduce_max(logits, axis=-1, keepdims=True)
    exp = tf.exp(shifted)
    normaliser = tf.reduce_sum(exp, axis=-1, keepdims=True)
    return tf.reduce_sum(exp / normaliser * (tf.log(normaliser) - shifted), axis=-1)


def mse(pred: tf.Tensor, target: tf.Tensor) -> tf.Tensor:
    """
    Compute the mean squared error, with a factor of one half.

    :param pred: predictions
    :param target: targets, same shape
    :return: scalar
    """
    return tf.reduce_mean(tf.square(pred - target) / 2.)


def avg_norm(tensor: tf.Tensor) -> tf.Tensor:
    """
    Average the Euclidean norms of the rows.

    :param tensor: shape (n_batch, n)
    :return: scalar
    """
    return tf.reduce_mean(tf.sqrt(tf.reduce_sum(tf.square(tensor), axis=-1)))


def huber_loss(tensor: tf.Tensor, delta: float = 1.0) -> tf.Tensor:
    """
    Compute the Huber loss, https://en.wikipedia.org/wiki/Huber_loss: quadratic below delta, linear above.

    :param tensor: errors
    :param delta: where it becomes linear
    :return: losses, same shape
    """
    return tf.where(tf.abs(tensor) < delta, tf.square(tensor) * 0.5, delta * (tf.abs(tensor) - 0.5 * delta))


def q_explained_variance(q_pred: tf.Tensor, q_true: tf.Tensor) -> tf.Tensor:
    """
    Compute which fraction of the variance of Q values the predictions explain.

    :param q_pred: predictions
    :param q_true: targets, same shape
    :return: scalar, 1 for a perfect prediction
    """
    _, var_y = tf.nn.moments(q_true, axes=[0, 1])
    _, var_pred = tf.nn.moments(q_true - q_pred, axes=[0, 1])
    check_shape([var_y, var_pred], [[]] * 2)
    return 1.0 - (var_pred / var_y)


# ================================================================
# TensorBoard
# ================================================================

def scalar_summary(tag: str, value: float) -> tf.Summary:
    """
    Make a summary of one number.

    :param tag: its name in TensorBoard
    :param value: the number
    :return: for ``writer.add_summary``
    """
    return tf.Summary(value=[tf.Summary.Value(tag=tag, simple_value=value)])


def total_episode_reward_logger(rew_acc: np.ndarray, rewards: np.ndarray, masks: np.ndarray,
                                writer: Any, steps: int) -> np.ndarray:
    """
    Write the reward of every episode that ended to TensorBoard, as ``episode_reward``.

    :param rew_acc: reward so far of each running episode, shape (n_envs,); updated in place
    :param rewards: new rewards, shape (n_envs, n_steps)
    :param masks: True where a step begins a new episode, shape (n_envs, n_steps)
    :param writer: the writer
    :param steps: number of time steps before these
    :return: reward so far of each running episode, shape (n_envs,)
    """
    n_envs, n_steps = np.shape(rewards)
    ended = collections.defaultdict(list)  # time step -> rewards of the episodes that ended there
    for env in range(n_envs):
        for step in range(n_steps):
            if masks[env, step]:
                ended[steps + step * n_envs].append(rew_acc[env])
                rew_acc[env] = 0
            rew_acc[env] += rewards[env, step]
    for step in sorted(ended):
        for reward in ended[step]:
            writer.add_summary(scalar_summary("episode_reward", float(reward)), step)
    return rew_acc
