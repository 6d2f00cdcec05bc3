"""Eigendecompositions of the Kronecker factors, and products with their damped inverse."""
from typing import Optional, Tuple

import scipy.linalg
import tensorflow.compat.v1 as tf

from stable_baselines.acktr.kfac_utils import detect_min_val, factor_reshape, gmatmul

Basis = Tuple[tf.Tensor, tf.Tensor]  # eigenvalues (n,) and eigenvectors (n, n), one in each column

# TensorFlow 1.15 takes five times as long as LAPACK's divide and conquer (size 1024); 2.x has a solver as fast.
_SOLVER_IS_SLOW = tf.__version__.startswith('1.')
_LARGE = 256


def decompose(variable: tf.Variable, float64: bool = False, in_background: bool = False, debug: bool = False) -> Basis:
    """
    Decompose a factor.

    :param variable: the factor, symmetric, shape (n, n)
    :param float64: whether to calculate in double precision
    :param in_background: whether Python must run meanwhile: SciPy's LAPACK blocks it
    :param debug: whether to print negative eigenvalues
    :return: eigenvalues, those near or below zero replaced by zero, and eigenvectors
    """
    matrix = variable.read_value()
    given = tf.cast(matrix, tf.float64) if float64 else matrix
    if not _SOLVER_IS_SLOW or in_background or int(matrix.shape[0]) < _LARGE:
        eigenvalues, eigenvectors = tf.linalg.eigh(given)
    else:
        eigenvalues, eigenvectors = tf.numpy_function(
            lambda array: scipy.linalg.eigh(array, driver='evd'), [given], [given.dtype, given.dtype])
    eigenvalues = detect_min_val(tf.cast(eigenvalues, matrix.dtype), variable, name='K-FAC', debug=debug)
    return eigenvalues, tf.cast(eigenvectors, matrix.dtype)


def solve(gradient: tf.Tensor, input_basis: Optional[Basis], output_basis: Basis, damping: float,
          factored: bool = False) -> tf.Tensor:
    r"""
    Solve :math:`(A \otimes G + \epsilon I) U = V`, https://arxiv.org/abs/1503.05671, section 4.2 and appendix B.

    .. math:: U = Q_A \left( \frac{Q_A^T V Q_G}{\lambda_A \lambda_G^T + \epsilon} \right) Q_G^T

    :param gradient: V, shape (inputs, outputs)
    :param input_basis: eigenvalues and eigenvectors of A; None means that A is 1
    :param output_basis: eigenvalues and eigenvectors of G
    :param damping: epsilon
    :param factored: whether to damp both factors instead of their product, see ``damp_factors``
    :return: U, shape (inputs, outputs)
    """
    output_vectors, output_values = factor_reshape(output_basis[1], output_basis[0], gradient, f_type='grad')
    rotated = gmatmul(gradient, output_vectors, reduce_dim=0)
    if input_basis is None:
        return gmatmul(rotated / (output_values + damping), output_vectors, transpose_b=True, reduce_dim=0)
    input_vectors, input_values = factor_reshape(input_basis[1], input_basis[0], gradient)
    if factored:
        input_values, output_values = damp_factors(input_values, output_values, damping)
        damping = 0.
    rotated = gmatmul(input_vectors, rotated, transpose_a=True, reduce_dim=0) / (input_values * output_values + damping)
    return gmatmul(input_vectors, gmatmul(rotated, output_vectors, transpose_b=True, reduce_dim=0), reduce_dim=0)


def damp_factors(input_values: tf.Tensor, output_values: tf.Tensor, damping: float) -> Basis:
    r"""
    Damp each factor on its own, https://arxiv.org/abs/1503.05671, section 6.3.

    .. math:: \lambda_A + \pi \sqrt{\epsilon}, \quad \lambda_G + \sqrt{\epsilon} / \pi, \qquad
        \pi^2 = \frac{tr(A) / dim(A)}{tr(G) / dim(G)}
    """
    means = [tf.maximum(tf.reduce_mean(values), 1e-30) for values in (input_values, output_values)]
    pi = tf.sqrt(means[0] / means[1])
    return input_values + pi * damping ** 0.5, output_values + damping ** 0.5 / pi
