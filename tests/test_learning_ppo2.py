"""PPO2 learns: control, images, memory, every kind of action."""
import pytest

from helpers import BrightSide, HiddenVelocities, make_cartpoles, mean_reward
from stable_baselines import PPO2
from stable_baselines.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines.common.identity_env import (
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
)
from stable_baselines.common.vec_env import DummyVecEnv


@pytest.mark.parametrize("seed", range(3))
def test_cartpole(seed):
    model = PPO2("MlpPolicy", make_cartpoles(8), n_steps=32, nminibatches=4, noptepochs=10, lam=0.8, gamma=0.98,
                 ent_coef=0., learning_rate=lambda progress: progress * 1e-3, cliprange=lambda progress: progress * .2,
                 seed=seed, n_cpu_tf_sess=1)
    model.learn(60000)
    assert mean_reward(model, make_cartpoles(1)) >= 475


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cartpole_without_velocities(seed):
    """Train until an evaluation over 20 episodes shows that it is solved, for at most 300,000 steps."""
    env = make_cartpoles(1, HiddenVelocities)
    env.seed(100)
    evaluation = EvalCallback(env, n_eval_episodes=20, eval_freq=10000 // 8, verbose=0,
                              callback_on_new_best=StopTrainingOnRewardThreshold(475))
    model = PPO2("MlpLstmPolicy", make_cartpoles(8, HiddenVelocities), n_steps=64, nminibatches=4, noptepochs=10,
                 ent_coef=0., learning_rate=lambda progress: progress * 3e-3, seed=seed, n_cpu_tf_sess=1,
                 policy_kwargs=dict(n_lstm=32, net_arch=["lstm", dict(pi=[32], vf=[32])]))
    model.learn(300000, callback=evaluation)
    assert evaluation.best_mean_reward >= 475


def test_images():
    model = PPO2("CnnPolicy", DummyVecEnv([BrightSide] * 4), n_steps=32, ent_coef=0., learning_rate=1e-3, seed=1,
                 n_cpu_tf_sess=1)
    env = DummyVecEnv([BrightSide])
    assert mean_reward(model, env) < 15  # of 20; guessing gives 10
    model.learn(2048)
    assert mean_reward(model, env) >= 18


@pytest.mark.parametrize("env_class, n_steps", [
    (IdentityEnv, 5000), (IdentityEnvMultiDiscrete, 10000), (IdentityEnvMultiBinary, 10000), (IdentityEnvBox, 10000)])
def test_identity(env_class, n_steps):
    env = DummyVecEnv([lambda: env_class(eps=0.5) if env_class is IdentityEnvBox else env_class(4)])
    model = PPO2("MlpPolicy", env, learning_rate=1e-3, gamma=0.5, ent_coef=0., seed=0, n_cpu_tf_sess=1)
    model.learn(n_steps)
    assert mean_reward(model, env) >= 90  # of 100
