"""ACKTR: policies and spaces, schedules, options, reports, and that it learns."""
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import BrightSide, HiddenVelocities, Pendulum, make_cartpoles, make_env, mean_reward
from stable_baselines import ACKTR, logger
from stable_baselines.acktr import run_atari
from stable_baselines.bench import Monitor
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.identity_env import IdentityEnv
from stable_baselines.common.policies import ActorCriticPolicy, FeedForwardPolicy
from stable_baselines.common.returns import gae
from stable_baselines.common.vec_env import DummyVecEnv, VecNormalize

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)


def changed_parameters(model, steps):
    """Train and return the names of the parameters that changed."""
    before = model.get_parameters()
    model.learn(steps)
    return {name for name, value in model.get_parameters().items() if not np.array_equal(before[name], value)}


def with_factors(model):
    """Return the names of the parameters that have Kronecker factors."""
    return {var.op.name for sides in model.optimizer.sides for var in sides.block.variables}


@pytest.mark.parametrize("space, observation_space", [
    (spaces.Discrete(3), BOX), (spaces.Discrete(2), spaces.MultiDiscrete([2, 4])),
    (spaces.Box(low=-2, high=.5, shape=(2,), dtype=np.float32), spaces.MultiBinary(4)),
    (spaces.MultiDiscrete([2, 3]), spaces.Discrete(4)), (spaces.MultiBinary(3), BOX)],
    ids=lambda space: type(space).__name__)
def test_all_spaces(space, observation_space):
    model = ACKTR("MlpPolicy", make_env(observation_space, space, 2), n_steps=4, learning_rate=.01)
    assert {"model/pi/w", "model/vf/w"} <= {name[:-2] for name in changed_parameters(model, 8 * 12)}
    assert all(np.isfinite(value).all() for value in model.get_parameters().values())
    actions, _ = model.predict(np.stack([observation_space.sample() for _ in range(5)]))
    assert all(space.contains(action.astype(space.dtype)) for action in actions)


@pytest.mark.parametrize("policy, without_factors", [
    ("MlpPolicy", set()),
    ("CnnPolicy", {"c1/b", "c2/b", "c3/b"}),  # reshaped before they are added
    ("MlpLstmPolicy", set()),
    ("MlpLnLstmPolicy", {"lstm1/gx", "lstm1/gh", "lstm1/gc"}),
    ("CnnLstmPolicy", {"c1/b", "c2/b", "c3/b"}),
    ("CnnLnLstmPolicy", {"c1/b", "c2/b", "c3/b", "lstm1/gx", "lstm1/gh", "lstm1/gc"})])
def test_all_policies(policy, without_factors):
    space = spaces.Box(low=0, high=255, shape=(36, 36, 1), dtype=np.uint8) if "Cnn" in policy else BOX
    model = ACKTR(policy, make_env(space, spaces.Discrete(2), 2), n_steps=3, learning_rate=.01, kfac_update=11,
                  policy_kwargs=dict(n_lstm=4) if "Lstm" in policy else {})
    trained = {name for name in model.get_parameters() if "/q/" not in name}  # the unused head has no gradient
    assert changed_parameters(model, 6 * 12) == trained
    assert all(np.isfinite(value).all() for value in model.get_parameters().values())
    assert {name[:-2] for name in trained} - with_factors(model) == {"model/" + name for name in without_factors}


class SharedPolicy(FeedForwardPolicy):
    """A shared network, then separate ones."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, net_arch=[8, dict(pi=[6], vf=[])], feature_extraction="mlp",
                                           act_fun=tf.nn.relu, **kwargs)


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
        assert {name[:-2] for name in changed_parameters(model, 8 * 12)} == names


def test_a_long_recurrent_rollout():
    """The loop over many steps hides the recurrent weights from K-FAC: they follow their gradient."""
    model = ACKTR("MlpLstmPolicy", make_env(BOX, spaces.Discrete(2)), n_steps=40, policy_kwargs=dict(n_lstm=4))
    assert "model/lstm1/wh" not in with_factors(model)
    assert "model/lstm1/wx" in with_factors(model)
    assert "model/lstm1/wh:0" in changed_parameters(model, 40 * 12)


def test_recurrent_policy_with_another_number_of_environments(tmp_path):
    model = ACKTR("MlpLstmPolicy", make_cartpoles(2), n_steps=4, policy_kwargs=dict(n_lstm=4), seed=0)
    model.learn(8)
    model.save(str(tmp_path / "model"))
    loaded = ACKTR.load(str(tmp_path / "model"), env=make_cartpoles(3))
    assert "model/lstm1/wh:0" in changed_parameters(loaded, 24)
    assert loaded.num_timesteps == 24


@pytest.mark.parametrize("policy, kwargs", [
    ("MlpPolicy", dict(async_eigen_decomp=True)), ("MlpLstmPolicy", dict(policy_kwargs=dict(n_lstm=8)))])
def test_same_seed_same_parameters(policy, kwargs):
    models = [ACKTR(policy, make_cartpoles(2), n_steps=5, seed=3, **kwargs) for _ in range(2)]
    for model in models:
        model.learn(10 * 20)
    first, second = [model.get_parameters() for model in models]
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])


def test_learning_rate_schedule():
    model = ACKTR("MlpPolicy", make_cartpoles(2), n_steps=10, learning_rate=.2)
    fed = []
    train, model._train_function = model._train_function, lambda *feeds: fed.append(feeds[4]) or train(*feeds)
    model.learn(80)
    np.testing.assert_allclose(fed, [.2 * (1 - used / 80) for used in (19, 39, 59, 79)])  # 'linear' is the default
    with pytest.raises(ValueError, match="unknown schedule 'exponential'"):
        ACKTR("MlpPolicy", make_cartpoles(1), lr_schedule="exponential")


def test_kfac_arguments_reach_the_optimiser():
    model = ACKTR("MlpPolicy", make_cartpoles(1), n_steps=2, kfac_clip=.02, kfac_update=3, max_grad_norm=.1)
    assert (model.optimizer.clip_kl, model.optimizer.kfac_update, model.optimizer.max_grad_norm) == (.02, 3, .1)
    for name, value in (("kfac_update", 0), ("kfac_clip", 0.)):
        with pytest.raises(ValueError, match=f"must be .*, got {value}"):
            ACKTR("MlpPolicy", make_cartpoles(1), **{name: value})


def test_gae_lambda():
    model = ACKTR("MlpPolicy", make_cartpoles(2), n_steps=30, gae_lambda=.8, gamma=.9, seed=0)
    offered = []
    train = model._train
    model._train = lambda rollout, *args: offered.append(rollout) or train(rollout, *args)
    model.learn(60)
    rollout, runner = offered[0], model.runner
    shape = (2, 30)
    last_values = model.value(runner.obs, None, None)
    _, returns = gae(rollout.true_reward.reshape(shape).T, rollout.values.reshape(shape).T,
                     rollout.masks.reshape(shape).T, last_values, runner.dones, .9, .8)
    # all but what depends on the value after the last step, which the update has changed
    done_later = np.maximum.accumulate(rollout.masks.reshape(shape)[:, ::-1], axis=1)[:, ::-1][:, 1:]
    assert done_later.any()
    np.testing.assert_allclose(rollout.returns.reshape(shape)[:, :-1][done_later], returns.T[:, :-1][done_later],
                               rtol=1e-4)


def test_number_of_threads():
    with pytest.warns(DeprecationWarning, match="use n_cpu_tf_sess"):
        model = ACKTR("MlpPolicy", make_cartpoles(1), nprocs=2)
    assert model.n_cpu_tf_sess == 2 and model.nprocs == 2
    assert ACKTR("MlpPolicy", make_cartpoles(1)).n_cpu_tf_sess == 1


def test_report(tmp_path):
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        env = make_cartpoles(2, lambda env: Monitor(env, None))
        ACKTR("MlpPolicy", env, n_steps=50, verbose=1).learn(5 * 100 + 99, log_interval=2)
    table = logger.read_csv(str(tmp_path / "progress.csv"))
    assert set(table.columns) == {"explained_variance", "fps", "nupdates", "policy_entropy", "policy_loss",
                                  "total_timesteps", "value_loss", "ep_len_mean", "ep_reward_mean"}
    assert list(table["nupdates"]) == [1, 2, 4]


def test_locals_of_later_steps():
    names = ({"update", "rollout", "returns", "masks", "true_reward"},
             {"policy_loss", "value_loss", "policy_entropy", "n_seconds", "fps"})
    offered = []
    ACKTR("MlpPolicy", make_cartpoles(1), n_steps=4).learn(
        12, callback=lambda locals_, _: offered.append([group <= set(locals_) for group in names]) is None)
    assert offered[0] == [False, False]
    assert offered[4] == offered[-1] == [True, True]


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

    monkeypatch.setattr(run_atari, "make_atari_env", make_atari_env)
    model = run_atari.train("Game-v4", num_timesteps=80, seed=3, num_cpu=2)
    assert made == [("Game-v4", 2, 3)]
    assert model.num_timesteps == 80 and model.seed == 3
    assert model.observation_space.shape == (36, 36, 4)


# ================================================================
# Learning
# ================================================================

def test_identity():
    def make():
        return IdentityEnv(4)

    model = ACKTR("MlpPolicy", DummyVecEnv([make] * 8), gamma=.5, ent_coef=0., seed=0)
    model.learn(8000)
    assert mean_reward(model, DummyVecEnv([make])) >= 90  # of 100


def test_images():
    model = ACKTR("CnnPolicy", DummyVecEnv([BrightSide] * 4), n_steps=8, gamma=.5, ent_coef=0., learning_rate=.05,
                  kfac_update=5, seed=1)
    env = DummyVecEnv([BrightSide])
    assert mean_reward(model, env) < 15  # of 20; guessing gives 10
    model.learn(2048)
    assert mean_reward(model, env) >= 18


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_cartpole(seed):
    """The tuned hyperparameters of the reference's zoo, and its number of steps: the learning rate falls to zero."""
    model = ACKTR("MlpPolicy", make_cartpoles(8), ent_coef=0., seed=seed)
    model.learn(1000000)
    assert mean_reward(model, make_cartpoles(1)) >= 450


def normalised_like(env, trained_in):
    """Normalise observations with the statistics of a training, rewards not at all."""
    env = VecNormalize(env, training=False, norm_reward=False)
    env.obs_rms = trained_in.obs_rms
    return env


@pytest.mark.slow
def test_pendulum():
    env = VecNormalize(DummyVecEnv([Pendulum] * 8))
    test_env = normalised_like(DummyVecEnv([Pendulum]), env)
    model = ACKTR("MlpPolicy", env, ent_coef=0., vf_coef=.5, gamma=.95, n_steps=32, gae_lambda=.95,
                  learning_rate=.06, lr_schedule="constant", seed=0)
    assert mean_reward(model, test_env) < -900
    model.learn(200000)
    assert mean_reward(model, test_env) > -500  # solved is about -170


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_cartpole_without_velocities(seed):
    env = VecNormalize(make_cartpoles(8, HiddenVelocities))
    model = ACKTR("MlpLstmPolicy", env, ent_coef=0., vf_coef=.5, learning_rate=.1, lr_schedule="constant",
                  kfac_clip=.01, policy_kwargs=dict(n_lstm=32), seed=seed)
    model.learn(300000)
    assert mean_reward(model, normalised_like(make_cartpoles(1, HiddenVelocities), env)) >= 400
