"""ACER: replay memory, averages, replay and arguments."""
import numpy as np
import pytest

from helpers import SpacesEnv, make_cartpoles, make_env, record_calls, record_locals
from stable_baselines import ACER
from stable_baselines.acer.acer_simple import EpisodeStats
from stable_baselines.acer.buffer import Buffer
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.policies import FeedForwardPolicy
from stable_baselines.common.vec_env import DummyVecEnv, VecFrameStack

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
SMALL = dict(n_steps=4, buffer_size=40, replay_start=8, seed=0, n_cpu_tf_sess=1)


# ================================================================
# Replay memory
# ================================================================

def numbered_segment(number, n_envs=2, n_steps=5):
    """Return the arguments of ``put`` whose observations and actions tell segment, environment and step."""
    actions = number * 100 + np.arange(n_envs)[:, None] * 10 + np.arange(n_steps)
    obs = np.concatenate([actions, actions[:, -1:] + 1], axis=1)[..., None].astype(np.float32)
    flags = np.zeros((n_envs, n_steps + 1), bool)
    return obs, actions, actions * .5, np.full((n_envs, n_steps, 2), .5, np.float32), flags[:, 1:], flags


def make_buffer(n_segments=3, **kwargs):
    """Return a buffer for numbered segments."""
    return Buffer(make_env(BOX, spaces.Discrete(2), 2), n_steps=5, size=5 * n_segments + 4,
                  np_random=np.random.RandomState(0), **kwargs)


def test_buffer_counts_segments():
    buffer = make_buffer()
    assert not buffer.can_sample() and buffer.has_atleast(4)
    with pytest.raises(ValueError, match="empty"):
        buffer.get()
    held = []
    for number in range(5):
        buffer.put(*numbered_segment(number))
        held.append(max(frames for frames in range(40) if buffer.has_atleast(frames)) // 5)
    assert held == [1, 2, 3, 3, 3] and buffer.can_sample()
    with pytest.raises(ValueError, match="size=3 steps: accepted is at least one segment of 5"):
        Buffer(make_env(BOX, spaces.Discrete(2)), n_steps=5, size=3)


def test_buffer_replaces_the_oldest_and_mixes_environments():
    buffer = make_buffer()
    for number in range(5):
        buffer.put(*numbered_segment(number))
    seen = set()
    for _ in range(200):
        obs, actions, rewards, mus, dones, masks = buffer.get()
        numbers = actions[:, 0] // 100
        seen.add(tuple(numbers))
        for env, number in enumerate(numbers):  # whole segments, and every environment's own
            for got, expected in zip((obs, actions, rewards, mus, dones, masks), numbered_segment(number)):
                np.testing.assert_array_equal(got[env], expected[env])
    assert seen == {(first, second) for first in (2, 3, 4) for second in (2, 3, 4)}


def test_buffer_keeps_recurrent_states_and_types():
    buffer = make_buffer(1)
    obs, actions, rewards, mus, dones, masks = numbered_segment(0)
    states = np.random.RandomState(0).randn(2, 8).astype(np.float32)
    buffer.put(obs.astype(np.uint8), actions, rewards.astype(np.float32), mus, dones, masks, states)
    segment = buffer.sample()
    np.testing.assert_array_equal(segment.states, states)
    assert [array.dtype for array in segment[:6]] == [np.uint8, np.int64, np.float32, np.float32, bool, bool]


class ShortEpisodes(SpacesEnv):
    """Random images in episodes of random length, from one step on."""

    def __init__(self):
        super().__init__(spaces.Box(low=0, high=255, shape=(3, 3, 2), dtype=np.uint8), spaces.Discrete(2))
        self._random = np.random.RandomState(0)

    def step(self, action):
        obs, reward, _, info = super().step(action)
        return obs, reward, self._random.rand() < .3, info


@pytest.mark.parametrize("n_stack", [1, 2, 4])
def test_stacked_frames_are_stored_once(n_stack):
    model = ACER("MlpPolicy", VecFrameStack(DummyVecEnv([ShortEpisodes] * 3), n_stack), n_steps=6, seed=0)
    buffer = Buffer(model.env, n_steps=6, size=60)
    n_starts = 0
    for _ in range(10):  # the runner goes on in the middle of episodes
        segment = model.runner.run()
        frames = buffer.encode(segment.obs)
        assert frames.shape == ((3, 7, 3, 3, 2) if n_stack == 1 else (3, n_stack + 6, 3, 3, 2))
        assert frames.dtype == np.uint8
        np.testing.assert_array_equal(buffer.decode(frames, segment.episode_starts), segment.obs)
        n_starts += segment.episode_starts.sum()
    assert n_starts > 20


# ================================================================
# Training
# ================================================================

def test_averages_follow_the_parameters():
    model = ACER("MlpPolicy", make_cartpoles(2), alpha=.75, replay_ratio=0, lr_schedule="constant", **SMALL)

    def values():
        return list(model.get_parameters().values()), model.sess.run(model.averages)

    before, averages = values()
    for param, average in zip(before, averages):
        np.testing.assert_array_equal(average, param)
    model.learn(8)
    after, averages = values()
    assert any(not np.array_equal(old, new) for old, new in zip(before, after))
    for old, new, average in zip(before, after, averages):
        np.testing.assert_allclose(average, .75 * old + .25 * new, atol=1e-7)
    model.load_parameters(model.get_parameters())  # what is loaded has no history
    for new, average in zip(*values()):
        np.testing.assert_array_equal(average, new)


def test_replay():
    """After replay_start steps of each environment, every rollout is followed by updates with what is remembered."""
    model = ACER("MlpPolicy", make_cartpoles(2), replay_ratio=3, **SMALL)
    trained = record_calls(model, "_train_function")
    samples = [seen.get("samples_number") for seen in record_locals(model, 400, "samples_number")]
    draws = samples[::4][2:] + [None]  # of the rollout before; after 4 steps there is too little to replay
    assert samples[:8] == [None] * 4 + [0] * 4
    assert set(draws[:-1]) >= {1, 2, 3, 4, 5} and 2 < np.mean(draws[:-1]) < 4  # Poisson
    assert 50 + sum(draws[:-1]) <= len(trained) <= 50 + sum(draws[:-1]) + 15
    # segments of the two environments are combined anew
    assert len({tuple(batch.obs.ravel()) for (batch,), _ in trained}) > 50


def test_no_replay():
    model = ACER("MlpPolicy", make_cartpoles(2), **dict(SMALL, replay_ratio=0))
    trained = record_calls(model, "_train_function")
    assert record_locals(model, 80, "buffer") == [dict(buffer=None)] * 40
    assert len(trained) == 10


def test_the_learning_rate_does_not_become_negative():
    """The last rollout may go beyond total_timesteps, where the original's learning rate falls below zero."""
    model = ACER("MlpPolicy", make_cartpoles(2), **dict(SMALL, replay_ratio=0))
    trained = record_calls(model, "_train_function")
    model.learn(12)
    assert model.num_timesteps == 16
    assert [batch.learning_rate for (batch,), _ in trained] == [pytest.approx(7e-4 / 3), 0.]


def test_recurrent_states_are_those_of_the_segment():
    """The original trains every segment from the zero state, whatever state its actions were chosen in."""
    model = ACER("MlpLstmPolicy", make_cartpoles(2), policy_kwargs=dict(n_lstm=4), replay_ratio=2, **SMALL)
    feed_dict, trained = model._train_function.feed_dict, record_calls(model, "_train_function")
    seen = record_locals(model, 160, "states")
    starts = [np.zeros((2, 8), np.float32)] + [step["states"] for step in seen[3:-1:4]]
    used = [batch.states for (batch,), _ in trained]
    assert len(used) > len(starts)  # some are replayed
    for state in used:
        for env in range(2):
            assert any(np.array_equal(state[env], start[env]) for start in starts)
    assert sum(bool(state.any()) for state in used) > len(used) / 2
    feeds = feed_dict(trained[-1][0][0])  # the average policy sees the same
    for name in ("obs_ph", "dones_ph", "states_ph"):
        np.testing.assert_array_equal(*[[value for placeholder, value in feeds.items()
                                         if placeholder is getattr(policy, name)]
                                        for policy in (model.train_model, model.average_model)])

class NoQ(FeedForwardPolicy):
    """A policy as users write them for other algorithms: without Q."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, feature_extraction="mlp", **kwargs)
        self.q_value = None


@pytest.mark.parametrize("kwargs, message", [
    (dict(n_steps=0), "n_steps=0: accepted is a positive integer"),
    (dict(buffer_size=400.), "buffer_size=400.0: accepted is a positive integer"),
    (dict(replay_ratio=-1), "replay_ratio=-1: accepted is a number, 0 or more"),
    (dict(replay_ratio=np.nan), "replay_ratio=nan: accepted is a number, 0 or more"),
    (dict(policy=NoQ), "needs a policy that has q_value, which NoQ does not set")])
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ACER(**dict(dict(policy="MlpPolicy", env=make_cartpoles(1)), **kwargs))


def test_replay_that_never_begins():
    with pytest.warns(UserWarning, match="nothing will be replayed: replay_start=41 .* buffer_size=40 holds"):
        ACER("MlpPolicy", make_cartpoles(1), n_steps=1, buffer_size=40, replay_start=41)


def test_episode_stats():
    stats = EpisodeStats(n_steps=3, n_envs=2)
    assert (stats.mean_length(), stats.mean_reward()) == (0, 0)
    # environment 0 ends after its second step, environment 1 goes on
    stats.feed(np.array([[1., 2., 10.], [5., 5., 5.]]), np.array([[0, 1, 0], [0, 0, 0]]))
    assert (stats.mean_length(), stats.mean_reward()) == (2, 3)
    # they end after 1 + 1 and after 3 + 2 further steps; flat arrays will do as well
    stats.feed(np.array([20., 0, 0, 1., 1., 0.]), np.array([1, 0, 0, 0, 1, 0]))
    assert (stats.mean_length(), stats.mean_reward()) == ((2 + 2 + 5) / 3, (3 + 30 + 17) / 3)
    for _ in range(40):  # the last forty count
        stats.feed(np.full(6, 7.), np.array([1, 1, 1, 0, 0, 0]))
    assert (stats.mean_length(), stats.mean_reward()) == (1, 7)
