"""Every algorithm learns: every kind of action, images, control, memory. The thresholds are what was reached."""
import numpy as np
import pytest

from helpers import BrightSide, HiddenVelocities, Pendulum, make_cartpoles, mean_reward, normalised_like
from stable_baselines import A2C, ACER, ACKTR, DDPG, DQN, PPO1, PPO2, SAC, TD3, TRPO
from stable_baselines.common import gym_compat
from stable_baselines.common.callbacks import EvalCallback, StopTrainingOnRewardThreshold
from stable_baselines.common.evaluation import evaluate_policy
from stable_baselines.common.identity_env import (
    IdentityEnv,
    IdentityEnvBox,
    IdentityEnvMultiBinary,
    IdentityEnvMultiDiscrete,
)
from stable_baselines.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize

IDENTITY = {
    "Discrete": lambda: IdentityEnv(4), "MultiDiscrete": lambda: IdentityEnvMultiDiscrete(4),
    "MultiBinary2": lambda: IdentityEnvMultiBinary(2), "MultiBinary4": lambda: IdentityEnvMultiBinary(4),
    "Box": lambda: IdentityEnvBox(eps=0.5),
}
IDENTITY_A2C = dict(n_steps=2, learning_rate=2e-3, ent_coef=.1)
IDENTITY_ACER = dict(n_steps=5, learning_rate=1e-3, replay_start=100, buffer_size=1000)
IDENTITY_PPO2 = dict(learning_rate=1e-3, ent_coef=0.)
IDENTITY_TRPO = dict(timesteps_per_batch=256, max_kl=.05)


def cases(*rows):
    """Name the parameters of a test after the algorithm (and the task)."""
    return [pytest.param(*row, id="-".join(getattr(word, "__name__", word) for word in row[:2]
                                           if isinstance(word, (type, str)))) for row in rows]


@pytest.mark.parametrize("model_class, task, n_envs, steps, kwargs", cases(
    *[(A2C, task, 8, 10000, IDENTITY_A2C) for task in ("Discrete", "MultiDiscrete", "MultiBinary2", "Box")],
    *[(ACER, "Discrete", 4, 15000, dict(IDENTITY_ACER, trust_region=trust_region)) for trust_region in (True, False)],
    (ACKTR, "Discrete", 8, 8000, dict(ent_coef=0.)),
    (PPO2, "Discrete", 1, 5000, IDENTITY_PPO2),
    (DQN, "Discrete", 1, 2000, dict(learning_rate=1e-3, learning_starts=100, target_network_update_freq=100)),
    *[(model_class, "Box", 1, 1000, dict(learning_rate=3e-3, train_freq=1, gradient_steps=1))
      for model_class in (SAC, TD3)],
    *[(PPO2, task, 1, 10000, IDENTITY_PPO2) for task in ("MultiDiscrete", "MultiBinary4", "Box")],
    *[(TRPO, task, 1, 15000, IDENTITY_TRPO) for task in ("Discrete", "MultiDiscrete", "MultiBinary4", "Box")]))
def test_identity(model_class, task, n_envs, steps, kwargs):
    make = IDENTITY[task]
    model = model_class("MlpPolicy", DummyVecEnv([make] * n_envs), gamma=.5, seed=0, n_cpu_tf_sess=1, **kwargs)
    model.learn(steps)
    assert mean_reward(model, DummyVecEnv([make])) >= 90  # of 100


@pytest.mark.parametrize("model_class, steps, kwargs", cases(
    (A2C, 4096, dict(n_steps=8, gamma=.5, learning_rate=1e-3)),
    (ACER, 2048, dict(n_steps=8, gamma=.5, learning_rate=1e-3, replay_start=64, replay_ratio=2)),
    (ACKTR, 2048, dict(n_steps=8, gamma=.5, learning_rate=.05, kfac_update=5)),
    (PPO2, 2048, dict(n_steps=32, learning_rate=1e-3)),
    (DQN, 1000, dict(gamma=.5, learning_rate=1e-3, learning_starts=100, target_network_update_freq=100, train_freq=2))))
def test_images(model_class, steps, kwargs):
    kwargs = kwargs if model_class is DQN else dict(kwargs, ent_coef=0.)
    model = model_class("CnnPolicy", DummyVecEnv([BrightSide] * 4), seed=1, n_cpu_tf_sess=1, **kwargs)
    env = DummyVecEnv([BrightSide])
    assert mean_reward(model, env) < 15  # of 20; guessing gives 10
    model.learn(steps)
    assert mean_reward(model, env) >= 18


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model_class, steps, reward", cases(
    (A2C, 200000, 475), (ACER, 300000, 475),
    (ACKTR, 1000000, 450)))  # all of the zoo's steps: the learning rate falls to zero
def test_cartpole(model_class, steps, reward, seed):
    """The tuned hyperparameters of the reference's zoo; its 500,000 steps are not all needed."""
    model = model_class("MlpPolicy", make_cartpoles(8), ent_coef=0., seed=seed, n_cpu_tf_sess=1)
    model.learn(steps)
    assert mean_reward(model, make_cartpoles(1)) >= reward


@pytest.mark.parametrize("seed", range(3))
def test_cartpole_ppo1(seed):
    model = PPO1("MlpPolicy", make_cartpoles(1), lam=.9, gamma=.98, entcoeff=0., optim_epochs=8, seed=seed,
                 n_cpu_tf_sess=1)
    model.learn(60000)
    assert mean_reward(model, make_cartpoles(1)) >= 475


@pytest.mark.parametrize("seed", range(3))
def test_cartpole_ppo2(seed):
    model = PPO2("MlpPolicy", make_cartpoles(8), n_steps=32, nminibatches=4, noptepochs=10, lam=0.8, gamma=0.98,
                 ent_coef=0., learning_rate=lambda progress: progress * 1e-3, cliprange=lambda progress: progress * .2,
                 seed=seed, n_cpu_tf_sess=1)
    model.learn(60000)
    assert mean_reward(model, make_cartpoles(1)) >= 475


def test_images_trpo():
    model = TRPO("CnnPolicy", DummyVecEnv([BrightSide]), timesteps_per_batch=256, gamma=.5, max_kl=.05, seed=1,
                 n_cpu_tf_sess=1)
    env = DummyVecEnv([BrightSide])
    assert mean_reward(model, env) < 15
    model.learn(4096)
    assert mean_reward(model, env) >= 18


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cartpole_trpo(seed):
    """Train until an evaluation over 20 episodes shows that it is solved, for at most 150,000 steps."""
    env = make_cartpoles(1)
    env.seed(100)
    evaluation = EvalCallback(env, n_eval_episodes=20, eval_freq=10240, verbose=0,
                              callback_on_new_best=StopTrainingOnRewardThreshold(475))
    model = TRPO("MlpPolicy", make_cartpoles(1), gamma=.98, lam=.9, vf_stepsize=1e-3, vf_iters=10, seed=seed,
                 n_cpu_tf_sess=1)
    model.learn(150000, callback=evaluation)
    assert evaluation.best_mean_reward >= 475


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_pendulum_trpo(seed):
    """From -1300, what chance gets."""
    model = TRPO("MlpPolicy", DummyVecEnv([Pendulum]), gamma=.95, lam=.95, cg_damping=.1, vf_stepsize=1e-3, vf_iters=5,
                 seed=seed, n_cpu_tf_sess=1)
    model.learn(200000)
    assert mean_reward(model, DummyVecEnv([Pendulum])) >= -300


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("model_class, steps, reward, normalise, net_arch, kwargs", cases(
    (A2C, 600000, 475, False, ["lstm", dict(pi=[32], vf=[32])], dict(
        n_steps=16, learning_rate=4e-3, alpha=.95, gamma=.95, vf_coef=.05, max_grad_norm=2., lr_schedule="linear")),
    (ACER, 300000, 300, False, ["lstm", dict(pi=[32], vf=[32])], {}),
    (ACKTR, 300000, 400, True, None, dict(
        vf_coef=.5, learning_rate=.1, lr_schedule="constant", kfac_clip=.01))))
def test_cartpole_without_velocities(model_class, steps, reward, normalise, net_arch, kwargs, seed):
    env, test_env = make_cartpoles(8, HiddenVelocities), make_cartpoles(1, HiddenVelocities)
    if normalise:
        env = VecNormalize(env)
        test_env = normalised_like(test_env, env)
    model = model_class("MlpLstmPolicy", env, ent_coef=0., seed=seed, n_cpu_tf_sess=1,
                        policy_kwargs=dict(n_lstm=32, **(dict(net_arch=net_arch) if net_arch else {})), **kwargs)
    model.learn(steps)
    assert mean_reward(model, test_env) >= reward


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cartpole_without_velocities_ppo2(seed):
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


def dqn_of_the_zoo(env_id, seed, **kwargs):
    """Return DQN with the zoo's hyperparameters, and environments to evaluate it in."""
    envs = [DummyVecEnv([lambda: gym_compat.make(env_id)]) for _ in range(2)]
    envs[1].seed(100)
    return DQN("LnMlpPolicy", envs[0], learning_rate=1e-3, buffer_size=50000, policy_kwargs=dict(layers=[64]),
               seed=seed, n_cpu_tf_sess=1, **kwargs), envs[1]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cartpole_dqn(seed):
    """Train until an evaluation over 20 episodes shows that it is solved, for at most the zoo's 100,000 steps."""
    model, test_env = dqn_of_the_zoo("CartPole-v1", seed, prioritized_replay=True)
    evaluation = EvalCallback(test_env, n_eval_episodes=20, eval_freq=5000, verbose=0,
                              callback_on_new_best=StopTrainingOnRewardThreshold(475))
    model.learn(100000, callback=evaluation)
    assert evaluation.best_mean_reward >= 475


@pytest.mark.slow
def test_mountain_car_dqn():
    """
    Train for all of the zoo's 100,000 steps; published, of one agent: -134.5.

    It is chance whether a training finds the goal in time. Of seeds 0 to 5 three of the original's trainings end with
    at least -134, and two never see the goal; on TensorFlow 1.15 ours do the same.
    """
    finals = []
    for seed in range(4):
        model, test_env = dqn_of_the_zoo("MountainCar-v0", seed, param_noise=True, exploration_final_eps=.1)
        model.learn(100000)
        finals.append(evaluate_policy(model, test_env, n_eval_episodes=100)[0])
    assert max(finals) >= -134


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("model_class, kwargs", cases(
    (SAC, dict(gamma=.98, learning_rate=2e-3, tau=.01, learning_starts=500)),
    (TD3, dict(gamma=.95, learning_rate=3e-3, tau=.02, learning_starts=500, train_freq=1, gradient_steps=1,
               action_noise=NormalActionNoise([0.], .1))),))
def test_pendulum(model_class, kwargs, seed):
    """Within 10,000 steps; a policy that does nothing gets about -1500."""
    model = model_class("MlpPolicy", DummyVecEnv([Pendulum]), seed=seed, n_cpu_tf_sess=1, **kwargs)
    model.learn(10000)
    assert mean_reward(model, DummyVecEnv([Pendulum])) >= -200


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_mountain_car_ddpg(seed):
    """Train until an evaluation over 20 episodes shows that it is solved, for at most 300,000 steps."""
    envs = [DummyVecEnv([lambda: gym_compat.make("MountainCarContinuous-v0")]) for _ in range(2)]
    envs[1].seed(100)
    evaluation = EvalCallback(envs[1], n_eval_episodes=20, eval_freq=10000, verbose=0,
                              callback_on_new_best=StopTrainingOnRewardThreshold(90))
    model = DDPG("MlpPolicy", envs[0], buffer_size=5000, seed=seed, n_cpu_tf_sess=1,
                 action_noise=OrnsteinUhlenbeckActionNoise(np.zeros(1), .5 * np.ones(1)))
    model.learn(300000, callback=evaluation)
    assert mean_reward(model, envs[1]) >= 85
