"""Small numerical helpers, against numbers worked out by hand."""
import subprocess
import sys
import warnings

import numpy as np
import pytest

from stable_baselines.common import math_util
from stable_baselines.common.gym_compat import spaces


def test_discount():
    np.testing.assert_allclose(math_util.discount(np.array([1., 2., 3.]), 0.5), [2.75, 3.5, 3.])
    np.testing.assert_allclose(math_util.discount(np.array([[1., 0.], [1., 2.]]), 0.1), [[1.1, .2], [1., 2.]])
    np.testing.assert_array_equal(math_util.discount(np.array([1., 2.]), 0.), [1., 2.])
    with pytest.raises(ValueError, match="scalar"):
        math_util.discount(np.float64(1.), 0.5)


def test_discount_with_boundaries():
    discounted = math_util.discount_with_boundaries(np.ones(4), np.array([True, False, True, False]), 0.5)
    np.testing.assert_allclose(discounted, [1.5, 1., 1.5, 1.])


def test_explained_variance():
    targets = np.array([1., 2., 3.])
    assert math_util.explained_variance(targets, targets) == 1.
    assert math_util.explained_variance(np.full(3, 2.), targets) == 0.
    assert math_util.explained_variance(-targets, targets) == -3.  # Var[2y] = 4 Var[y]
    assert np.isnan(math_util.explained_variance(targets, np.ones(3)))
    with pytest.raises(ValueError, match="two vectors"):
        math_util.explained_variance(targets[None], targets[None])


def test_explained_variance_2d():
    targets = np.array([[1., 5.], [2., 5.], [3., 5.]])
    np.testing.assert_allclose(math_util.explained_variance_2d(targets, targets), [1., 0.])
    with pytest.raises(ValueError, match="two matrices"):
        math_util.explained_variance_2d(targets[0], targets[0])


def test_flatten_and_unflatten():
    arrays = [np.arange(6).reshape(2, 3), np.array(7), np.arange(2)]
    flat = math_util.flatten_arrays(arrays)
    np.testing.assert_array_equal(flat, [0, 1, 2, 3, 4, 5, 7, 0, 1])
    for array, back in zip(arrays, math_util.unflatten_vector(flat, [(2, 3), (), (2,)])):
        np.testing.assert_array_equal(array, back)
    with pytest.raises(ValueError, match="9 elements"):
        math_util.unflatten_vector(flat, [(2, 3)])


def test_safe_mean():
    assert math_util.safe_mean([1, 3]) == 2
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(math_util.safe_mean([]))


def test_scale_action():
    space = spaces.Box(low=np.array([-2., 0.], np.float32), high=np.array([2., 10.], np.float32), dtype=np.float32)
    np.testing.assert_allclose(math_util.scale_action(space, np.array([2., 2.5])), [1., -.5])
    np.testing.assert_allclose(math_util.unscale_action(space, np.array([1., -.5])), [2., 2.5])


def test_importing_it_leaves_out_what_takes_long():
    program = "import sys; from stable_baselines.common import math_util; sys.exit('scipy.signal' in sys.modules)"
    assert subprocess.run([sys.executable, '-c', program]).returncode == 0
