"""Returns and advantages: worked out by hand and against the original's numbers."""
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import group, load_arrays
from stable_baselines.common import returns, runners


def gae_by_definition(rewards, values, starts, last_value, last_done, gamma, lam):
    """Sum up (gamma * lam)^k * delta for one environment, as the paper writes it."""
    next_values, ends = np.append(values[1:], last_value), np.append(starts[1:], last_done)
    deltas = rewards + gamma * next_values * (1 - ends) - values
    advantages = np.zeros(len(rewards))
    for step in range(len(rewards)):
        weight = 1.
        for later in range(step, len(rewards)):
            advantages[step] += weight * deltas[later]
            if ends[later]:
                break
            weight *= gamma * lam
    return advantages


def test_gae_by_hand():
    # gamma = lam = 1/2; delta_1 = 1 + .5*4 - 2 = 1, delta_0 = 1 + .5*2 - 1 = 1; A_0 = 1 + .25 * 1
    advantages, targets = returns.gae(
        rewards=[[1.], [1.]], values=[[1.], [2.]], episode_starts=np.array([[True], [False]]), last_values=[4.],
        last_dones=[False], gamma=.5, lam=.5)
    np.testing.assert_allclose(advantages, [[1.25], [1.]])
    np.testing.assert_allclose(targets, [[2.25], [3.]])


def test_gae_stops_at_episode_ends():
    # environment 0 ends after its first step, environment 1 after its last: no value of what follows enters
    advantages, _ = returns.gae(
        rewards=[[1., 1.], [1., 1.]], values=np.zeros((2, 2)), episode_starts=np.array([[0, 0], [1, 0]], bool),
        last_values=[100., 100.], last_dones=[False, True], gamma=1., lam=1.)
    np.testing.assert_allclose(advantages, [[1., 2.], [101., 1.]])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10 ** 6), n_steps=st.integers(1, 12), n_envs=st.integers(1, 4),
       gamma=st.floats(0, 1), lam=st.floats(0, 1))
def test_gae_is_its_definition(seed, n_steps, n_envs, gamma, lam):
    rng = np.random.RandomState(seed)
    rewards, values = rng.randn(2, n_steps, n_envs)
    starts, last_values, last_dones = rng.rand(n_steps, n_envs) < .3, rng.randn(n_envs), rng.rand(n_envs) < .3
    advantages, targets = returns.gae(rewards, values, starts, last_values, last_dones, gamma, lam)
    for env in range(n_envs):
        expected = gae_by_definition(rewards[:, env], values[:, env], starts[:, env], last_values[env],
                                     last_dones[env], gamma, lam)
        np.testing.assert_allclose(advantages[:, env], expected, atol=1e-4)
    np.testing.assert_allclose(targets, advantages + values, atol=1e-5)


def test_gae_of_a_segment_against_the_original():
    arrays = load_arrays("gae_ppo1_trpo")
    batch, expected = group(arrays, "batch/"), group(arrays, "out/")
    advantages, targets = returns.gae(
        batch["rewards"][:, None], batch["vpred"][:, None], batch["episode_starts"][:, None],
        batch["nextvpred"][None], np.array([False]), gamma=.97, lam=.9)
    np.testing.assert_allclose(advantages[:, 0], expected["adv"], atol=2e-5)
    np.testing.assert_allclose(targets[:, 0], expected["tdlamret"], atol=2e-5)


def test_discount_with_dones():
    arrays = load_arrays("discount_with_dones")
    discounted = returns.discount_with_dones(arrays["batch/rewards"], arrays["batch/dones"], gamma=.97)
    np.testing.assert_allclose(discounted, arrays["out/discounted"], atol=1e-9, rtol=0)
    # two environments at once
    both = returns.discount_with_dones([[1, 1], [1, 1], [1, 1]], [[0, 0], [1, 0], [0, 0]], gamma=.5)
    np.testing.assert_array_equal(both, [[1.5, 1.75], [1, 1.5], [1, 1]])
    assert returns.discount_with_dones([], [], gamma=.5).shape == (0,)


def test_standardise():
    values = returns.standardise(np.array([1., 2., 3.]))
    np.testing.assert_allclose(values, np.array([-1, 0, 1]) * np.sqrt(1.5), rtol=1e-6)
    np.testing.assert_array_equal(returns.standardise(np.ones(4)), np.zeros(4))


@pytest.mark.parametrize("shape", [(), (2,), (2, 2)])
def test_swap_and_flatten(shape):
    # element (step, env) carries the number 10 * env + step
    arr = np.broadcast_to((10 * np.arange(3)[None] + np.arange(4)[:, None]).reshape((4, 3) + (1,) * len(shape)),
                          (4, 3) + shape)
    flat = runners.swap_and_flatten(arr)
    assert flat.shape == (12,) + shape and not np.shares_memory(flat, arr)
    np.testing.assert_array_equal(flat.reshape(12, -1)[:, 0], [0, 1, 2, 3, 10, 11, 12, 13, 20, 21, 22, 23])
    for single in (arr[:, :1], arr[:1]):  # nothing to move, but still a copy
        assert not np.shares_memory(runners.swap_and_flatten(single), single)


def test_one_environment_alone_has_the_returns_it_has_among_others():
    rng = np.random.RandomState(0)
    rewards, values = rng.normal(size=(2, 9, 3)).astype(np.float32)
    starts, last_values, last_dones = rng.rand(9, 3) < .3, rng.normal(size=3).astype(np.float32), np.arange(3) == 1
    together = returns.gae(rewards, values, starts, last_values, last_dones, 0.9, 0.8)
    for env in range(3):
        alone = returns.gae(*[array[..., env:env + 1] for array in (rewards, values, starts, last_values, last_dones)],
                            0.9, 0.8)
        for ours, theirs in zip(alone, together):
            assert ours.dtype == np.float32
            np.testing.assert_array_equal(ours, theirs[:, env:env + 1])
