"""What only DQN has: exploration, parameter noise, prioritised replay, target updates, its commands."""
import argparse
from functools import partial

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import make_cartpoles, make_env, record_calls, record_locals
from stable_baselines import DQN, logger
from stable_baselines.common import gym_compat, tf_util
from stable_baselines.common.buffers import PrioritizedReplayBuffer
from stable_baselines.common.gym_compat import spaces
from stable_baselines.deepq import MlpPolicy, build_act, build_train, wrap_atari_dqn
from stable_baselines.deepq import build_graph as graph_module
from stable_baselines.deepq.experiments import enjoy_cartpole, run_atari, train_cartpole, train_mountaincar
from stable_baselines.deepq.experiments.enjoy import enjoy

SMALL = dict(policy_kwargs=dict(layers=[8]), seed=0, n_cpu_tf_sess=1)
BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)


def build(**kwargs):
    """Build a small model of CartPole."""
    arguments = dict(SMALL, buffer_size=200, learning_starts=10, batch_size=4, **kwargs)
    return DQN("MlpPolicy", gym_compat.make("CartPole-v1"), **arguments)


@pytest.fixture(name="session")
def session_fixture():
    """Give a session with a graph of its own."""
    with tf_util.make_graph(0).as_default(), tf_util.make_session(num_cpu=1) as session:
        yield session


# ---------------------------------------------------------------- acting

def placeholders():
    return tf.placeholder(tf.bool, ()), tf.placeholder(tf.float32, ())


def test_epsilon_greedy(session):
    q_func = partial(MlpPolicy, layers=[8])
    act, (obs_ph, processed) = build_act(q_func, BOX, spaces.Discrete(3), *placeholders(), session)
    session.run(tf.global_variables_initializer())
    assert obs_ph.shape.as_list() == processed.shape.as_list() == [None, 4]
    obs = np.tile(BOX.sample(), (3000, 1))
    greedy = act(obs, stochastic=False)
    assert len(set(greedy)) == 1
    np.testing.assert_array_equal(act(obs), greedy)  # the probability of exploring begins at 0
    share = np.mean(act(obs, update_eps=.3) != greedy)
    assert abs(share - .3 * 2 / 3) < .04
    share = np.mean(act(obs) != greedy)  # it stays
    assert abs(share - .3 * 2 / 3) < .04
    np.testing.assert_array_equal(act(obs, stochastic=False), greedy)
    assert set(act(obs, update_eps=1.)) == {0, 1, 2}


def test_exploration_falls_and_the_variable_follows():
    model = build(exploration_fraction=.5, exploration_initial_eps=.9, exploration_final_eps=.1)
    seen = record_locals(model, 100, "update_eps")
    rates = [step["update_eps"] for step in seen]
    assert rates[0] == .9 and rates[25] == pytest.approx(.5) and rates[50:] == [pytest.approx(.1)] * 50
    assert model.get_parameters()["deepq/eps:0"] == np.float32(.1)


def test_a_single_step_of_training_is_enough_for_the_schedules():
    build(prioritized_replay=True).learn(1)
    build().learn(0)


def test_predict_without_determinism_draws_by_the_softmax_of_the_values():
    model = build()
    obs = np.tile(model.observation_space.sample() * 0 + .1, (5000, 1))
    probabilities = model.action_probability(obs[0])
    values = model.step_model.step(obs[:1])[1]
    np.testing.assert_allclose(probabilities, np.exp(values[0]) / np.exp(values[0]).sum(), rtol=1e-5)
    shares = np.bincount(model.predict(obs, deterministic=False)[0], minlength=2) / len(obs)
    np.testing.assert_allclose(shares, probabilities, atol=.03)
    assert len(set(model.predict(obs)[0])) == 1


# ---------------------------------------------------------------- parameter noise

def variables_of(model, *names):
    """Return the values of variables that are not parameters."""
    with model.graph.as_default():
        found = {variable.name: variable for variable in tf.global_variables()}
    return [model.sess.run(found[f"deepq/{name}:0"]) for name in names]


def distance(model, network):
    """Return by how much each perturbed variable of a network differs from the model's, by its name."""
    parameters = model.get_parameters()
    own = {name.replace("deepq/model/", ""): value for name, value in parameters.items() if "deepq/model/" in name}
    return {name: np.abs(value - parameters[f"deepq/{network}/model/{name}"]).max() for name, value in own.items()}


def test_a_reset_perturbs_the_weights_but_not_the_normalisation():
    model = DQN("LnMlpPolicy", gym_compat.make("CartPole-v1"), param_noise=True, **SMALL)
    obs = model.vec_env.reset()
    model.act(obs, reset=True)
    assert {name for name, value in distance(model, "perturbed_model").items() if value == 0} == {
        name for name in distance(model, "perturbed_model") if "LayerNorm" in name}
    before = distance(model, "perturbed_model")
    model.act(obs)
    assert distance(model, "perturbed_model") == before  # the same noise until the next reset
    model.act(obs, reset=True)
    assert distance(model, "perturbed_model") != before


def test_the_filter_of_perturbed_variables(session):
    q_func = partial(MlpPolicy, layers=[8])
    act, *_ = build_train(q_func, BOX, spaces.Discrete(2), tf.train.AdamOptimizer(1e-3), session, param_noise=True,
                          param_noise_filter_func=lambda var: "weights" in var.name)
    session.run(tf.global_variables_initializer())
    act(BOX.sample()[None], reset=True)
    for ours, noisy in zip(graph_module.scope_vars("deepq/model"), graph_module.scope_vars("deepq/perturbed_model")):
        assert np.array_equal(*session.run([ours, noisy])) == ("biases" in ours.name)


@pytest.mark.parametrize("threshold, factor", [(1e9, 1.01), (0., 1 / 1.01)])
def test_the_scale_adapts_to_the_threshold(threshold, factor):
    model = build(param_noise=True)
    obs = model.vec_env.reset()
    scale = .01
    for _ in range(3):
        model.act(obs, update_param_noise_threshold=threshold, update_param_noise_scale=True)
        scale *= factor
        np.testing.assert_allclose(variables_of(model, "param_noise_scale", "param_noise_threshold"),
                                   [scale, threshold], rtol=1e-5)
    model.act(obs)
    np.testing.assert_allclose(variables_of(model, "param_noise_scale")[0], scale, rtol=1e-5)


def test_training_with_parameter_noise_explores_by_it_alone():
    model = build(param_noise=True)
    calls = record_calls(model, "act")
    seen = record_locals(model, 60, "update_eps", "update_param_noise_threshold", "reset", "kwargs", "done")
    assert len(calls) == 60
    assert all(step["update_eps"] == 0. and step["kwargs"]["update_param_noise_scale"] for step in seen)
    resets = [step["reset"] for step in seen]
    assert resets == [True] + [step["done"] for step in seen[:-1]]
    assert seen[0]["update_param_noise_threshold"] == pytest.approx(np.log(2.))  # as random as a coin


# ---------------------------------------------------------------- learning

def test_the_target_network_is_copied_at_its_interval_and_at_the_start():
    model = build(target_network_update_freq=7, train_freq=3)
    parameters = model.get_parameters()
    for name, value in parameters.items():
        if "target_q_func" in name:
            np.testing.assert_array_equal(value, parameters[name.replace("target_q_func/", "")])
    steps = []
    update_target = model.update_target
    model.update_target = lambda: (steps.append(model.num_timesteps), update_target())
    model.learn(40)
    assert steps == [14, 21, 28, 35]  # none before learning starts


def test_priorities_are_the_errors_and_weights_correct_for_them():
    model = build(prioritized_replay=True, prioritized_replay_beta0=.4, prioritized_replay_eps=.5)
    assert isinstance(model.replay_buffer, PrioritizedReplayBuffer)
    seen = record_locals(model, 50, "td_errors", "new_priorities", "weights", "batch_idxes", "experience")
    last = seen[-1]
    np.testing.assert_allclose(last["new_priorities"], np.abs(last["td_errors"]) + .5)
    assert 0 < last["weights"].min() and last["weights"].max() <= 1 and len(last["experience"]) == 7
    assert model.beta_schedule.value(0) == .4 and model.beta_schedule.value(50) == 1.


def test_the_newest_transition_is_drawn_too():
    """In the original it never is, because priorities are summed up to it only."""
    buffer = PrioritizedReplayBuffer(16, alpha=.6, np_random=np.random.RandomState(0))
    for number in range(8):
        buffer.add(np.float32([number]), number, 0., np.float32([number]), 0.)
    counts = np.bincount(buffer.sample(8000, beta=1.).actions, minlength=8)
    assert counts.min() > 850


def test_images_of_several_environments():
    image = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8)
    model = DQN("CnnPolicy", make_env(image, spaces.Discrete(3), 2), buffer_size=50, learning_starts=4, batch_size=4,
                train_freq=4, **SMALL)
    model.learn(16)
    assert model.n_updates == 4 and len(model.replay_buffer) == 16
    assert model.replay_buffer.sample(4).obs.dtype == np.uint8


def test_a_custom_network_with_one_layer_and_no_dueling():
    model = build(double_q=False)
    model = DQN("MlpPolicy", gym_compat.make("CartPole-v1"), policy_kwargs=dict(layers=[5], dueling=False), seed=0)
    assert sorted(name for name in model.get_parameters() if name.startswith("deepq/model")) == [
        "deepq/model/action_value/fully_connected/biases:0", "deepq/model/action_value/fully_connected/weights:0",
        "deepq/model/action_value/fully_connected_1/biases:0", "deepq/model/action_value/fully_connected_1/weights:0"]


@pytest.mark.parametrize("layers", [[], 64, [0], ["64"]])
def test_wrong_layers_are_refused(layers):
    with pytest.raises(ValueError, match="layers=.*: accepted is"):
        DQN("MlpPolicy", gym_compat.make("CartPole-v1"), policy_kwargs=dict(layers=layers))


def test_build_train_by_hand(session):
    act, train, update_target, step_model = build_train(
        partial(MlpPolicy, layers=[8]), BOX, spaces.Discrete(2), tf.train.GradientDescentOptimizer(.1), session,
        grad_norm_clipping=10, gamma=.9)
    session.run(tf.global_variables_initializer())
    update_target()
    obs, ones = np.float32(np.random.RandomState(0).randn(6, 4)), np.ones(6, np.float32)
    before = step_model.step(obs)[1]
    errors = train(obs, np.zeros(6, int), ones, obs, ones, ones)
    np.testing.assert_allclose(errors, before[:, 0] - 1., rtol=1e-5)  # every step ended its episode
    smaller = train(obs, np.zeros(6, int), ones, obs, ones, ones)
    assert np.abs(smaller).mean() < np.abs(errors).mean()
    assert act(obs).shape == (6,)


def test_reports_count_the_episodes_that_ended(tmp_path):
    """In the original the running one counts too."""
    env = make_env(BOX, spaces.Discrete(2))  # episodes of ten steps
    model = DQN("MlpPolicy", env, verbose=1, learning_starts=10, batch_size=4, **SMALL)
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        seen = record_locals(model, 100, "num_episodes")
        model.learn(100, log_interval=2)
    table = logger.read_csv(str(tmp_path / "progress.csv"))
    assert list(table["episodes"]) == [2, 4, 6, 8, 10] and list(table["steps"]) == [20, 40, 60, 80, 100]
    assert seen[11]["num_episodes"] == 1 and seen[99]["num_episodes"] == 9


# ---------------------------------------------------------------- commands

def test_commands_train_and_show(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    train_cartpole.main(argparse.Namespace(max_timesteps=200))
    train_mountaincar.main(argparse.Namespace(max_timesteps=50))
    assert {path.name for path in tmp_path.glob("*.zip")} == {"cartpole_model.zip", "mountaincar_model.zip"}
    assert DQN.load("mountaincar_model.zip").param_noise
    enjoy("CartPole-v0", "cartpole_model.zip", argparse.Namespace(no_render=True), n_episodes=2)
    assert capsys.readouterr().out.count("Episode reward") == 2
    assert callable(enjoy_cartpole.main)


def test_the_cartpole_command_stops_when_it_is_solved():
    assert train_cartpole.callback(dict(episode_rewards=[200.] * 100), {})  # 99 and the running one
    assert not train_cartpole.callback(dict(episode_rewards=[200.] * 100 + [0.]), {})
    assert train_cartpole.callback(dict(episode_rewards=[198.] * 100 + [0.]), {})


def test_run_atari_has_the_hyperparameters_for_games(monkeypatch):
    class Stopped(Exception):
        """Ends the command before it trains."""

    given = {}

    def record(policy, env, **kwargs):
        given.update(kwargs, policy=policy, shape=env.observation_space.shape)
        raise Stopped

    monkeypatch.setattr(run_atari, "DQN", record)
    pytest.importorskip("atari_py" if gym_compat.libraries.LIBRARY.__name__ == "gym" else "ale_py")
    with pytest.raises(Stopped):
        run_atari.train("PongNoFrameskip-v4", 100, seed=0, prioritized=False, dueling=False)
    assert given["shape"] == (84, 84, 4) and given["policy"] == "CnnPolicy"
    assert given["policy_kwargs"] == dict(dueling=False) and not given["prioritized_replay"]
    assert (given["train_freq"], given["learning_starts"], given["target_network_update_freq"]) == (4, 10000, 1000)
    assert callable(wrap_atari_dqn)


def test_a_vec_env_of_one_looks_like_its_environment():
    model = DQN("MlpPolicy", make_cartpoles(1), **SMALL)
    assert model.get_env().reset().shape == (4,)
