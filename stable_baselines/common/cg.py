"""Linear equations with a matrix that is only known by its products with vectors."""
from typing import Callable, Optional

import numpy as np


def conjugate_gradient(f_ax: Callable[[np.ndarray], np.ndarray], b_vec: np.ndarray, cg_iters: int = 10,
                       callback: Optional[Callable[[np.ndarray], None]] = None, verbose: bool = False,
                       residual_tol: float = 1e-10) -> np.ndarray:
    r"""
    Solve :math:`A x = b` by conjugate gradients, beginning with zero.

    http://www.cs.cmu.edu/~quake-papers/painless-conjugate-gradient.pdf (section B2)

    :param f_ax: returns the product of A, symmetric and positive definite, with a vector
    :param b_vec: b, shape (n,)
    :param cg_iters: number of iterations at most; as many as A has different eigenvalues are exact
    :param callback: called with the solution so far before each iteration, and at the end
    :param verbose: whether to print a table of the norms of residual and solution
    :param residual_tol: stop when the squared norm of the residual is below it
    :return: x, shape (n,)
    """
    def show(iteration: int) -> None:
        if callback is not None:
            callback(solution)
        if verbose:
            print(f"{iteration:10d} {np.linalg.norm(residual):10.3g} {np.linalg.norm(solution):10.3g}")

    if verbose:
        print(f"{'iteration':>10} {'residual':>10} {'solution':>10}")
    solution, residual, direction = np.zeros_like(b_vec), b_vec, b_vec
    squared_norm = residual.dot(residual)
    for iteration in range(cg_iters):
        show(iteration)
        if squared_norm < residual_tol:
            return solution
        image = f_ax(direction)
        step_size = squared_norm / direction.dot(image)
        # not in place: what the callback got stays as it is
        solution = solution + step_size * direction
        residual = residual - step_size * image
        previous, squared_norm = squared_norm, residual.dot(residual)
        direction = residual + squared_norm / previous * direction
    show(cg_iters)
    return solution
