"""What every algorithm with a replay memory must do."""
import inspect
import itertools
import pickle

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from contracts.algorithms import ALGORITHMS, build
from helpers import assert_same_parameters, changed_since, record_calls
from stable_baselines.common import gym_compat
from stable_baselines.common.base_class import OffPolicyRLModel
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.noise import ActionNoise, NormalActionNoise
from stable_baselines.common.vec_env import DummyVecEnv, VecCheckNan, VecEnvWrapper, VecNormalize

OFF_POLICY = [algorithm for algorithm in ALGORITHMS if issubclass(algorithm.model_class, OffPolicyRLModel)]


def arguments_of(algorithm):
    """Return the names of the constructor's arguments."""
    return set(inspect.signature(algorithm.model_class.__init__).parameters)


def only(algorithms):
    """Run a test for some of the algorithms."""
    return pytest.mark.parametrize("algorithm", algorithms, ids=lambda algorithm: algorithm.model_class.__name__)


def only_with(argument):
    """Run a test for the algorithms with an argument."""
    return only([algorithm for algorithm in OFF_POLICY if argument in arguments_of(algorithm)])


class Clock(gym_compat.Env):
    """Shows the time (the reward of a step), the number of the episode, and its own number; nothing is random."""

    def __init__(self, action_space, number):
        self.observation_space = spaces.Box(low=0, high=1000, shape=(3,), dtype=np.float32)
        self.action_space = action_space
        self._number, self._length, self._episode = number, 5 + number, 0

    def reset(self):
        self._time, self._episode = 0, self._episode + 1
        return self._observe()

    def _observe(self):
        return np.float32([self._time, self._episode, self._number])

    def step(self, action):
        self._time += 1
        return self._observe(), float(self._time), self._time == self._length, {}


def make_clocks(algorithm, n_envs=2):
    """Return clocks with actions for an algorithm; episodes of the first take 5 steps, of the second 6, and so on."""
    action_space = spaces.Discrete(2) if "Discrete" in algorithm.action_spaces else spaces.Box(
        low=-2, high=.5, shape=(2,), dtype=np.float32)
    return DummyVecEnv([lambda number=number: Clock(action_space, number) for number in range(n_envs)])


@only(OFF_POLICY)
def test_gradient_steps_per_transition_do_not_depend_on_the_number_of_environments(algorithm):
    counts = set()
    for n_envs in (1, 2, 3, 8):
        model = build(algorithm, env=make_clocks(algorithm, n_envs))
        before = model.get_parameters()
        model.learn(48)
        assert model.num_timesteps == len(model.replay_buffer) == 48 and changed_since(before, model)
        n_updates = model.n_updates  # a few less or more of them, depending on when there were enough transitions
        model.learn(48, reset_num_timesteps=False)
        counts.add(model.n_updates - n_updates)
    assert len(counts) == 1 and 0 not in counts


@only(OFF_POLICY)
def test_a_memory_never_holds_the_first_observation_of_the_next_episode(algorithm):
    model = build(algorithm, env=make_clocks(algorithm, 2))
    model.learn(48)
    for obs, _, reward, next_obs, done in model.replay_buffer.storage:
        assert next_obs.tolist() == [obs[0] + 1, obs[1], obs[2]]
        assert reward == next_obs[0] and done == (next_obs[0] == 5 + obs[2])


@only(OFF_POLICY)
def test_a_memory_holds_what_was_not_normalised_and_batches_are_normalised_when_drawn(algorithm):
    env = VecNormalize(make_clocks(algorithm, 2))
    model = build(algorithm, env=env)
    means, sample = [], model.replay_buffer.sample

    def check_sample(*args, **kwargs):
        batch = sample(*args, **kwargs)
        # the statistics of this moment give back whole numbers
        means.append(env.obs_rms.mean.copy())
        raw = batch.obs * np.sqrt(env.obs_rms.var + env.epsilon) + env.obs_rms.mean
        np.testing.assert_allclose(raw, np.round(raw), atol=1e-3)
        raw = batch.rewards * np.sqrt(env.ret_rms.var + env.epsilon)
        np.testing.assert_allclose(raw, np.round(raw), atol=1e-3)
        return batch

    model.replay_buffer.sample = check_sample
    model.learn(48)
    for obs, _, reward, next_obs, _ in model.replay_buffer.storage:
        assert next_obs.tolist() == [obs[0] + 1, obs[1], obs[2]] and reward == next_obs[0]
    assert not np.array_equal(means[0], means[-1])


@only(OFF_POLICY)
def test_what_explores_repeats_under_a_seed(algorithm):
    exploration = dict(action_noise=NormalActionNoise(0., .2), random_exploration=.3)
    kwargs = {name: value for name, value in exploration.items() if name in arguments_of(algorithm)}
    models = []
    for seed in (3, 3, 4):
        models.append(build(algorithm, seed=seed, **kwargs))
        models[-1].learn(4 * algorithm.steps)
    assert_same_parameters(*models[:2])
    memories = [model.replay_buffer.get_state()["_arrays"] for model in models]
    for name, rows in memories[0].items():
        np.testing.assert_array_equal(rows, memories[1][name], err_msg=name)
    assert not np.array_equal(memories[0]["actions"], memories[2]["actions"])
    assert changed_since(models[0].get_parameters(), models[2])


@only(OFF_POLICY)
def test_a_second_training_goes_on_with_the_memory(algorithm):
    model = build(algorithm)
    model.learn(algorithm.steps)
    n_updates = model.n_updates
    model.learn(algorithm.steps, reset_num_timesteps=False)
    assert model.num_timesteps == len(model.replay_buffer) == 2 * algorithm.steps
    assert model.n_updates > n_updates > 0
    model.learn(algorithm.steps)
    assert model.num_timesteps == algorithm.steps and len(model.replay_buffer) == 3 * algorithm.steps


@only(OFF_POLICY)
def test_a_training_can_be_carried_over(algorithm):
    first, second = (build(algorithm, env=make_clocks(algorithm)) for _ in range(2))
    first.learn(48)
    state, parameters = first.training_state(), first.get_parameters()
    for env in first.vec_env.envs:
        env._episode = 0  # as in the new environments of the other
    first.learn(48, reset_num_timesteps=False)
    assert changed_since(parameters, first)
    second.load_parameters(parameters)
    second.set_training_state(state)
    second.learn(48, reset_num_timesteps=False)
    assert_same_parameters(first, second)
    assert len(second.replay_buffer) == 96 and second.n_updates == first.n_updates


@only_with("learning_rate")
def test_a_schedule_is_what_the_optimiser_gets(algorithm):
    model = build(algorithm, learning_rate=lambda progress_remaining: 1e-3 * progress_remaining)
    calls = record_calls(model, "_train_once")
    model.learn(48)
    rates = [args[0] for args, _ in calls]
    assert len(rates) == model.n_updates > 1
    assert rates == sorted(rates, reverse=True) and 1e-3 > rates[0] > rates[-1] > 0
    model = build(algorithm, learning_rate=lambda progress_remaining: 0.)
    before = model.get_parameters()
    model.learn(48)
    assert model.n_updates > 1
    assert changed_since(before, model) == algorithm.changed_by_acting


@only(OFF_POLICY)
def test_every_transition_of_one_environment_goes_through_replay_buffer_add(algorithm):
    class Doubling(algorithm.model_class):
        """Stores twice the reward."""

        def replay_buffer_add(self, obs_t, action, reward, obs_tp1, done, info):
            assert obs_t.shape == obs_tp1.shape == (3,) and np.ndim(reward) == np.ndim(done) == 0
            assert ("terminal_observation" in info) == done
            super().replay_buffer_add(obs_t, action, 2 * reward, obs_tp1, done, info)

    model = build(algorithm._replace(model_class=Doubling), env=make_clocks(algorithm, 1))
    model.learn(20)
    assert [reward for _, _, reward, _, _ in model.replay_buffer.storage] == [2., 4., 6., 8., 10.] * 4


class Counting(ActionNoise):
    """Notes what it is asked for; its copies note for themselves."""

    def __init__(self):
        super().__init__()
        self.calls, self.resets = 0, 0

    def __call__(self):
        self.calls += 1
        return np.zeros(2)

    def reset(self):
        self.resets += 1


@only_with("action_noise")
def test_each_environment_has_action_noise_of_its_own(algorithm):
    noise = Counting()
    kwargs = {name: 0 for name in ("learning_starts",) if name in arguments_of(algorithm)}
    model = build(algorithm, env=make_clocks(algorithm, 2), action_noise=noise, **kwargs)
    model.learn(60)  # 30 steps of each: six episodes of 5 steps, five of 6
    assert model.action_noise is noise and model._noises[0] is noise
    assert [own.calls for own in model._noises] == [30, 30]
    assert [own.resets for own in model._noises] == [1 + 6, 1 + 5]


@only([algorithm for algorithm in OFF_POLICY if "action_noise" in arguments_of(algorithm)
       and not algorithm.model_class.samples_actions])
def test_prediction_explores_only_if_asked_to(algorithm):
    model = build(algorithm, action_noise=NormalActionNoise(5., 0.))
    obs = model.vec_env.reset()
    high = np.broadcast_to(model.action_space.high, (2,) + model.action_space.shape)
    assert np.all(model.predict(obs)[0] < high)
    np.testing.assert_array_equal(model.predict(obs, deterministic=False)[0], high)


REFUSED = dict(batch_size=0, buffer_size=0, train_freq=0, gradient_steps=-1, tau=1.5, random_exploration=-.1,
               learning_rate="fast", policy_delay=0, target_policy_noise=-1, target_noise_clip="wide", gamma=2,
               action_noise=.1, exploration_fraction=-1, exploration_final_eps=2, prioritized_replay_beta_iters="all")


@pytest.mark.parametrize("algorithm, name", [
    pytest.param(algorithm, name, id=f"{algorithm.model_class.__name__}-{name}")
    for algorithm in OFF_POLICY for name in REFUSED if name in arguments_of(algorithm)])
def test_wrong_arguments_are_refused(algorithm, name):
    with pytest.raises((TypeError, ValueError), match=f"{name}={REFUSED[name]!r}: accepted is"):
        build(algorithm, env=make_clocks(algorithm), **{name: REFUSED[name]})


@only_with("action_noise")
@pytest.mark.parametrize("action_space", [spaces.Box(low=-1, high=1, shape=(2, 2), dtype=np.float32),
                                          spaces.Box(low=-1, high=np.inf, shape=(2,), dtype=np.float32)])
def test_actions_that_cannot_be_scaled_are_refused(algorithm, action_space):
    with pytest.raises(ValueError, match="action_space=.*: accepted is a Box of one axis with finite bounds"):
        build(algorithm, env=DummyVecEnv([lambda: Clock(action_space, 0)]))


@only(OFF_POLICY)
def test_tensorboard_shows_the_number_of_steps(algorithm, tmp_path):
    model = build(algorithm, env=make_clocks(algorithm, 2), tensorboard_log=str(tmp_path))
    model.learn(48)
    model.learn(48, reset_num_timesteps=False)
    episodes, losses = [], {}
    for path in sorted(tmp_path.rglob("events*")):
        for event in tf.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.tag == "episode_reward":
                    episodes.append((event.step, value.simple_value))
                elif value.tag.startswith("loss/"):
                    losses.setdefault(value.tag, []).append(event.step)
    # two environments make two steps at a time; a training resets them
    first = [(2 * step, 1. + 2 + 3 + 4 + 5) for step in range(5, 25, 5)]
    second = [(2 * step, 1. + 2 + 3 + 4 + 5 + 6) for step in range(6, 25, 6)]
    once = sorted(first + second)
    assert sorted(episodes) == once + [(48 + step, reward) for step, reward in once]
    assert losses and all(steps == sorted(steps) and 48 < steps[-1] <= 96 for steps in losses.values())


class Recorder(BaseCallback):
    """Keeps copies of some variables of each step."""

    def __init__(self, *names):
        super().__init__()
        self.names, self.steps = names, []

    def _on_step(self):
        self.steps.append({name: np.copy(self.locals[name]) for name in self.names})


@only(OFF_POLICY)
def test_callbacks_see_what_a_step_led_to(algorithm):
    recorder = Recorder("obs", "new_obs", "done")
    build(algorithm, env=make_clocks(algorithm, 1)).learn(20, callback=recorder)
    for step in recorder.steps:
        assert step["new_obs"][0] == step["obs"][0] + 1  # never the first of the next episode
    assert sum(step["done"] for step in recorder.steps) == 4


@only(OFF_POLICY)
def test_normalisation_behind_a_wrapper_that_changes_nothing_is_seen_through(algorithm):
    model = build(algorithm, env=VecCheckNan(VecNormalize(make_clocks(algorithm, 1))))
    model.learn(20)
    assert [reward for _, _, reward, _, _ in model.replay_buffer.storage] == [1., 2., 3., 4., 5.] * 4


@only(OFF_POLICY)
def test_a_memory_can_be_pickled_without_a_seed(algorithm):
    model = build(algorithm, seed=None, env=make_clocks(algorithm, 1))
    model.learn(10)
    other = build(algorithm, seed=None, env=make_clocks(algorithm, 1))
    other.replay_buffer = pickle.loads(pickle.dumps(model.replay_buffer))
    other.learn(10)
    assert len(other.replay_buffer) == 20 and len(model.replay_buffer) == 10


@only(OFF_POLICY)
def test_replay_buffer_add_is_called_for_each_of_several_environments_where_it_is_overridden(algorithm):
    class Doubling(algorithm.model_class):
        """Stores twice the reward."""

        def replay_buffer_add(self, obs_t, action, reward, obs_tp1, done, info):
            super().replay_buffer_add(obs_t, action, 2 * reward, obs_tp1, done, info)

    model = build(algorithm._replace(model_class=Doubling), env=make_clocks(algorithm, 2))
    model.learn(10)
    assert [reward for _, _, reward, _, _ in model.replay_buffer.storage] == [2., 2., 4., 4., 6., 6., 8., 8., 10., 10.]


@only_with("random_exploration")
def test_each_environment_explores_on_its_own(algorithm):
    class Still(algorithm.model_class):
        """Its policy does nothing."""

        def _actions_to_explore(self, obs):
            return np.zeros((len(obs), 2), np.float32)

    model = build(algorithm._replace(model_class=Still), env=make_clocks(algorithm, 4), random_exploration=.5)
    model.num_timesteps = 10 ** 6
    stays = np.array([np.all(model._act(model.vec_env.reset())[0] == 0, axis=1) for _ in range(200)])
    assert abs(stays.mean() - .5) < .06
    assert {tuple(row) for row in stays.tolist()} == set(itertools.product([False, True], repeat=4))


@only(OFF_POLICY)
def test_a_vec_env_that_hides_the_end_of_an_episode_can_be_learned_from(algorithm):
    class Hiding(VecEnvWrapper):
        """Says nothing of an episode's last observation."""

        def reset(self):
            return self.venv.reset()

        def step_wait(self):
            obs, rewards, dones, _ = self.venv.step_wait()
            return obs, rewards, dones, tuple({} for _ in range(self.num_envs))

    recorder = Recorder("info")
    model = build(algorithm, env=Hiding(make_clocks(algorithm, 1)))
    model.learn(20, callback=recorder)
    assert len(model.replay_buffer) == 20 and recorder.steps[-1]["info"].item() == {}


@only(OFF_POLICY)
def test_whole_floats_are_counts(algorithm):
    names = {"buffer_size": 1e3, "train_freq": 2., "target_network_update_freq": 8.}
    kwargs = {name: value for name, value in names.items() if name in arguments_of(algorithm)}
    model = build(algorithm, env=make_clocks(algorithm, 1), **kwargs)
    model.learn(40)
    assert model.buffer_size == 1e3 and isinstance(model.buffer_size, float) and model.n_updates > 0
