"""What every algorithm must do while it trains: policies and spaces, schedules, reports."""
import re

import numpy as np
import pytest

from contracts.algorithms import ALGORITHMS, build, make_vec
from helpers import assert_same_parameters, changed_since, make_env, read_scalars
from stable_baselines import PPO2, logger
from stable_baselines.bench import Monitor
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.gym_compat import make, spaces

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
IMAGE = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8)
OBSERVATIONS = [BOX, spaces.Discrete(4), spaces.MultiDiscrete([2, 4]), spaces.MultiBinary(4)]
ACTIONS = {"Discrete": spaces.Discrete(3), "MultiDiscrete": spaces.MultiDiscrete([2, 3]),
           "MultiBinary": spaces.MultiBinary(3),
           "Box": spaces.Box(low=-2, high=.5, shape=(2,), dtype=np.float32)}
RECURRENT = [algorithm for algorithm in ALGORITHMS if "MlpLstmPolicy" in algorithm.policies]
WITH_SCHEDULES = [algorithm for algorithm in ALGORITHMS if algorithm.schedule_lag is not None]


def name_of(value):
    """Return the test id of an algorithm or a space."""
    return value.model_class.__name__ if hasattr(value, "model_class") else type(value).__name__


def only(algorithms):
    """Run a test for some of the algorithms."""
    return pytest.mark.parametrize("algorithm", algorithms, ids=name_of)


def policies_and_spaces():
    """
    Pair every policy with observations and actions, differently for each algorithm.

    MlpPolicy and MlpLstmPolicy of an algorithm see all kinds of observations and of actions, those of PPO2 all pairs.
    """
    for shift, algorithm in enumerate(ALGORITHMS):
        for policy in algorithm.policies:
            observations = [IMAGE] if "Cnn" in policy else [BOX] if "Ln" in policy else OBSERVATIONS
            for number, observation_space in enumerate(observations, shift + ("Lstm" in policy)):
                all_pairs = algorithm.model_class is PPO2 and policy in ("MlpPolicy", "MlpLstmPolicy")
                chosen = algorithm.action_spaces[number % len(algorithm.action_spaces)]
                for action in algorithm.action_spaces if all_pairs else [chosen]:
                    yield pytest.param(algorithm, policy, observation_space, ACTIONS[action], id="-".join(
                        [name_of(algorithm), policy, name_of(observation_space), action]))


@pytest.mark.parametrize("algorithm, policy, observation_space, action_space", policies_and_spaces())
def test_policies_and_spaces(algorithm, policy, observation_space, action_space):
    model = build(algorithm, policy, make_env(observation_space, action_space, algorithm.n_envs))
    before = model.get_parameters()
    model.learn(algorithm.steps)
    assert changed_since(before, model) == {name for name in before if not re.search(algorithm.untrained, name)}
    assert all(np.isfinite(value).all() for value in model.get_parameters().values())

    obs = np.stack([observation_space.sample() for _ in range(5)])
    actions, _ = model.predict(obs)
    assert all(action_space.contains(action.astype(action_space.dtype)) for action in actions)
    if not algorithm.has_probabilities:
        for given in (None, actions):
            with pytest.raises(ValueError, match=f"policy of {name_of(algorithm)} is deterministic.*predict"):
                model.action_probability(obs, actions=given)
        return
    likelihood = model.action_probability(obs, actions=actions)
    assert likelihood.shape == (5, 1) and np.all(likelihood > 0)
    np.testing.assert_allclose(model.action_probability(obs, actions=actions, logp=True), np.log(likelihood), rtol=1e-4)


@pytest.mark.parametrize("action_space", ACTIONS.values(), ids=name_of)
def test_other_actions_are_refused(algorithm, action_space):
    if type(action_space).__name__ in algorithm.action_spaces:
        assert action_space == build(algorithm, env=make_env(BOX, action_space), _init_setup_model=False).action_space
    else:
        with pytest.raises(ValueError, match=f"action_space=.*: accepted by {name_of(algorithm)} is"):
            build(algorithm, env=make_env(BOX, action_space))


@only(RECURRENT)
def test_recurrent_policy(algorithm, tmp_path):
    """It predicts for any number of observations, and goes on with another number of environments."""
    model = build(algorithm, "MlpLstmPolicy")
    obs = np.random.RandomState(0).randn(5, 4)
    together, states = model.predict(obs, deterministic=True)
    assert states.shape == (5, 8)
    for row in range(5):
        alone, state = model.predict(obs[row], deterministic=True)
        assert alone == together[row]
        np.testing.assert_allclose(state, states[row:row + 1], atol=1e-6)
    # a mask forgets the state
    fresh = model.action_probability(obs)
    np.testing.assert_allclose(model.action_probability(obs, state=states, mask=[True] * 5), fresh, atol=1e-6)
    assert not np.allclose(model.action_probability(obs, state=states, mask=[False] * 5), fresh, atol=1e-6)
    with pytest.raises(ValueError, match="5 observations need as many states and masks, got 2 and 5"):
        model.predict(obs, state=states[:2])

    model.learn(algorithm.steps)
    model.save(str(tmp_path / "model"))
    loaded = algorithm.model_class.load(str(tmp_path / "model"), env=make_vec(algorithm, 2 * algorithm.n_envs))
    assert_same_parameters(model, loaded)
    loaded.learn(2 * algorithm.steps)
    assert loaded.num_timesteps == 2 * algorithm.steps
    assert "model/lstm1/wh:0" in changed_since(model.get_parameters(), loaded)


# name -> the factors of the learning rate, given what is left of the training after each of four updates
SCHEDULES = {
    "constant": lambda left: [1, 1, 1, 1],
    "linear": lambda left: left,
    "double_linear_con": lambda left: [2 * left[0] - 1, .125, .125, .125],
    "middle_drop": lambda left: [left[0], .075, .075, .075],
    "double_middle_drop": lambda left: [left[0], .075, .075, .125],
}


@only(WITH_SCHEDULES)
def test_learning_rate_schedules(algorithm, tmp_path):
    model = build(algorithm, n_steps=10, learning_rate=1e-2)
    left = 1 - (np.array([20, 40, 60, 80]) - algorithm.schedule_lag) / 80
    for schedule, expected in SCHEDULES.items():
        model.lr_schedule, model.tensorboard_log = schedule, str(tmp_path / schedule)
        for _ in range(2):  # each training begins the schedule anew
            model.learn(80)
        np.testing.assert_allclose(read_scalars(tmp_path / schedule, "input_info/learning_rate"),
                                   np.tile(expected(left), 2) * 1e-2, rtol=1e-6, atol=1e-9, err_msg=schedule)
        assert model.learning_rate == 1e-2 and model.lr_schedule == schedule


@only(WITH_SCHEDULES)
def test_unknown_schedule(algorithm):
    with pytest.raises(ValueError, match="unknown schedule 'exponential', the named schedules are: constant"):
        build(algorithm, lr_schedule="exponential")


@only([algorithm for algorithm in ALGORITHMS if algorithm.threads_argument])
def test_number_of_threads(algorithm):
    name = algorithm.threads_argument
    with pytest.warns(DeprecationWarning, match="use n_cpu_tf_sess"):
        model = algorithm.model_class("MlpPolicy", make_vec(algorithm), _init_setup_model=False, **{name: 2})
    assert model.n_cpu_tf_sess == getattr(model, name) == 2
    assert algorithm.model_class("MlpPolicy", make_vec(algorithm), _init_setup_model=False).n_cpu_tf_sess == 1


# the columns that say how long episodes are, and what their rewards sum up to
LENGTHS = ("EpLenMean", "ep_len_mean", "mean_episode_length", "eplenmean", "rollout/episode_steps")
REWARDS = ("EpTrueRewMean", "EpRewMean", "ep_reward_mean", "mean_episode_reward", "ep_rewmean", "rollout/return",
           "mean 100 episode reward")


def test_report(algorithm, tmp_path):
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        build(algorithm, verbose=1, **algorithm.report_kwargs).learn(5 * 100, log_interval=2)
    table = logger.read_csv(str(tmp_path / "progress.csv"))
    assert set(table.columns) == algorithm.report
    for name, values in algorithm.reported.items():
        assert list(table[name]) == values, name
    lengths, rewards = [[table[name] for name in names if name in table] for names in (LENGTHS, REWARDS)]
    if algorithm.env_id.startswith("CartPole"):  # which gives 1 per step
        assert rewards[0].iloc[-1] > 5 and all(list(length) == list(rewards[0]) for length in lengths)
    else:
        assert set(lengths[0]) == {10} and rewards[0].iloc[-1] < -10


@only([algorithm for algorithm in ALGORITHMS if not algorithm.model_class.requires_vec_env])
def test_the_environment_may_be_used_between_two_calls(algorithm):
    """An evaluation leaves an episode that has ended, where a Monitor refuses to step; others go on where they were."""
    env = Monitor(make(algorithm.env_id), None)
    model = build(algorithm, env=env)
    model.learn(algorithm.steps)
    evaluate_policy(model, env, n_eval_episodes=1)
    model.learn(algorithm.steps, reset_num_timesteps=False)
    assert model.num_timesteps >= 2 * algorithm.steps
