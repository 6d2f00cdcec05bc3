"""Adam, https://arxiv.org/abs/1412.6980, with the gradients of all processes of an MPI job."""
from typing import Any, Callable, Optional, Sequence, Union

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import mpi_util, tf_util


class MpiAdam:
    """
    Adam on the sum, or the mean, of the gradients of all processes.

    ``build_step`` is part of a graph: with one process it is TensorFlow's own Adam and costs no more. ``update`` takes
    a gradient from NumPy.

    :param var_list: the variables to change
    :param beta1: decay rate of the average of the gradients
    :param beta2: decay rate of the average of their squares
    :param epsilon: added to the root of the latter; avoids dividing by zero
    :param scale_grad_by_procs: whether to average the gradients; otherwise they are summed
    :param comm: the communicator; None means that of all processes
    :param sess: the session of ``update``, ``sync`` and ``check_synced``; None means the default session
    """

    def __init__(self, var_list: Sequence[tf.Variable], *, beta1: float = 0.9, beta2: float = 0.999,
                 epsilon: float = 1e-08, scale_grad_by_procs: bool = True, comm: Optional[Any] = None,
                 sess: Optional[tf.Session] = None):
        self.var_list = list(var_list)
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.scale_grad_by_procs = scale_grad_by_procs
        self.comm = mpi_util.world() if comm is None else comm
        self.setfromflat = tf_util.SetFromFlat(self.var_list, sess=sess)
        self.getflat = tf_util.GetFlat(self.var_list, sess=sess)
        self._sess = sess
        self._update: Optional[Callable] = None
        self._shared: Optional[tf_util.SharedVariables] = None

    def build_step(self, grads: Sequence[tf.Tensor], learning_rate: Union[float, tf.Tensor]) -> tf.Operation:
        """
        Build one step, which waits until the gradients of all processes are known.

        :param grads: this process's gradients by the variables, in their order
        :param learning_rate: step size
        """
        return self._step(tf_util.Adam(learning_rate, self.beta1, self.beta2, self.epsilon), grads)

    def _step(self, optimizer: tf.train.Optimizer, grads: Sequence[tf.Tensor]) -> tf.Operation:
        grads = tf_util.sum_over_processes(grads, self.comm)
        n_processes = self.comm.Get_size()
        if self.scale_grad_by_procs and n_processes > 1:
            grads = [grad / n_processes for grad in grads]
        return tf_util.apply_gradients(optimizer, grads, self.var_list)

    def update(self, local_grad: np.ndarray, learning_rate: float) -> None:
        """
        Take one step.

        :param local_grad: this process's gradient by all variables, as one vector
        :param learning_rate: step size
        """
        if self._update is None:
            self._update = self._build_update()
        self._update(local_grad, learning_rate)

    def _build_update(self) -> Callable:
        """Build a step with a gradient from NumPy; the averages begin with zeros."""
        sess = self._sess or tf.get_default_session()
        with sess.graph.as_default():
            sizes = [tf_util.numel(var) for var in self.var_list]
            grad_ph, learning_rate_ph = tf.placeholder(tf.float32, [sum(sizes)]), tf.placeholder(tf.float32, [])
            optimizer = tf_util.Adam(learning_rate_ph, self.beta1, self.beta2, self.epsilon)
            grads = [tf.reshape(grad, var.shape) for grad, var in zip(tf.split(grad_ph, sizes), self.var_list)]
            step_op = self._step(optimizer, grads)
            sess.run(tf.variables_initializer(optimizer.variables()))
            return tf_util.function([grad_ph, learning_rate_ph], [], updates=[step_op], session=sess)

    def sync(self) -> None:
        """Give the variables the values that they have in the first process."""
        self._shared_variables().share()

    def _shared_variables(self) -> tf_util.SharedVariables:
        if self._shared is None:
            self._shared = tf_util.SharedVariables(self.var_list, self._sess or tf.get_default_session(), self.comm)
        return self._shared

    def check_synced(self) -> None:
        """
        Check that the variables are the same in all processes.

        :raises RuntimeError: in all processes, naming those that differ from the first
        """
        self._shared_variables().check()


@tf_util.in_session
def test_mpi_adam() -> None:
    """Check, with any number of processes, that steps on equal gradients are those of TensorFlow's own Adam."""
    start = np.array([[1., -2.], [3., .5]], np.float32)
    ours, theirs = [tf.get_variable(f"test_mpi_adam_{name}", initializer=start) for name in ("ours", "theirs")]
    adam = MpiAdam([ours])
    gradient = tf_util.function([], tf_util.flatgrad(tf.reduce_sum(tf.square(ours)), [ours]))
    train_op = tf.train.AdamOptimizer(.1).minimize(tf.reduce_sum(tf.square(theirs)))
    tf_util.initialize()
    adam.sync()
    for _ in range(10):
        adam.update(gradient(), .1)
        tf.get_default_session().run(train_op)
    adam.check_synced()
    values = tf.get_default_session().run([ours, theirs])
    np.testing.assert_allclose(values[0], values[1], rtol=1e-5)
