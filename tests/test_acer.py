"""ACER: replay memory, averages, replay, arguments, policies and spaces, reports, and that it learns."""
import numpy as np
import pytest

from helpers import BrightSide, HiddenVelocities, SpacesEnv, make_cartpoles, make_env, mean_reward
from stable_baselines import ACER, logger
from stable_baselines.acer.acer_simple import EpisodeStats
from stable_baselines.acer.buffer import Buffer
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.identity_env import IdentityEnv
from stable_baselines.common.policies import FeedForwardPolicy
from stable_baselines.common.vec_env import DummyVecEnv, VecFrameStack

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
IMAGE = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8)
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
    with pytest.raises(ValueError, match=r"\(3 steps\) must be at least one segment of 5"):
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
        super().__init__(spaces.Box(low=0, high=255, shape=(3, 3, 2), dtype=np.uint8),
                                            spaces.Discrete(2))
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
        np.testing.assert_array_equal(buffer.decode(frames, segment.masks), segment.obs)
        n_starts += segment.masks.sum()
    assert n_starts > 20


# ================================================================
# Training
# ================================================================

def spy_on(model):
    """Record what the training function is fed."""
    fed = []
    train = model._train_function
    model._train_function = lambda *feeds: fed.append([np.array(feed) for feed in feeds]) or train(*feeds)
    return fed


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
    fed, samples = spy_on(model), []
    model.learn(400, callback=lambda locals_, _: samples.append(locals_.get("samples_number")) is None)
    draws = samples[::4][2:] + [None]  # of the rollout before; after 4 steps there is too little to replay
    assert samples[:8] == [None] * 8 and samples[8] is not None
    assert set(draws[:-1]) >= {1, 2, 3, 4, 5} and 2 < np.mean(draws[:-1]) < 4  # Poisson
    rows = [tuple(feeds[5].ravel()) for feeds in fed]
    assert 50 + sum(draws[:-1]) <= len(fed) <= 50 + sum(draws[:-1]) + 15
    assert len(set(rows)) > 50  # segments of the two environments are combined anew


def test_no_replay():
    model = ACER("MlpPolicy", make_cartpoles(2), **dict(SMALL, replay_ratio=0))
    fed, buffers = spy_on(model), []
    model.learn(80, callback=lambda locals_, _: buffers.append(locals_["buffer"]) is None)
    assert len(fed) == 10 and set(buffers) == {None}


@pytest.mark.parametrize("schedule, expected", [
    ("constant", [1, 1, 1, 1]), ("linear", [.75, .5, .25, 0]), ("double_linear_con", [.5, .125, .125, .125]),
    ("middle_drop", [.75, .075, .075, .075]), ("double_middle_drop", [.75, .075, .075, .125])])
def test_learning_rate_schedules(schedule, expected):
    model = ACER("MlpPolicy", make_cartpoles(2), learning_rate=1e-2, lr_schedule=schedule,
                 **dict(SMALL, replay_ratio=0))
    fed = spy_on(model)
    for _ in range(2):  # each training begins the schedule anew
        model.learn(32)
    np.testing.assert_allclose([feeds[4] for feeds in fed], np.tile(expected, 2) * 1e-2, atol=1e-9)


def test_the_learning_rate_does_not_become_negative():
    """The last rollout may go beyond total_timesteps, where the original's learning rate falls below zero."""
    model = ACER("MlpPolicy", make_cartpoles(2), **dict(SMALL, replay_ratio=0))
    fed = spy_on(model)
    model.learn(12)
    assert model.num_timesteps == 16 and [float(feeds[4]) for feeds in fed] == [pytest.approx(7e-4 / 3), 0.]


def test_recurrent_states_are_those_of_the_segment():
    """The original trains every segment from the zero state, whatever state its actions were chosen in."""
    model = ACER("MlpLstmPolicy", make_cartpoles(2), policy_kwargs=dict(n_lstm=4), replay_ratio=2, **SMALL)
    fed, states = spy_on(model), []
    model.learn(160, callback=lambda locals_, _: states.append(locals_["states"].copy()) is None)
    starts = [np.zeros((2, 8), np.float32)] + states[3:-1:4]
    used = [feeds[7] for feeds in fed]
    assert len(used) > len(starts)  # some are replayed
    for state in used:
        for env in range(2):
            assert any(np.array_equal(state[env], start[env]) for start in starts)
    assert sum(bool(state.any()) for state in used) > len(used) / 2
    for feeds in fed:  # the average policy sees the same
        for ours, average in zip(feeds[5:8], feeds[8:]):
            np.testing.assert_array_equal(ours, average)


def test_recurrent_policy_with_another_number_of_environments(tmp_path):
    model = ACER("MlpLstmPolicy", make_cartpoles(2), policy_kwargs=dict(n_lstm=4), **SMALL)
    model.learn(32)
    model.save(str(tmp_path / "model"))
    loaded = ACER.load(str(tmp_path / "model"), env=make_cartpoles(3))
    before = loaded.get_parameters()
    loaded.learn(48)
    assert loaded.num_timesteps == 48
    assert any(not np.array_equal(before[name], value) for name, value in loaded.get_parameters().items())


def test_two_trainings_are_equal_with_replay_and_memory():
    def train():
        model = ACER("MlpLstmPolicy", make_cartpoles(2), policy_kwargs=dict(n_lstm=4), **SMALL)
        return model.learn(160).get_parameters()

    first, second = train(), train()
    for name, value in first.items():
        np.testing.assert_array_equal(second[name], value)


@pytest.mark.parametrize("action_space", [
    spaces.MultiDiscrete([2, 2]), spaces.MultiBinary(2), spaces.Box(low=-1, high=1, shape=(1,), dtype=np.float32)],
    ids=lambda space: type(space).__name__)
def test_other_actions_are_refused(action_space):
    with pytest.raises(ValueError, match="ACER takes Discrete actions only, got"):
        ACER("MlpPolicy", make_env(BOX, action_space))


@pytest.mark.parametrize("policy, observation_space", [
    ("MlpPolicy", spaces.Discrete(4)), ("MlpPolicy", spaces.MultiDiscrete([2, 4])),
    ("MlpPolicy", spaces.MultiBinary(4)), ("MlpLstmPolicy", spaces.MultiDiscrete([2, 4])), ("MlpLnLstmPolicy", BOX),
    ("CnnPolicy", IMAGE), ("CnnLstmPolicy", IMAGE), ("CnnLnLstmPolicy", IMAGE)])
def test_policies_and_observations(policy, observation_space):
    model = ACER(policy, make_env(observation_space, spaces.Discrete(3), 2),
                 policy_kwargs=dict(n_lstm=4) if "Lstm" in policy else {}, **SMALL)
    before = model.get_parameters()
    model.learn(32)
    changed = {name for name, value in model.get_parameters().items() if not np.array_equal(before[name], value)}
    assert changed == {name for name in before if "/vf/" not in name}  # only the unused value head has no gradient
    actions, _ = model.predict(np.stack([observation_space.sample() for _ in range(5)]))
    assert all(model.action_space.contains(action) for action in actions)


class NoQ(FeedForwardPolicy):
    """A policy as users write them for other algorithms: without Q."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, feature_extraction="mlp", **kwargs)
        self.q_value = None


@pytest.mark.parametrize("kwargs, message", [
    (dict(n_steps=0), "n_steps must be a positive integer, got 0"),
    (dict(buffer_size=400.), "buffer_size must be a positive integer, got 400.0"),
    (dict(replay_ratio=-1), "replay_ratio must be at least 0, got -1"),
    (dict(replay_ratio=np.nan), "replay_ratio must be at least 0, got nan"),
    (dict(policy=NoQ), "needs a policy that has q_value, which NoQ does not set")])
def test_wrong_arguments(kwargs, message):
    with pytest.raises(ValueError, match=message):
        ACER(**dict(dict(policy="MlpPolicy", env=make_cartpoles(1)), **kwargs))


def test_replay_that_never_begins():
    with pytest.warns(UserWarning, match="nothing will be replayed: replay_start=41 .* buffer_size=40 holds"):
        ACER("MlpPolicy", make_cartpoles(1), n_steps=1, buffer_size=40, replay_start=41)


def test_unknown_schedule():
    with pytest.raises(ValueError, match="unknown schedule 'exponential', the named schedules are: constant"):
        ACER("MlpPolicy", make_cartpoles(1), lr_schedule="exponential")


def test_num_procs_is_deprecated():
    with pytest.warns(DeprecationWarning, match="use n_cpu_tf_sess"):
        model = ACER("MlpPolicy", make_cartpoles(1), num_procs=2)
    assert model.num_procs == model.n_cpu_tf_sess == 2


def test_report(tmp_path):
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        ACER("MlpPolicy", make_cartpoles(2), verbose=1, **dict(SMALL, n_steps=50, buffer_size=100)).learn(
            5 * 100, log_interval=2)
    table = logger.read_csv(str(tmp_path / "progress.csv"))
    assert set(table.columns) == {
        "avg_norm_adj", "avg_norm_g", "avg_norm_grads_f", "avg_norm_k", "avg_norm_k_dot_g", "entropy",
        "explained_variance", "fps", "loss", "loss_bc", "loss_f", "loss_policy", "loss_q", "mean_episode_length",
        "mean_episode_reward", "norm_grads", "norm_grads_policy", "norm_grads_q", "total_timesteps"}
    assert list(table["total_timesteps"]) == [200, 400]
    assert list(table["mean_episode_length"]) == list(table["mean_episode_reward"])
    assert table["mean_episode_length"][0] > 5


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


def test_locals_of_later_steps():
    names = [{"steps", "masks", "names_ops", "values_ops"}, {"samples_number"}]
    offered = []
    ACER("MlpPolicy", make_cartpoles(1), **SMALL).learn(
        16, callback=lambda locals_, _: offered.append([wanted <= set(locals_) for wanted in names]) is None)
    assert offered[0] == [False, False] and offered[4] == [True, False] and offered[8] == [True, True]


# ================================================================
# Learning
# ================================================================

@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cartpole(seed):
    """The tuned hyperparameters of the reference's zoo; its 500,000 steps are not needed."""
    model = ACER("MlpPolicy", make_cartpoles(8), ent_coef=0., seed=seed)
    model.learn(300000)
    assert mean_reward(model, make_cartpoles(1)) >= 475


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cartpole_without_velocities(seed):
    model = ACER("MlpLstmPolicy", make_cartpoles(8, HiddenVelocities), ent_coef=0., seed=seed,
                 policy_kwargs=dict(n_lstm=32, net_arch=["lstm", dict(pi=[32], vf=[32])]))
    model.learn(300000)
    assert mean_reward(model, make_cartpoles(1, HiddenVelocities)) >= 300


@pytest.mark.parametrize("trust_region", [True, False])
def test_identity(trust_region):
    env = DummyVecEnv([lambda: IdentityEnv(4)] * 4)
    model = ACER("MlpPolicy", env, learning_rate=1e-3, gamma=0.5, n_steps=5, replay_start=100, buffer_size=1000,
                 trust_region=trust_region, seed=0)
    model.learn(15000)
    assert mean_reward(model, DummyVecEnv([lambda: IdentityEnv(4)])) >= 90  # of 100


def test_images():
    model = ACER("CnnPolicy", DummyVecEnv([BrightSide] * 4), n_steps=8, gamma=.5, ent_coef=0., learning_rate=1e-3,
                 replay_start=64, replay_ratio=2, seed=1)
    env = DummyVecEnv([BrightSide])
    assert mean_reward(model, env) < 15  # of 20; guessing gives 10
    model.learn(2048)
    assert mean_reward(model, env) >= 18
