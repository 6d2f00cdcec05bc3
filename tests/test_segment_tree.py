"""The trees against plain arrays, and against the original's numbers."""
import functools

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from helpers import load_arrays
from stable_baselines.common import segment_tree
from stable_baselines.common.segment_tree import MinSegmentTree, SegmentTree, SumSegmentTree, unique

SIZES = st.integers(1, 300)
SEEDS = st.integers(0, 10 ** 6)


@pytest.fixture(autouse=True, scope="module")
def small_levels():
    """Let small trees have several levels: 300 entries have five, of blocks of four."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(segment_tree, "WIDTH", 4)
        patch.setattr(segment_tree, "TOP", 2)
        yield


def filled(tree_class, values):
    tree = tree_class(len(values))
    tree[np.arange(len(values))] = values
    return tree


def test_sums_and_minima_by_hand():
    values = [3., 1., 4., 1., 5., 9., 2., 6.]
    sums, minima = filled(SumSegmentTree, values), filled(MinSegmentTree, values)
    assert (sums.sum(), sums.sum(2, 5), sums.sum(3), sums.sum(2, -1), sums.sum(4, 4)) == (31., 10., 23., 21., 0.)
    assert (minima.min(), minima.min(4), minima.min(4, 6), minima.min(0, 0)) == (1., 2., 5., np.inf)
    sums[5], minima[np.array([1, 3])] = 0., [7., 8.]
    assert (sums.sum(), sums[5], minima.min(), minima.min(0, 1)) == (22., 0., 2., 3.)
    assert sums[np.array([0, 7])].tolist() == [3., 6.]


def test_prefix_sums_by_hand():
    # running sums: 1, 3, 3, 6; a value on a border belongs to what begins there
    tree = filled(SumSegmentTree, [1., 2., 0., 3.])
    assert tree.find_prefixsum_idx(np.array([0., .5, 1., 2.9, 3., 5.9, 6.])).tolist() == [0, 0, 1, 1, 3, 3, 3]
    assert tree.find_prefixsum_idx(1.5).tolist() == [1]  # as Stable Baselines 2.10: an array even for a number


def test_prefix_sums_of_the_original():
    # it draws from all but the last of the 7 items, which is the fault that the buffer does not have
    arrays = load_arrays("prioritized_replay")
    leaves = np.ones(10)
    leaves[7:] = 0
    leaves[arrays["batch/idx_a"]] = arrays["batch/priorities_a"] ** .6
    tree = filled(SumSegmentTree, leaves)
    mass = np.random.RandomState(11).random_sample(16) * tree.sum(0, 6)
    np.testing.assert_array_equal(tree.find_prefixsum_idx(mass), arrays["out/a_idxes"])
    tree[np.arange(10)] = arrays["out/leaf_priorities"]
    assert tree.sum() == pytest.approx(arrays["out/total"], abs=1e-9)
    mass = np.random.RandomState(12).random_sample(16) * tree.sum(0, 9)
    np.testing.assert_array_equal(tree.find_prefixsum_idx(mass), arrays["out/b_idxes"])


@settings(deadline=None)
@given(size=SIZES, seed=SEEDS)
@example(size=1, seed=0)
def test_tree_is_its_array(size, seed):
    rng = np.random.RandomState(seed)
    values = rng.rand(size) * (rng.rand(size) < .7)
    sums, minima = filled(SumSegmentTree, values), filled(MinSegmentTree, values)
    for _ in range(5):
        idx = rng.randint(size, size=rng.randint(1, 9))
        values[idx] = new = rng.rand(len(idx))  # of an index that occurs twice the last value counts
        sums[idx] = minima[idx] = new
        one = int(rng.randint(size))
        values[one] = sums[one] = minima[one] = rng.rand()
        start, end = np.sort(rng.randint(size + 1, size=2))
        assert sums.sum(start, end) == pytest.approx(values[start:end].sum(), abs=1e-9)
        assert minima.min(start, end) == np.min(values[start:end], initial=np.inf)
    np.testing.assert_array_equal(sums[np.arange(size)], values)
    assert sums.sum() == pytest.approx(values.sum()) and minima.min() == values.min()
    mass = rng.rand(20) * values.sum()
    np.testing.assert_array_equal(sums.find_prefixsum_idx(mass), np.searchsorted(values.cumsum(), mass, side="right"))


@pytest.mark.parametrize("operation, expected", [(max, 8.), (np.maximum, 8.), (lambda a, b: a, None)])
def test_operation_of_ones_own(operation, expected):
    tree = SegmentTree(70, operation, -np.inf)
    values = np.arange(70.) % 9
    tree[np.arange(70)] = values
    assert tree.reduce() == functools.reduce(operation, values, -np.inf)
    if expected is not None:
        assert tree.reduce() == expected and tree.reduce(9, 12) == 2.


def test_rounding_does_not_lead_out_of_the_array():
    for values in ([.1] * 10, [1e16] + [1.] * 50, [.3] * 99):
        tree = filled(SumSegmentTree, values)
        idx = tree.find_prefixsum_idx(np.nextafter(tree.sum(), [0., np.inf]))
        assert (0 <= idx).all() and (idx < len(values)).all()


def test_full_size_has_three_levels(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(segment_tree, "WIDTH", 32)
    monkeypatch.setattr(segment_tree, "TOP", 2048)
    tree = SumSegmentTree(10 ** 6)
    assert tree.nbytes == 8 * (31250 * 32 + 977 * 32 + 977)
    tree[np.array([0, 777777, 10 ** 6 - 1])] = [1., 2., 3.]
    assert tree.sum() == 6. and tree.sum(1, -1) == 2.
    assert tree.find_prefixsum_idx(np.array([.5, 1., 2.9, 3., 5.9])).tolist() == [0, 777777, 777777, 999999, 999999]


def test_unique():
    assert unique(np.array([1, 1, 2, 4, 4])).tolist() == [1, 2, 4]
    assert unique(np.array([3])).tolist() == [3]
    assert unique(np.array([])).tolist() == []


def test_refusals():
    tree = filled(SumSegmentTree, [1., 2., 3.])
    for capacity in (0, -4):
        with pytest.raises(ValueError, match=f"capacity={capacity}: accepted is a positive integer"):
            SumSegmentTree(capacity)
    for idx in (3, -1, np.array([0, 3]), np.array([-1]), [0, 3]):
        with pytest.raises(IndexError, match="accepted is from 0 to 2"):
            tree[idx]
        with pytest.raises(IndexError, match="accepted is from 0 to 2"):
            tree[idx] = 9.
    for start, end in ((2, 1), (-1, 2), (0, 4), (0, -4)):
        with pytest.raises(ValueError, match=f"start={start}, end={end}: accepted is a range within 0 to 3"):
            tree.sum(start, end)
    for mass in (-.1, 6.1, np.nan, np.array([1., 7.])):
        with pytest.raises(ValueError, match="accepted is from 0 to the sum, 6.0"):
            tree.find_prefixsum_idx(mass)
    assert tree.sum() == 6.
