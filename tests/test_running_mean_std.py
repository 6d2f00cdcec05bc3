"""Running mean and variance."""
import numpy as np
import pytest

from helpers import load_arrays
from stable_baselines.common.running_mean_std import RunningMeanStd


def test_recorded_case():
    arrays = load_arrays('running_mean_std')
    stats = RunningMeanStd(shape=(3,))
    for step in range(4):
        stats.update(arrays[f'batch/{step}'])
        np.testing.assert_allclose(stats.mean, arrays[f'out/mean{step}'], rtol=0, atol=1e-9)
        np.testing.assert_allclose(stats.var, arrays[f'out/var{step}'], rtol=0, atol=1e-9)
        np.testing.assert_allclose(stats.count, arrays[f'out/count{step}'], rtol=0, atol=1e-9)


@pytest.mark.parametrize('shape, dtype', [((), np.float64), ((3,), np.float32), ((2, 2), np.uint8), ((2,), np.float16)])
def test_batches_equal_the_whole(shape, dtype):
    data = np.random.RandomState(0).uniform(0, 200, (20,) + shape).astype(dtype)
    stats = RunningMeanStd(epsilon=0., shape=shape)
    for start, end in ((0, 1), (1, 8), (8, 20)):
        stats.update(data[start:end])
    exact = data.astype(np.float64)
    np.testing.assert_allclose(stats.mean, exact.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(stats.var, exact.var(axis=0), rtol=1e-6)
    assert stats.count == 20
    assert np.asarray(stats.mean).dtype == np.float64


def test_start_values_weigh_epsilon():
    stats = RunningMeanStd(epsilon=2.)
    assert (stats.mean, stats.var, stats.count) == (0., 1., 2.)
    stats.update(np.array([3., 3.]))
    # two samples 0 with variance 1, and two samples 3: mean 1.5, variance (1 + 0) / 2 + 1.5^2
    assert (stats.mean, stats.var, stats.count) == (1.5, 2.75, 4.)


def test_update_does_not_touch_earlier_results_or_its_input():
    stats = RunningMeanStd(shape=(2,))
    mean, batch = stats.mean, np.ones((3, 2))
    stats.update(batch)
    assert np.all(mean == 0) and np.all(batch == 1) and np.all(stats.mean > 0.9)


def test_update_from_moments():
    stats = RunningMeanStd(epsilon=0., shape=())
    stats.update_from_moments(1., 4., 3)
    stats.update_from_moments(5., 0., 1)
    assert stats.mean == 2. and stats.var == 3 * 4 / 4 + 3 * 1 / 16 * 16 and stats.count == 4
