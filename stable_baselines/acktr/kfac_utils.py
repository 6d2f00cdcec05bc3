"""Small pieces of K-FAC: products along one axis, eigenvalues shaped for a gradient, cleaning of eigenvalues."""
from typing import Optional, Tuple

import tensorflow.compat.v1 as tf


def gmatmul(tensor_a: tf.Tensor, tensor_b: tf.Tensor, transpose_a: bool = False, transpose_b: bool = False,
            reduce_dim: Optional[int] = None) -> tf.Tensor:
    """
    Multiply two matrices, or a matrix with one axis of a tensor.

    :param reduce_dim: the axis of the tensor; counted from the last one if the tensor stands on the left
    :return: the product; what replaces the axis takes its place
    :raises ValueError: without an axis or a matrix, or where the tensor should be transposed
    """
    ranks = tensor_a.shape.ndims, tensor_b.shape.ndims
    given = f"gmatmul of shapes {tensor_a.shape} and {tensor_b.shape}, reduce_dim={reduce_dim}"
    if reduce_dim is None or 2 not in ranks:
        raise ValueError(f"{given}: accepted is an axis and at least one matrix")
    if ranks == (2, 2):
        return tf.matmul(tensor_a, tensor_b, transpose_a=transpose_a, transpose_b=transpose_b)
    if (transpose_a and ranks[0] != 2) or (transpose_b and ranks[1] != 2):
        raise ValueError(f"{given}: accepted is to transpose the matrix only")
    if ranks[0] == 2:
        tensor, matrix, axis, matrix_axis = tensor_b, tensor_a, reduce_dim, 0 if transpose_a else 1
    else:
        tensor, matrix, axis, matrix_axis = tensor_a, tensor_b, ranks[0] - 1 - reduce_dim, 1 if transpose_b else 0
    product = tf.tensordot(tensor, matrix, [[axis], [matrix_axis]])  # puts the new axis last
    order = list(range(tensor.shape.ndims - 1))
    return tf.transpose(product, order[:axis] + [len(order)] + order[axis:])


def factor_reshape(eigen_vectors: tf.Tensor, eigen_values: tf.Tensor, grad: tf.Tensor, fac_idx: int = 0,
                   f_type: str = 'act') -> Tuple[tf.Tensor, tf.Tensor]:
    """
    Reshape the eigenvalues of a factor to broadcast along its axis of the gradient.

    :param grad: the gradient; its axis has length n
    :param fac_idx: the axis of an input-side factor
    :param f_type: 'act' for an input-side factor, 'grad' for an output-side factor, which has the last axis
    :return: the eigenvectors, and the eigenvalues with as many axes as the gradient
    :raises ValueError: if the kind is unknown, or the axis has another length
    """
    if f_type not in ('act', 'grad'):
        raise ValueError(f"f_type={f_type!r}: accepted is 'act' or 'grad'")
    axis = fac_idx if f_type == 'act' else grad.shape.ndims - 1
    if int(grad.shape[axis]) != int(eigen_vectors.shape[0]):
        raise ValueError(f"grad of shape {grad.shape}: accepted is a length of {eigen_vectors.shape[0]} of axis {axis}")
    shape = [1] * grad.shape.ndims
    shape[axis] = -1
    return eigen_vectors, tf.reshape(eigen_values, shape)


def clipout_neg(vec: tf.Tensor, threshold: float = 1e-6) -> tf.Tensor:
    """Zero all eigenvalues up to a threshold: rounding makes small ones arbitrary, even negative."""
    return tf.where(vec > threshold, vec, tf.zeros_like(vec))


def detect_min_val(input_mat: tf.Tensor, var: tf.Variable, threshold: float = 1e-6, name: str = '',
                   debug: bool = False) -> tf.Tensor:
    """
    Clean eigenvalues as ``clipout_neg`` does, and optionally report a negative one.

    :param input_mat: the eigenvalues
    :param var: the factor that they belong to, for the message
    :param name: a prefix of the message
    :param debug: whether to print the least eigenvalue when it is below minus the threshold
    """
    messages = []
    if debug:
        least = tf.reduce_min(input_mat)
        messages = [tf.cond(least < -threshold, lambda: tf.print(name, var.name, "has the eigenvalue", least),
                            tf.no_op)]
    with tf.control_dependencies(messages):
        return clipout_neg(input_mat, threshold)
