"""PPO2: losses by hand, minibatches, schedules, clipped actions, its runner."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import make_env, record_calls
from stable_baselines import PPO2
from stable_baselines.bench import Monitor
from stable_baselines.common import gym_compat, tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.vec_env import DummyVecEnv
from stable_baselines.ppo2 import ppo2

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)


def evaluate(build, *arrays):
    """Compute a pure function of tensors."""
    with tf_util.make_graph(0).as_default(), tf_util.single_threaded_session() as session:
        return session.run(build(*[None if array is None else tf.constant(array, tf.float32) for array in arrays]))


def test_policy_loss():
    # ratios 2, 1/2, 1.1 with clip range 0.2: min(2 * 1, 1.2 * 1), min(.5 * -1, .8 * -1), min(1.1 * 3, 1.1 * 3)
    loss = evaluate(ppo2.policy_loss, -np.log([2., .5, 1.1]), np.zeros(3), [1., -1., 3.], .2)
    np.testing.assert_allclose(loss, -(1.2 - .8 + 3.3) / 3, rtol=1e-6)


def test_value_loss():
    # errors 3 and 1 (squares 9 and 1); clipped to old +- 1: values 1 and 1, squares 1 and 0: the larger ones count
    values, old_values, returns = [4., 2.], [0., 0.], [1., 1.]
    assert evaluate(ppo2.value_loss, values, old_values, returns, 1.) == .5 * (9 + 1) / 2
    # here the clipped error is the larger one: value 2 clipped to 1, return 2
    assert evaluate(ppo2.value_loss, [2.], [0.], [2.], 1.) == .5
    assert evaluate(ppo2.value_loss, [2.], [0.], [2.], None) == 0.


@pytest.mark.parametrize('clip_range_vf', [None, .3])
def test_gradients_are_those_of_the_losses(clip_range_vf):
    rng = np.random.RandomState(0)
    with tf.Graph().as_default(), tf.Session() as sess:
        neglogp, old_neglogp, advantages, values, old_values, returns = (
            tf.constant(rng.normal(scale=.5, size=200).astype(np.float32)) for _ in range(6))
        for loss, gradient, variable, inputs in (
                (ppo2.policy_loss, ppo2.policy_loss_gradient, neglogp, (neglogp, old_neglogp, advantages, .2)),
                (ppo2.value_loss, ppo2.value_loss_gradient, values, (values, old_values, returns, clip_range_vf))):
            ours, theirs = sess.run([gradient(*inputs), tf.gradients(loss(*inputs), variable)[0]])
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-8)
            assert 0 < np.sum(ours == 0) < 150 or (loss, clip_range_vf) == (ppo2.value_loss, None)


def test_approximate_kl_and_clip_fraction():
    assert evaluate(ppo2.approximate_kl, [1., 2.], [0., 0.]) == .5 * (1 + 4) / 2
    assert evaluate(ppo2.clip_fraction, -np.log([1.05, 1.5, .5, 1.]), np.zeros(4), .2) == .5


def make_cartpole(n_envs=1):
    return DummyVecEnv([lambda: Monitor(gym_compat.make("CartPole-v1"), None)] * n_envs)


def fake_rollout(n_rows, states=None):
    """Return a rollout whose observations are the numbers of its rows."""
    rows = np.arange(n_rows)
    return ppo2.Rollout(rows, rows, rows, rows, rows, rows, states, [], rows)


def test_minibatches_cover_the_batch_once():
    model = PPO2("MlpPolicy", make_cartpole(2), n_steps=8, nminibatches=4)
    batches = list(model._minibatches(fake_rollout(16)))
    assert [len(rows) for rows, _ in batches] == [4] * 4 and all(states is None for _, states in batches)
    assert sorted(np.concatenate([rows for rows, _ in batches])) == list(range(16))
    assert [list(rows) for rows, _ in batches] != [list(rows) for rows, _ in model._minibatches(fake_rollout(16))]


def test_recurrent_minibatches_hold_whole_environments():
    model = PPO2("MlpLstmPolicy", make_cartpole(4), n_steps=3, nminibatches=2, policy_kwargs=dict(n_lstm=2))
    states = np.arange(4.)[:, None]
    seen = []
    for rows, batch_states in model._minibatches(fake_rollout(12, states)):
        environments = rows.reshape(2, 3) // 3
        np.testing.assert_array_equal(rows.reshape(2, 3) % 3, [[0, 1, 2]] * 2)  # steps in order
        np.testing.assert_array_equal(environments, np.tile(batch_states, 3))  # with the state of that environment
        seen += list(environments[:, 0])
    assert sorted(seen) == [0, 1, 2, 3]


@pytest.mark.parametrize("policy, n_envs, kwargs, reason", [
    ("MlpPolicy", 2, dict(n_steps=8, nminibatches=3), "nminibatches=3: accepted is a divisor .*= 16"),
    ("MlpLstmPolicy", 3, dict(n_steps=8, nminibatches=2), "nminibatches=2: accepted .*environments, 3"),
])
def test_minibatches_that_do_not_fit(policy, n_envs, kwargs, reason):
    with pytest.raises(ValueError, match=reason):
        PPO2(policy, make_cartpole(n_envs), **kwargs)
    model = PPO2(policy, make_cartpole(2 * kwargs["nminibatches"]), **dict(kwargs, n_steps=6))
    model.n_steps = kwargs["n_steps"]
    model.set_env(make_cartpole(n_envs))
    model.predict(np.zeros(4))  # a prediction needs no minibatches
    with pytest.raises(ValueError, match=reason):
        model.learn(100)


@pytest.mark.parametrize("name, value", [
    ("n_steps", 0), ("n_steps", 2.5), ("nminibatches", 0), ("noptepochs", -1), ("noptepochs", True)])
def test_counts_that_are_not_positive_integers(name, value):
    with pytest.raises(ValueError, match=f"{name}={value}: accepted is a positive integer"):
        PPO2("MlpPolicy", make_cartpole(), **{name: value})


def test_policy_kwargs_that_are_none():
    with pytest.raises(TypeError, match="policy_kwargs=.*accepted is a dict"):
        PPO2("MlpPolicy", make_cartpole(), policy_kwargs=[1])


def test_schedules_follow_the_progress():
    seen = {"learning_rate": [], "cliprange": [], "cliprange_vf": []}

    def schedule(name):
        return lambda progress: seen[name].append(progress) or 1e-3

    model = PPO2("MlpPolicy", make_cartpole(), n_steps=4, nminibatches=1, noptepochs=1,
                 **{name: schedule(name) for name in seen})
    trained = record_calls(model, "_train_function")
    model.learn(16)
    for name in seen:
        assert seen[name] == [1., .75, .5, .25], name
        assert callable(getattr(model, name))  # what the user gave stays
    for (batch,), _ in trained:
        assert (batch.learning_rate, batch.clip_range, batch.clip_range_vf) == (1e-3,) * 3
    assert len(trained) == 4


@pytest.mark.parametrize("cliprange_vf, expected", [(None, .2), (.3, .3), (lambda progress: .4 * progress, .4)])
def test_cliprange_vf(cliprange_vf, expected):
    model = PPO2("MlpPolicy", make_cartpole(), cliprange=.2, cliprange_vf=cliprange_vf)
    assert model._cliprange_vf_schedule()(1.) == expected


@pytest.mark.parametrize("negative", [-1, -.5])
def test_negative_cliprange_vf_does_not_clip(negative):
    model = PPO2("MlpPolicy", make_cartpole(), cliprange_vf=negative)
    assert model._cliprange_vf_schedule() is None
    model.learn(128)


def test_schedules_that_are_none():
    for name in ("learning_rate", "cliprange", "cliprange_vf"):
        with pytest.raises(TypeError, match="number or a function"):
            PPO2("MlpPolicy", make_cartpole(), **{name: "linear"})


def test_action_probability_of_one_observation():
    model = PPO2("MlpPolicy", make_env(BOX, spaces.Box(low=-1, high=1, shape=(2,), dtype=np.float32)))
    obs = np.zeros((3, 4), np.float32)
    mean, std = model.action_probability(obs)
    single_mean, single_std = model.action_probability(obs[0])
    np.testing.assert_array_equal(single_mean, mean[0])
    np.testing.assert_array_equal(single_std, std[0])
    np.testing.assert_array_equal(std, np.ones((3, 2)))  # exp(0) before any training
    density = model.action_probability(obs[0], actions=mean[0])
    np.testing.assert_allclose(density, [1 / (2 * np.pi)], rtol=1e-5)
    for actions in (np.zeros((2, 2)), np.zeros(3), 1.):
        with pytest.raises(ValueError, match="as many actions are needed as observations"):
            model.action_probability(obs, actions=actions)


def test_actions_outside_of_the_box_are_clipped():
    class Checks(type(make_env(BOX, BOX).envs[0])):
        """Refuses actions outside of its space."""

        def step(self, action):
            assert self.action_space.contains(action), action
            return super().step(action)

    tiny = spaces.Box(low=-.01, high=.01, shape=(2,), dtype=np.float32)
    model = PPO2("MlpPolicy", DummyVecEnv([lambda: Checks(BOX, tiny)]), n_steps=16)
    model.learn(32)
    rollout = model.runner.run()
    assert np.abs(rollout.actions).max() > .01  # what is learned from are the actions that were drawn
    assert np.abs(model.predict(np.zeros((50, 4)))[0]).max() <= np.float32(.01)


def test_constructor_prints_what_it_wraps(capsys):
    PPO2("MlpPolicy", "CartPole-v1", verbose=1)
    assert "Creating environment from the given name" in capsys.readouterr().out
    PPO2("MlpPolicy", gym_compat.make("CartPole-v1"), verbose=1)
    assert "Wrapping the env in a DummyVecEnv" in capsys.readouterr().out
    PPO2("MlpPolicy", "CartPole-v1")
    assert capsys.readouterr().out == ""


def test_the_runner_goes_on_where_it_stopped():
    model = PPO2("MlpPolicy", make_cartpole(), n_steps=4)
    model.learn(4)
    runner = model.runner
    obs = runner.obs.copy()
    assert model.runner is runner
    np.testing.assert_array_equal(runner.run().obs[0], obs[0])
    model.set_env(make_cartpole())
    assert model.runner is not runner
