"""ACKTR: Kronecker factors, options, its command, and continuous control."""
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import (
    Pendulum,
    assert_same_parameters,
    changed_since,
    make_cartpoles,
    make_env,
    mean_reward,
    normalised_like,
    record_calls,
)
from stable_baselines import ACKTR
from stable_baselines.acktr import run_atari
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.policies import ActorCriticPolicy, FeedForwardPolicy
from stable_baselines.common.returns import gae
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)


def with_factors(model):
    """Return the names of the parameters that have Kronecker factors."""
    return {var.op.name for sides in model.optimizer.sides for var in sides.block.variables}


@pytest.mark.parametrize("policy, without_factors", [
    ("MlpPolicy", set()),
    ("CnnPolicy", {"c1/b", "c2/b", "c3/b"}),  # reshaped before they are added
    ("MlpLstmPolicy", set()),
    ("MlpLnLstmPolicy", {"lstm1/gx", "lstm1/gh", "lstm1/gc"}),
    ("CnnLstmPolicy", {"c1/b", "c2/b", "c3/b"}),
    ("CnnLnLstmPolicy", {"c1/b", "c2/b", "c3/b", "lstm1/gx", "lstm1/gh", "lstm1/gc"})])
def test_which_parameters_have_factors(policy, without_factors):
    space = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8) if "Cnn" in policy else BOX
    model = ACKTR(policy, make_env(space, spaces.Discrete(2), 2), n_steps=2,
                  policy_kwargs=dict(n_lstm=4) if "Lstm" in policy else {})
    trained = {var.op.name for var in model.params if "/q/" not in var.op.name}  # the unused head has no gradient
    assert trained - with_factors(model) == {f"model/{name}" for name in without_factors}


class SharedPolicy(FeedForwardPolicy):
    """A shared network, then separate ones."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, net_arch=[8, dict(pi=[6], vf=[])], feature_extraction="mlp", act_fun=tf.nn.relu,
                         **kwargs)


class OwnPolicy(ActorCriticPolicy):
    """A network of TensorFlow's own operations."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, **kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=True)
        with tf.variable_scope("model", reuse=reuse):
            filters = tf.get_variable("filters", [3, 3, 1, 2], initializer=tf.random_normal_initializer(seed=1))
            bias = tf.get_variable("filter_bias", [2], initializer=tf.zeros_initializer())
            image = tf.nn.conv2d(self.processed_obs, filters, strides=[1, 4, 4, 1], padding="SAME")
            features = tf.reshape(tf.nn.relu(tf.nn.bias_add(image, bias)), [-1, 9 * 9 * 2])
            weight = tf.get_variable("weight", [9 * 9 * 2, 5], initializer=tf.random_normal_initializer(.1, seed=2))
            offset = tf.get_variable("offset", [5], initializer=tf.zeros_initializer())
            self._build_heads(tf.tanh(tf.matmul(features, weight) + offset), features, init_scale=1.)
        self._setup_init()

    def step(self, obs, state=None, mask=None, deterministic=False):
        action, value, neglogp = self.sess.run(
            [self.deterministic_action if deterministic else self.action, self.value_flat, self.neglogp],
            {self.obs_ph: obs})
        return action, value, None, neglogp

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, {self.obs_ph: obs})

    def value(self, obs, state=None, mask=None):
        return self.sess.run(self.value_flat, {self.obs_ph: obs})


def test_custom_policies():
    image = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8)
    for policy, space, names in ((SharedPolicy, BOX, {"shared_fc0/w", "shared_fc0/b", "pi_fc0/w", "pi_fc0/b"}),
                                 (OwnPolicy, image, {"filters", "filter_bias", "weight", "offset"})):
        model = ACKTR(policy, make_env(space, spaces.Discrete(2), 2), n_steps=4, learning_rate=.01,
                      seed=0)  # a draw of filters that are not all dead
        names = {"model/" + name for name in names | {"pi/w", "pi/b", "vf/w", "vf/b"}}
        assert with_factors(model) == names
        before = model.get_parameters()
        model.learn(8 * 12)
        assert {name[:-2] for name in changed_since(before, model)} == names


def test_a_long_recurrent_rollout():
    """The loop over many steps hides the recurrent weights from K-FAC: they follow their gradient."""
    model = ACKTR("MlpLstmPolicy", make_env(BOX, spaces.Discrete(2)), n_steps=40, policy_kwargs=dict(n_lstm=4))
    assert "model/lstm1/wh" not in with_factors(model)
    assert "model/lstm1/wx" in with_factors(model)
    before = model.get_parameters()
    model.learn(40 * 12)
    assert "model/lstm1/wh:0" in changed_since(before, model)


def test_same_seed_same_parameters_with_a_thread_that_decomposes():
    models = [ACKTR("MlpPolicy", make_cartpoles(2), n_steps=5, seed=3, async_eigen_decomp=True) for _ in range(2)]
    for model in models:
        model.learn(10 * 20)
    assert_same_parameters(*models)


def test_kfac_arguments_reach_the_optimiser():
    model = ACKTR("MlpPolicy", make_cartpoles(1), n_steps=2, kfac_clip=.02, kfac_update=3, max_grad_norm=.1)
    assert (model.optimizer.clip_kl, model.optimizer.kfac_update, model.optimizer.max_grad_norm) == (.02, 3, .1)
    for name, value in (("kfac_update", 0), ("kfac_clip", 0.)):
        with pytest.raises(ValueError, match=f"{value}: accepted is"):
            ACKTR("MlpPolicy", make_cartpoles(1), **{name: value})


def test_gae_lambda():
    model = ACKTR("MlpPolicy", make_cartpoles(2), n_steps=30, gae_lambda=.8, gamma=.9, seed=0)
    trained = record_calls(model, "_train")
    model.learn(60)
    rollout, runner = trained[0][0][0], model.runner
    shape = (2, 30)
    last_values = model.value(runner.obs, None, None)
    _, returns = gae(rollout.rewards.reshape(shape).T, rollout.values.reshape(shape).T,
                     rollout.episode_starts.reshape(shape).T, last_values, runner.dones, .9, .8)
    # all but what depends on the value after the last step, which the update has changed
    done_later = np.maximum.accumulate(rollout.episode_starts.reshape(shape)[:, ::-1], axis=1)[:, ::-1][:, 1:]
    assert done_later.any()
    np.testing.assert_allclose(rollout.returns.reshape(shape)[:, :-1][done_later], returns.T[:, :-1][done_later],
                               rtol=1e-4)


def test_command_line_help():
    result = subprocess.run([sys.executable, "-W", "ignore", "-m", "stable_baselines.acktr.run_atari", "--help"],
                            stdout=subprocess.PIPE, text=True)
    assert result.returncode == 0
    for option in ("--env ENV", "BreakoutNoFrameskip-v4", "--seed SEED", "--num-timesteps NUM_TIMESTEPS"):
        assert option in result.stdout


def test_training_on_a_game(monkeypatch):
    image = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8)
    made = []

    def make_atari_env(*args):
        made.append(args)
        return make_env(image, spaces.Discrete(4), args[1])

    monkeypatch.setattr("stable_baselines.common.cmd_util.make_atari_env", make_atari_env)
    model = run_atari.train("Game-v4", num_timesteps=80, seed=3, num_cpu=2)
    assert made == [("Game-v4", 2, 3)]
    assert model.num_timesteps == 80 and model.seed == 3
    assert model.observation_space.shape == (36, 36, 4)


# ================================================================
# Learning
# ================================================================

@pytest.mark.slow
def test_pendulum():
    env = VecNormalize(DummyVecEnv([Pendulum] * 8))
    test_env = normalised_like(DummyVecEnv([Pendulum]), env)
    model = ACKTR("MlpPolicy", env, ent_coef=0., vf_coef=.5, gamma=.95, n_steps=32, gae_lambda=.95,
                  learning_rate=.06, lr_schedule="constant", seed=0)
    assert mean_reward(model, test_env) < -900
    model.learn(200000)
    assert mean_reward(model, test_env) > -500  # solved is about -170
