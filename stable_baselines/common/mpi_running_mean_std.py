"""Running mean and standard deviation in a graph, over the samples of all processes of an MPI job."""
from typing import Any, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import mpi_util, tf_util


class RunningMeanStd:
    """
    Keep mean and standard deviation of all samples so far, in float64 variables of the current scope.

    ``mean`` and ``std`` are float32 tensors of the shape of a sample. The standard deviation is at least 0.1.
    ``variables`` are sum, sum of squares and number of the samples.

    :param epsilon: weight, in samples, of the initial values (mean 0, mean square 1)
    :param shape: shape of one sample
    :param sess: the session of ``update``; None means the default session
    :param comm: the communicator; None means that of all processes
    """

    def __init__(self, epsilon: float = 1e-2, shape: Tuple[int, ...] = (), sess: Optional[tf.Session] = None,
                 comm: Any = None):
        self.shape, self._comm = tuple(shape), comm
        self.variables = self._sum, self._sumsq, self._count = tuple(
            tf.get_variable(name, var_shape, tf.float64, tf.constant_initializer(value), trainable=False)
            for name, var_shape, value in (("runningsum", self.shape, 0.), ("runningsumsq", self.shape, epsilon),
                                           ("count", (), epsilon)))
        self.mean, self.std = self.moments()
        data_ph = tf.placeholder(tf.float64, (None,) + self.shape)
        self._update = tf_util.function([data_ph], [], updates=[self.build_update(data_ph)], session=sess)

    def moments(self) -> Tuple[tf.Tensor, tf.Tensor]:
        """Read the variables: mean and standard deviation at this place among the control dependencies."""
        count = tf.convert_to_tensor(self._count)
        mean = self._sum / count
        # as Stable Baselines 2.10: the variance is at least a hundredth
        std = tf.sqrt(tf.maximum(self._sumsq / count - tf.square(mean), 1e-2))
        return tf.cast(mean, tf.float32), tf.cast(std, tf.float32)

    def build_update(self, data: tf.Tensor) -> tf.Operation:
        """
        Build the addition of samples, those of all processes.

        :param data: shape (n_samples,) + shape
        """
        data = tf.cast(data, tf.float64)
        local = [tf.reduce_sum(data, axis=0), tf.reduce_sum(tf.square(data), axis=0),
                 tf.cast(tf.shape(data)[0], tf.float64)]
        return tf.group(*[tf.assign_add(variable, total) for variable, total in zip(
            (self._sum, self._sumsq, self._count), tf_util.sum_over_processes(local, self._comm))])

    def update(self, data: np.ndarray) -> None:
        """
        Add samples, those of all processes.

        :param data: shape (n_samples,) + shape
        """
        self._update(data)


@tf_util.in_session
def test_dist() -> None:
    """Check in three processes, started by ``mpirun -np 3``, or in one, that the moments are those of all samples."""
    rng = np.random.RandomState(0)  # the same everywhere
    rank, size = mpi_util.world().Get_rank(), mpi_util.world().Get_size()
    batches = rng.randn(4, size, 5, 2)
    with tf.variable_scope("test_dist"):
        stats = RunningMeanStd(epsilon=0., shape=(2,))
    tf_util.initialize()
    for batch in batches:
        stats.update(batch[rank])
    samples = batches.reshape(-1, 2)
    for ours, numpys in zip(tf.get_default_session().run([stats.mean, stats.std]), (samples.mean(0), samples.std(0))):
        np.testing.assert_allclose(ours, numpys, rtol=1e-5)
