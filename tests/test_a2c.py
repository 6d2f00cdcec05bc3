"""A2C: its recurrent state, its summaries, and continuous control."""
import numpy as np
import pytest

from helpers import Pendulum, make_cartpoles, mean_reward, read_scalars, record_calls, record_locals
from stable_baselines import A2C
from stable_baselines.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines.common.gym_compat import Env, spaces
from stable_baselines.common.vec_env import DummyVecEnv


def test_the_recurrent_state_goes_on_from_rollout_to_rollout():
    model = A2C("MlpLstmPolicy", make_cartpoles(2), n_steps=3, policy_kwargs=dict(n_lstm=4), seed=0)
    trained = record_calls(model, "_train_function")
    seen = record_locals(model, 12, "states")
    first, second = [batch for (batch,), _ in trained]
    np.testing.assert_array_equal(first.states, np.zeros((2, 8)))
    np.testing.assert_array_equal(second.states, seen[2]["states"])
    assert second.states.any() and not first.episode_starts.any()


def test_tensorboard_shows_the_losses_before_the_step(tmp_path):
    model = A2C("MlpPolicy", make_cartpoles(2), tensorboard_log=str(tmp_path), seed=0)
    trained = record_calls(model, "_train")
    model.learn(50)
    shown = read_scalars(tmp_path / "A2C_1", "loss/value_function_loss")
    np.testing.assert_allclose(shown, [losses.value_loss for _, losses in trained], rtol=1e-6)
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
@pytest.mark.parametrize("seed", range(2))
def test_pendulum(seed):
    """The reference's zoo's hyperparameters, until an evaluation shows control, for at most its 2,000,000 steps."""
    evaluation = EvalCallback(DummyVecEnv([Pendulum]), n_eval_episodes=20, eval_freq=100000 // 8, verbose=0,
                              callback_on_new_best=StopTrainingOnRewardThreshold(-300))  # solved is about -170
    model = A2C("MlpPolicy", DummyVecEnv([Pendulum] * 8), gamma=.95, ent_coef=0., seed=seed, n_cpu_tf_sess=1)
    assert mean_reward(model, evaluation.eval_env) < -1000
    model.learn(2000000, callback=evaluation)
    assert evaluation.best_mean_reward > -300


def test_continuous_control():
    model = A2C("MlpPolicy", DummyVecEnv([Follow] * 8), gamma=.9, ent_coef=0., learning_rate=2e-3, seed=0,
                n_cpu_tf_sess=1)
    env = DummyVecEnv([Follow])
    assert mean_reward(model, env) < -12
    model.learn(20000)
    assert mean_reward(model, env) > -5
