"""A2C: schedules, policies and spaces, reports, and that it learns."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import BrightSide, HiddenVelocities, Pendulum, make_cartpoles, make_env, mean_reward
from stable_baselines import A2C, logger
from stable_baselines.bench import Monitor
from stable_baselines.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.identity_env import (
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
)
from stable_baselines.common.vec_env import DummyVecEnv

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)


@pytest.mark.parametrize("schedule, expected", [
    # the factors of the learning rate after 20, 40, 60 and 80 samples of 80, each less one sample
    ("constant", [1, 1, 1, 1]),
    ("linear", [1 - 19 / 80, 1 - 39 / 80, 1 - 59 / 80, 1 - 79 / 80]),
    ("double_linear_con", [1 - 38 / 80, .125, .125, .125]),
    ("middle_drop", [1 - 19 / 80, .075, .075, .075]),
    ("double_middle_drop", [1 - 19 / 80, .075, .075, .125])])
def test_learning_rate_schedules(schedule, expected):
    model = A2C("MlpPolicy", make_cartpoles(2), n_steps=10, learning_rate=1e-2, lr_schedule=schedule)
    fed = []
    train, model._train_function = model._train_function, lambda *feeds: fed.append(feeds[4]) or train(*feeds)
    for _ in range(2):  # each training begins the schedule anew
        model.learn(80)
    np.testing.assert_allclose(fed, np.tile(expected, 2) * 1e-2)
    assert model.learning_rate == 1e-2 and model.lr_schedule == schedule


def test_unknown_schedule():
    with pytest.raises(ValueError, match="unknown schedule 'exponential', the named schedules are: constant"):
        A2C("MlpPolicy", make_cartpoles(1), lr_schedule="exponential")


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
@pytest.mark.parametrize("space, observation_space", [
    (spaces.Discrete(3), BOX), (spaces.MultiDiscrete([2, 3]), spaces.Discrete(4)),
    (spaces.MultiBinary(3), spaces.MultiDiscrete([2, 4])),
    (spaces.Box(low=-2, high=.5, shape=(2,), dtype=np.float32), spaces.MultiBinary(4))],
    ids=lambda space: type(space).__name__)
def test_all_spaces(policy, space, observation_space):
    model = A2C(policy, make_env(observation_space, space, 2), n_steps=4,
                policy_kwargs=dict(n_lstm=4) if "Lstm" in policy else {})
    before = model.get_parameters()
    model.learn(16)
    assert any(not np.array_equal(before[name], value) for name, value in model.get_parameters().items())
    actions, _ = model.predict(np.stack([observation_space.sample() for _ in range(5)]))
    assert all(space.contains(action.astype(space.dtype)) for action in actions)


@pytest.mark.parametrize("policy", ["CnnPolicy", "CnnLstmPolicy", "CnnLnLstmPolicy", "MlpLnLstmPolicy"])
def test_the_other_policies_learn(policy):
    space = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8) if "Cnn" in policy else BOX
    model = A2C(policy, make_env(space, spaces.Discrete(2), 2), n_steps=4,
                policy_kwargs=dict(n_lstm=4) if "Lstm" in policy else {})
    before = model.get_parameters()
    model.learn(8)
    changed = {name for name, value in model.get_parameters().items() if not np.array_equal(before[name], value)}
    assert changed == {name for name in before if "/q/" not in name}  # only the unused q head has no gradient


def test_the_recurrent_state_goes_on_from_rollout_to_rollout():
    model = A2C("MlpLstmPolicy", make_cartpoles(2), n_steps=3, policy_kwargs=dict(n_lstm=4), seed=0)
    fed = []
    train, model._train_function = model._train_function, lambda *feeds: fed.append(feeds[5:]) or train(*feeds)
    states = []
    model.learn(12, callback=lambda locals_, _: states.append(locals_["states"].copy()) is None)
    (first_masks, first_state), (_, second_state) = fed
    np.testing.assert_array_equal(first_state, np.zeros((2, 8)))
    np.testing.assert_array_equal(second_state, states[2])
    assert second_state.any() and not first_masks.any()


def test_recurrent_policy_with_another_number_of_environments(tmp_path):
    model = A2C("MlpLstmPolicy", make_cartpoles(2), n_steps=4, policy_kwargs=dict(n_lstm=4), seed=0)
    model.save(str(tmp_path / "model"))
    loaded = A2C.load(str(tmp_path / "model"), env=make_cartpoles(3))
    before = loaded.get_parameters()
    loaded.learn(24)
    assert loaded.num_timesteps == 24
    assert any(not np.array_equal(before[name], value) for name, value in loaded.get_parameters().items())


def test_report(tmp_path):
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        env = make_cartpoles(2, lambda env: Monitor(env, None))
        A2C("MlpPolicy", env, n_steps=50, verbose=1).learn(5 * 100 + 99, log_interval=2)
    table = logger.read_csv(str(tmp_path / "progress.csv"))
    assert set(table.columns) == {"explained_variance", "fps", "nupdates", "policy_entropy", "total_timesteps",
                                  "value_loss", "ep_len_mean", "ep_reward_mean"}
    assert list(table["nupdates"]) == [1, 2, 4]  # five whole updates fit; reported are the first and every second
    assert list(table["total_timesteps"]) == [100, 200, 400]


def test_locals_of_later_steps():
    names = {"update", "rollout", "masks", "true_reward"}, {"value_loss", "policy_entropy", "n_seconds", "fps"}
    offered = []
    A2C("MlpPolicy", make_cartpoles(1), n_steps=4).learn(
        12, callback=lambda locals_, _: offered.append((names[0] <= set(locals_), names[1] <= set(locals_))) is None)
    assert offered[4] == (True, True) and offered[-1] == (True, True)
    assert offered[0] == (False, False)


def test_tensorboard_shows_the_losses_before_the_step(tmp_path):
    model = A2C("MlpPolicy", make_cartpoles(2), tensorboard_log=str(tmp_path), seed=0)
    returned, train = [], model._train
    model._train = lambda *args: returned.append(train(*args)) or returned[-1]
    model.learn(50)
    shown = [value.simple_value for events in (tmp_path / "A2C_1").glob("events*")
             for event in tf.train.summary_iterator(str(events)) for value in event.summary.value
             if value.tag == "loss/value_function_loss"]
    np.testing.assert_allclose(shown, [losses.value_loss for losses in returned], rtol=1e-6)
    assert len(shown) == 5


# ================================================================
# Learning
# ================================================================

class Follow(Env):
    """Continuous control: bring a point to a place that is shown, with bounded pushes."""

    observation_space = spaces.Box(low=-2, high=2, shape=(2,), dtype=np.float32)
    action_space = spaces.Box(low=-.5, high=.5, shape=(1,), dtype=np.float32)

    def __init__(self):
        self._random = np.random.RandomState(0)

    def seed(self, seed=None):
        self._random = np.random.RandomState(seed)
        return [seed]

    def reset(self):
        self._point, self._goal = self._random.uniform(-1, 1, 2)
        self._steps = 0
        return np.float32([self._point, self._goal])

    def step(self, action):
        self._steps += 1
        self._point = np.clip(self._point + action[0], -2, 2)
        return np.float32([self._point, self._goal]), -abs(self._point - self._goal), self._steps >= 20, {}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cartpole(seed):
    """The tuned hyperparameters of the reference's zoo; its 500,000 steps are not needed."""
    model = A2C("MlpPolicy", make_cartpoles(8), ent_coef=0., seed=seed, n_cpu_tf_sess=1)
    model.learn(200000)
    assert mean_reward(model, make_cartpoles(1)) >= 475


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cartpole_without_velocities(seed):
    model = A2C("MlpLstmPolicy", make_cartpoles(8, HiddenVelocities), n_steps=16, learning_rate=4e-3, alpha=.95,
                gamma=.95, vf_coef=.05, max_grad_norm=2., ent_coef=0., lr_schedule="linear", seed=seed,
                n_cpu_tf_sess=1, policy_kwargs=dict(n_lstm=32, net_arch=["lstm", dict(pi=[32], vf=[32])]))
    model.learn(600000)
    assert mean_reward(model, make_cartpoles(1, HiddenVelocities)) >= 475


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_pendulum(seed):
    """The reference's zoo's hyperparameters, until an evaluation shows control, for at most its 2,000,000 steps."""
    evaluation = EvalCallback(DummyVecEnv([Pendulum]), n_eval_episodes=20, eval_freq=100000 // 8, verbose=0,
                              callback_on_new_best=StopTrainingOnRewardThreshold(-300))  # solved is about -170
    model = A2C("MlpPolicy", DummyVecEnv([Pendulum] * 8), gamma=.95, ent_coef=0., seed=seed, n_cpu_tf_sess=1)
    assert mean_reward(model, evaluation.eval_env) < -1000
    model.learn(2000000, callback=evaluation)
    assert evaluation.best_mean_reward > -300


@pytest.mark.parametrize("make", [
    lambda: IdentityEnv(4), lambda: IdentityEnvMultiDiscrete(4), lambda: IdentityEnvMultiBinary(2),
    lambda: IdentityEnvBox(eps=0.5)], ids=["Discrete", "MultiDiscrete", "MultiBinary", "Box"])
def test_identity(make):
    model = A2C("MlpPolicy", DummyVecEnv([make] * 8), n_steps=2, learning_rate=2e-3, gamma=0.5, ent_coef=.1, seed=0,
                n_cpu_tf_sess=1)
    model.learn(10000)
    assert mean_reward(model, DummyVecEnv([make])) >= 90  # of 100


def test_continuous_control():
    model = A2C("MlpPolicy", DummyVecEnv([Follow] * 8), gamma=.9, ent_coef=0., learning_rate=2e-3, seed=0,
                n_cpu_tf_sess=1)
    env = DummyVecEnv([Follow])
    assert mean_reward(model, env) < -12
    model.learn(20000)
    assert mean_reward(model, env) > -5


def test_images():
    model = A2C("CnnPolicy", DummyVecEnv([BrightSide] * 4), n_steps=8, gamma=.5, ent_coef=0., learning_rate=1e-3,
                seed=1, n_cpu_tf_sess=1)
    env = DummyVecEnv([BrightSide])
    assert mean_reward(model, env) < 15  # of 20; guessing gives 10
    model.learn(4096)
    assert mean_reward(model, env) >= 18
