"""PPO1's losses, segments and parameters after 1, 2 and 10 updates: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, assert_parameters, build_model, group, load_arrays
from stable_baselines import PPO1
from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.returns import standardise
from stable_baselines.common.runners import traj_segment_generator
from stable_baselines.ppo1.pposgd_simple import Batch, Losses, policy_loss
from stable_baselines.trpo_mpi.utils import add_vtarg_and_adv

PPO1_CASES = sorted(name for name in CASES if name.startswith("ppo1_"))


def test_the_surrogate_by_hand():
    ratios = np.float32([2., 2., .5, .5, 1.1])
    with tf.Graph().as_default(), tf.Session() as sess:
        neglogp = tf.constant(-np.log(ratios))
        loss = policy_loss(neglogp, tf.zeros(5), tf.constant([1., -1., 1., -1., 3.]), tf.constant(.25))
        values = sess.run([loss, tf.gradients(loss, neglogp)[0]])
    # the smaller of ratio * A and clipped ratio * A: 1.25, -2, .5, -.75, 3.3
    np.testing.assert_allclose(values[0], -(1.25 - 2 + .5 - .75 + 3.3) / 5, rtol=1e-6)
    # no gradient where the clipped one counts
    np.testing.assert_allclose(values[1], np.array([0, -2, .5, 0, 3.3]) / 5, rtol=1e-5)


@pytest.mark.parametrize("name", PPO1_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    batch, atol = group(arrays, "batch/"), case["recommended_atol"]
    model = build_model(PPO1, case)
    model.load_parameters(group(arrays, "oldparam/"))
    model._update_old_policy()
    model.load_parameters(group(arrays, "param/"))

    fed = Batch(obs=batch["obs"], actions=batch["actions"], advantages=batch["atarg"], returns=batch["vtarg"],
                lrmult=batch["lrmult"])
    tolerances = dict(atol=atol["losses_and_derived"], rtol=atol["rtol"])
    trace = []
    for step in range(1, 11):
        trace.append(model._train_function(fed))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], atol["rtol"], case)
    for loss in Losses._fields:
        np.testing.assert_allclose(getattr(trace[0], loss), arrays["loss/" + loss], err_msg=loss, **tolerances)
    np.testing.assert_allclose(trace, arrays["loss10/all"], **tolerances)


class Script(Env):
    """Plays back the episodes of the case: observations are 100 for every episode before, and 1 for every step."""

    observation_space = spaces.Box(low=-1e4, high=1e4, shape=(1,), dtype=np.float32)
    action_space = spaces.Discrete(2)

    def __init__(self, batch):
        self.batch, self.n_episodes, self.n_steps = batch, -1, 0

    def observe(self):
        return np.float32([100 * self.n_episodes + self.n_in_episode])

    def reset(self):
        self.n_episodes, self.n_in_episode = self.n_episodes + 1, 0
        return self.observe()

    def step(self, action):
        assert action == self.observe()[0] % 2
        self.n_steps, self.n_in_episode = self.n_steps + 1, self.n_in_episode + 1
        done = self.n_in_episode == self.batch["episode_lengths"][self.n_episodes]
        return self.observe(), float(self.batch["rewards"][self.n_steps - 1]), done, {}


class Parity:
    """A policy whose actions and values follow from the observation."""

    initial_state = None

    def step(self, obs, state=None, mask=None, deterministic=False):
        return (obs[:, 0] % 2).astype(np.int64), self.value(obs), None, np.zeros(len(obs))

    def value(self, obs, state=None, mask=None):
        return obs[:, 0] / 64


def test_segments():
    arrays = load_arrays("segment_generator")
    segments = traj_segment_generator(Parity(), Script(group(arrays, "batch/")), 8)
    for index in range(2):
        segment, expected = next(segments), group(arrays, f"out/segment{index}_")
        assert segment["continue_training"] is True
        for name, value in expected.items():
            np.testing.assert_allclose(segment[name], value, atol=1e-6, err_msg=name)
            assert np.shape(segment[name]) == value.shape
            if value.ndim and value.dtype.kind != "f":
                assert np.asarray(segment[name]).dtype == value.dtype, name
        np.testing.assert_array_equal(segment["true_rewards"], segment["rewards"])


def test_advantages_of_a_segment():
    arrays = load_arrays("gae_ppo1_trpo")
    segment, expected = group(arrays, "batch/"), group(arrays, "out/")
    add_vtarg_and_adv(segment, gamma=.97, lam=.9)
    for name in ("adv", "tdlamret"):
        np.testing.assert_allclose(segment[name], expected[name], atol=2e-5, err_msg=name)


def test_advantages_that_are_all_equal_are_no_reason_to_fail():
    """Stable Baselines 2.10 divides by their standard deviation, zero."""
    np.testing.assert_array_equal(standardise(np.full(4, 3.)), np.zeros(4))
