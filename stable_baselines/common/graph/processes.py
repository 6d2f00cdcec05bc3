"""Exchange of tensors between the processes of an MPI job."""
from typing import Any, List, Sequence

import numpy as np
import tensorflow.compat.v1 as tf

from stable_baselines.common import mpi_util
from stable_baselines.common.graph.tensors import numel, var_shape


def sum_over_processes(tensors: Sequence[tf.Tensor], comm: Any = None) -> List[tf.Tensor]:
    """
    Sum tensors over the processes of an MPI job, in one exchange that happens while the graph runs.

    Every process has to make its exchanges in the same order: where a graph has several, control dependencies must say
    which.

    :param tensors: of one type, with completely known shapes
    :param comm: the communicator; None means that of all processes
    :return: the sums, same shapes; of a single process the tensors themselves, at no cost
    """
    comm = mpi_util.world() if comm is None else comm
    if comm.Get_size() == 1:
        return list(tensors)

    def _allreduce(local: np.ndarray) -> np.ndarray:
        total = np.empty_like(local)
        comm.Allreduce(local, total)
        return total

    flat = tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], axis=0)
    summed = tf.reshape(tf.numpy_function(_allreduce, [flat], flat.dtype), flat.shape)
    pieces = tf.split(summed, [numel(tensor) for tensor in tensors])
    return [tf.reshape(piece, var_shape(tensor)) for piece, tensor in zip(pieces, tensors)]
