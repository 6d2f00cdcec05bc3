"""Runners: what they tell the model at every step, and what they hand to the update."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import make_cartpoles
from stable_baselines import A2C, PPO2
from stable_baselines.acer.acer_simple import Runner as SegmentsWithProbabilities
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.runners import GAERunner, NStepRunner

N_ENVS, N_STEPS = 2, 4
# environment 0 ends its episodes with steps 1 and 6, environment 1 with steps 3 (the last of a rollout) and 4
DONES = np.zeros((12, N_ENVS), bool)
DONES[[1, 6], 0] = DONES[[3, 4], 1] = True


class Script:
    """Environments that count their steps in the observations."""

    num_envs = N_ENVS
    observation_space = spaces.Box(-1, 99, (1,), dtype=np.float32)
    action_space = spaces.Discrete(3)
    step_count = 0

    def observe(self):
        return np.float32([[self.step_count], [self.step_count + .5]])

    def reset(self):
        return self.observe()

    def step(self, actions):
        assert list(actions) == [self.step_count % 3] * N_ENVS
        dones = DONES[self.step_count]
        self.step_count += 1
        return self.observe(), np.float32([1, 2]), dones, [{} for _ in range(N_ENVS)]


class Checking:
    """A recurrent model whose state counts the steps of an episode; it checks all that a runner tells it."""

    initial_state = np.zeros((1, 1), np.float32)
    num_timesteps = 0

    def __init__(self):
        self.n_steps, self.n_values = 0, 0
        self.lengths = np.zeros((N_ENVS, 1), np.float32)

    def check(self, obs, states, dones):
        """Compare with the script at this step."""
        np.testing.assert_array_equal(obs, [[self.n_steps], [self.n_steps + .5]])
        begins = DONES[self.n_steps - 1] if self.n_steps else np.zeros(N_ENVS, bool)
        np.testing.assert_array_equal(dones, begins)
        np.testing.assert_array_equal(states, self.lengths)

    def step(self, obs, states, dones):
        self.check(obs, states, dones)
        self.lengths = np.where(dones[:, None], 0, states) + 1
        actions = np.full(N_ENVS, self.n_steps % 3)
        self.n_steps += 1
        return actions, np.float32([.1, .2]), self.lengths, np.float32([.5, .5])

    def value(self, obs, states, dones):
        self.check(obs, states, dones)
        self.n_values += 1
        return np.float32([8, 8])

    def step_with_proba(self, obs, states, dones):
        actions, _, states, _ = self.step(obs, states, dones)
        return actions, states, np.full((N_ENVS, 3), 1 / 3, np.float32)


@pytest.mark.parametrize("make", [
    lambda env, model: GAERunner(env=env, model=model, n_steps=N_STEPS, gamma=.5, lam=1.),
    lambda env, model: NStepRunner(env, model, n_steps=N_STEPS, gamma=.5),
    lambda env, model: SegmentsWithProbabilities(env=env, model=model, n_steps=N_STEPS),
], ids=["gae", "n_step", "acer"])
def test_the_model_is_told_observations_states_and_episode_starts(make):
    model = Checking()
    runner = make(Script(), model)
    for rollout_index in range(3):
        rollout = runner.run()
        expected = np.concatenate([np.zeros((1, N_ENVS), bool), DONES])[N_STEPS * rollout_index:][:N_STEPS]
        starts = rollout.episode_starts.reshape(N_ENVS, -1)[:, :N_STEPS]
        np.testing.assert_array_equal(starts, expected.T)
    assert model.n_steps == 3 * N_STEPS and model.num_timesteps == 3 * N_STEPS * N_ENVS
    assert model.n_values == (0 if "mus" in rollout._fields else 3)  # after each rollout
    # the state before the last rollout: environment 0 is one step into its episode, environment 1 three
    np.testing.assert_array_equal(rollout.states, [[1], [3]])


def test_returns_stop_where_an_episode_ends():
    runner = NStepRunner(Script(), Checking(), n_steps=N_STEPS, gamma=.5)
    returns = runner.run().returns.reshape(N_ENVS, N_STEPS)
    np.testing.assert_allclose(returns[0], [1.5, 1, 1 + .5 * (1 + .5 * 8), 1 + .5 * 8])
    np.testing.assert_allclose(returns[1], [2 * 1.875, 2 * 1.75, 2 * 1.5, 2])  # nothing follows its last step


@pytest.mark.parametrize("n_steps", [5, 40])  # unrolled, and as a loop
def test_a_recurrent_policy_forgets_at_the_end_of_an_episode(n_steps):
    """Episodes of CartPole end within the rollout: what follows must not depend on what was before."""
    model = A2C("MlpLstmPolicy", make_cartpoles(2), n_steps=n_steps, policy_kwargs=dict(n_lstm=4), seed=0)
    rollout = model.runner.run()
    while not rollout.episode_starts.reshape(2, -1)[0, 1:].any():
        rollout = model.runner.run()
    states = np.array(rollout.states)
    other = rollout._replace(states=states + 1)

    def values(of):
        feeds = model._train_function.feed_dict(model._batch(of, 0.))
        return model.sess.run(model.train_model.value_flat, feeds).reshape(2, -1)[0]

    with model.graph.as_default():
        first, second = values(rollout), values(other)
    start = np.flatnonzero(rollout.episode_starts.reshape(2, -1)[0, 1:])[0] + 1
    np.testing.assert_array_equal(first[start:], second[start:])
    assert first[0] != second[0]
    np.testing.assert_allclose(first, rollout.values.reshape(2, -1)[0], atol=1e-5)


@pytest.mark.parametrize("noptepochs, nminibatches", [(1, 1), (3, 2), (4, 4)])
def test_ppo2_makes_as_many_gradient_steps_as_epochs_times_minibatches(noptepochs, nminibatches):
    model = PPO2("MlpPolicy", make_cartpoles(2), n_steps=8, noptepochs=noptepochs, nminibatches=nminibatches, seed=0)
    model.learn(3 * 16)
    with model.graph.as_default():
        power, = [variable for variable in tf.global_variables() if "beta1_power" in variable.name]
        n_gradient_steps = np.log(model.sess.run(power)) / np.log(.9) - 1
    assert round(float(n_gradient_steps)) == 3 * noptepochs * nminibatches


def test_a_rollout_is_left_alone_by_the_next_one():
    model = PPO2("MlpPolicy", make_cartpoles(2), n_steps=4, nminibatches=1, seed=0, n_cpu_tf_sess=1)
    first = model.runner.run()
    kept = [array.copy() for array in first[:6]]
    second = model.runner.run()
    for array, before, after in zip(first, kept, second):
        np.testing.assert_array_equal(array, before)
        assert not np.shares_memory(array, after)
