"""Patterns that scripts written for Stable Baselines 2.10 follow, beyond the public interface."""
import inspect
import io
import re

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import make_cartpoles
from stable_baselines import A2C, ACER, ACKTR, PPO2, logger
from stable_baselines.bench import Monitor
from stable_baselines.common import base_class, gym_compat, old_names, tf_util
from stable_baselines.common.base_class import ActorCriticRLModel, SetVerbosity, TensorboardWriter
from stable_baselines.common.callbacks import BaseCallback
from stable_baselines.common.policies import ActorCriticPolicy, mlp_extractor, nature_cnn
from stable_baselines.common.runners import AbstractEnvRunner
from stable_baselines.common.schedules import get_schedule_fn
from stable_baselines.common.tf_layers import conv_to_fc, linear
from stable_baselines.common.vec_env import VecNormalize


class LikeFeedForward(ActorCriticPolicy):
    """A policy in the shape of ``FeedForwardPolicy``, through the protected names that it uses."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, net_arch=None, act_fun=tf.tanh,
                 cnn_extractor=nature_cnn, feature_extraction="cnn", **kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse,
                         scale=feature_extraction == "cnn")
        self._kwargs_check(feature_extraction, kwargs)
        with tf.variable_scope("model", reuse=reuse):
            features = conv_to_fc(self.processed_obs)
            pi_latent, vf_latent = mlp_extractor(features, net_arch or [8, dict(pi=[4], vf=[4])], act_fun)
            self._value_fn = linear(vf_latent, "vf", 1)
            self._proba_distribution, self._policy, self.q_value = self.pdtype.proba_distribution_from_latent(
                pi_latent, vf_latent, init_scale=0.01)
        self._setup_init()

    def step(self, obs, state=None, mask=None, deterministic=False):
        chosen = self.deterministic_action if deterministic else self.action
        action, value, neglogp = self.sess.run([chosen, self.value_flat, self.neglogp], {self.obs_ph: obs})
        return action, value, self.initial_state, neglogp

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, {self.obs_ph: obs})

    def value(self, obs, state=None, mask=None):
        return self.sess.run(self.value_flat, {self.obs_ph: obs})


@pytest.mark.parametrize("model_class", [PPO2, A2C, ACER, ACKTR])
def test_a_policy_in_the_shape_of_feed_forward_policy(model_class):
    model = model_class(LikeFeedForward, make_cartpoles(2), n_steps=8, seed=0,
                        policy_kwargs=dict(feature_extraction="mlp"))
    model.learn(32)
    assert model.predict(np.zeros(4))[0] in (0, 1)
    with pytest.raises(ValueError, match="unknown keywords for policy"):
        model_class(LikeFeedForward, "CartPole-v1", policy_kwargs=dict(feature_extraction="mlp", filters=3))


class MoreLosses(PPO2):
    """Adds to the graph what the superclass has built, and a summary."""

    def setup_model(self):
        super().setup_model()
        with self.graph.as_default():
            self.sum_of_losses = self.pg_loss + self.vf_loss * self.vf_coef - self.entropy * self.ent_coef
            tf.summary.scalar("more/sum", self.sum_of_losses)
            self.summary = tf.summary.merge_all()


def test_a_setup_model_of_ones_own():
    model = MoreLosses("MlpPolicy", make_cartpoles(2), n_steps=8, nminibatches=1, seed=0)
    rollout = model.runner.run()
    obs, returns, masks, actions, values, neglogpacs, states, ep_infos, true_reward = rollout
    feed = {model.train_model.obs_ph: obs, model.action_ph: actions, model.advs_ph: returns - values,
            model.rewards_ph: returns, model.learning_rate_ph: .1, model.clip_range_ph: .2,
            model.clip_range_vf_ph: .2, model.old_neglog_pac_ph: neglogpacs, model.old_vpred_ph: values}
    ours, theirs = model.sess.run([model.loss, model.sum_of_losses], feed)
    assert np.isclose(ours, theirs)
    assert model.sess.run([model.approxkl, model.clipfrac], feed) == pytest.approx([0, 0], abs=1e-9)


class OwnLearn(A2C):
    """Has a training loop of its own, from the parts that the base offers."""

    def learn(self, total_timesteps, callback=None, log_interval=100, tb_log_name="own", reset_num_timesteps=True):
        new_tb_log = self._init_num_timesteps(reset_num_timesteps)
        callback = self._init_callback(callback)
        with SetVerbosity(self.verbose), TensorboardWriter(self.graph, self.tensorboard_log, tb_log_name,
                                                           new_tb_log) as writer:
            self._setup_learn()
            callback.on_training_start(locals(), globals())
            for _ in range(total_timesteps // self.n_batch):
                callback.on_rollout_start()
                self.ep_info_buf.extend(self.runner.run(callback).ep_infos)
                callback.update_locals(locals())
                callback.on_rollout_end()
            callback.on_training_end()
        return self


class Names(BaseCallback):
    """Remembers the names in locals at the end."""

    def _on_step(self):
        return True

    def _on_training_end(self):
        self.names = set(self.locals)


def test_a_learn_of_ones_own(tmp_path):
    model, callback = OwnLearn("MlpPolicy", make_cartpoles(2, lambda env: Monitor(env, None)), seed=0,
                               tensorboard_log=str(tmp_path)), Names()
    model.learn(200, callback)
    assert {"writer", "new_tb_log", "mb_rewards", "total_timesteps"} <= callback.names
    assert model.num_timesteps == 200 and len(model.ep_info_buf) > 0
    assert [path.name for path in tmp_path.iterdir()] == ["own_1"]
    model.learn(100, reset_num_timesteps=False)
    assert model.num_timesteps == 300


class OwnSetup(ActorCriticRLModel):
    """Builds everything itself, as a class on the bases of 2.10 had to."""

    def __init__(self, policy, env, n_steps=5, _init_setup_model=True, **kwargs):
        super().__init__(policy=policy, env=env, requires_vec_env=True, _init_setup_model=_init_setup_model, **kwargs)
        self.n_steps = n_steps
        if _init_setup_model:
            self.setup_model()

    def _make_runner(self):
        raise NotImplementedError

    def setup_model(self):
        with SetVerbosity(self.verbose):
            self.graph = tf.Graph()
            with self.graph.as_default():
                self.set_random_seed(self.seed)
                self.sess = tf_util.make_session(num_cpu=self.n_cpu_tf_sess, graph=self.graph)
                self.n_batch = self.n_envs * self.n_steps
                model = self.policy(self.sess, self.observation_space, self.action_space, self.n_envs, 1, None,
                                    reuse=False, **self.policy_kwargs)
                self.params = tf_util.get_trainable_vars("model")
                self.act_model, self.step, self.proba_step = model, model.step, model.proba_step
                self.initial_state = model.initial_state
                self.sess.run(tf.global_variables_initializer())
                self._setup_load_operations()

    def learn(self, *args, **kwargs):
        return self

    def save(self, save_path, cloudpickle=False):
        data = dict(policy=self.policy, observation_space=self.observation_space, action_space=self.action_space,
                    n_envs=self.n_envs, policy_kwargs=self.policy_kwargs, n_steps=self.n_steps)
        self._save_to_file(save_path, data=data, params=self.get_parameters(), cloudpickle=cloudpickle)


def test_a_class_that_builds_everything_itself():
    model, file = OwnSetup("MlpPolicy", make_cartpoles(2), n_steps=7, seed=0), io.BytesIO()
    assert model.n_batch == 14
    model.save(file)
    file.seek(0)
    data, params = model._load_from_file(file)
    assert data["n_steps"] == 7 and list(params) == list(model.get_parameters())
    file.seek(0)
    loaded = OwnSetup.load(file, env=make_cartpoles(2))
    obs = np.ones((2, 4))
    np.testing.assert_array_equal(model.action_probability(obs), loaded.action_probability(obs))


def test_protected_helpers():
    model = A2C("MlpPolicy", VecNormalize(make_cartpoles(2)))
    assert model._vec_normalize_env is model.get_env()
    space = model.observation_space
    assert model._is_vectorized_observation(np.zeros((3, 4)), space)
    assert not model._is_vectorized_observation(np.zeros(4), space)
    with pytest.raises(ValueError, match="unexpected observation shape"):
        model._is_vectorized_observation(np.zeros(5), space)
    assert base_class._UnvecWrapper(make_cartpoles(1)).reset().shape == (4,)
    model.n_batch = 99
    assert model.n_batch == 99


def test_whatever_cliprange_vf_may_be_is_a_schedule():
    assert get_schedule_fn(None)(.5) is None
    assert get_schedule_fn(-1)(.5) == -1
    assert get_schedule_fn(lambda progress: 2 * progress)(.5) == 1


ATTRIBUTES = {
    PPO2: "action_ph advs_ph rewards_ph old_neglog_pac_ph old_vpred_ph learning_rate_ph clip_range_ph entropy vf_loss "
          "pg_loss approxkl clipfrac train_model act_model value step proba_step summary graph sess params",
    A2C: "learning_rate_ph actions_ph advs_ph rewards_ph pg_loss vf_loss entropy train_model step_model value step "
         "proba_step summary graph sess params",
    ACER: "action_ph done_ph reward_ph mu_ph learning_rate_ph polyak_model train_model step_model step proba_step "
          "summary graph sess params",
    ACKTR: "actions_ph advs_ph rewards_ph learning_rate_ph step_model train_model entropy pg_loss vf_loss optim step "
           "proba_step value summary graph sess params",
}


@pytest.mark.parametrize("model_class", ATTRIBUTES)
def test_attributes_are_none_before_the_graph_is_built(model_class):
    model = model_class("MlpPolicy", "CartPole-v1", _init_setup_model=False)
    for name in ATTRIBUTES[model_class].split() + ["initial_state", "episode_reward", "ep_info_buf"]:
        assert getattr(model, name) is None, name
    model.setup_model()
    for name in ATTRIBUTES[model_class].split():
        assert getattr(model, name) is not None, name
    assert getattr(model, "learning_rate_schedule", None) is None
    with pytest.raises(AttributeError, match="no_such_thing"):
        _ = model.no_such_thing
    model.learn(2 * model.n_batch)
    if model_class is not PPO2:
        assert 0 <= model.learning_rate_schedule.value_steps(0) <= model.learning_rate
    if model_class is ACER:
        assert model.n_act == 2


@pytest.mark.parametrize("module", sorted(old_names.TABLE))
def test_modules_offer_their_old_names(module):
    for home, names in old_names.TABLE[module].items():
        for name in names.split():
            exec(f"from stable_baselines.{module} import {name}; from stable_baselines.{home} import {name} as now; "
                 f"assert {name} is now")
    with pytest.raises(ImportError, match="no_such_name"):
        exec(f"from stable_baselines.{module} import no_such_name")


def test_runners_still_have_their_names():
    from stable_baselines.acer.acer_simple import EpisodeStats, Runner, strip  # noqa: F401
    from stable_baselines.ppo2.ppo2 import Runner as PPO2Runner
    from stable_baselines.ppo2.ppo2 import swap_and_flatten  # noqa: F401
    assert issubclass(PPO2Runner, AbstractEnvRunner) and issubclass(Runner, AbstractEnvRunner)


@pytest.mark.parametrize("model_class, name, advice", [
    (PPO2, "n_epochs", "noptepochs"), (PPO2, "batch_size", "nminibatches"), (PPO2, "clip_range", "cliprange"),
    (PPO2, "gae_lambda", "lam"), (A2C, "rms_prop_eps", "epsilon"), (A2C, "device", "TensorFlow")])
def test_names_of_stable_baselines3(model_class, name, advice):
    with pytest.raises(TypeError, match=f"{model_class.__name__}.*{name}.*Stable-Baselines3.*{advice}"):
        model_class("MlpPolicy", "CartPole-v1", **{name: 3})
    with pytest.raises(TypeError, match="no_such_argument"):
        model_class("MlpPolicy", "CartPole-v1", no_such_argument=3)
    assert ACKTR("MlpPolicy", "CartPole-v1", gae_lambda=.9).gae_lambda == .9  # where it is an argument


@pytest.mark.parametrize("model_class", [PPO2, A2C, ACER, ACKTR])
def test_what_is_said_of_names_of_stable_baselines3_is_true(model_class):
    own = inspect.signature(model_class.__init__).parameters
    for name, advice in model_class._names_of_sb3.items():
        for other in re.findall(r"here it is (\w+)(?:$|,)", advice):
            assert other in own, (name, advice)


def test_a_subclass_may_have_any_keywords():
    class OnDevice(A2C):
        def __init__(self, policy, env, **kwargs):
            self.device = kwargs.pop("device")
            super().__init__(policy, env, **kwargs)

    assert OnDevice("MlpPolicy", "CartPole-v1", device="cpu").device == "cpu"


@pytest.mark.parametrize("model_class", [PPO2, A2C, ACER, ACKTR])
def test_a_callback_may_replace_the_environment(model_class):
    def harder(locals_, globals_):
        if locals_["self"].num_timesteps == 24:
            locals_["self"].set_env(make_cartpoles(2))

    model = model_class("MlpPolicy", make_cartpoles(2), n_steps=8, seed=0, verbose=1)
    model.learn(64, callback=harder)
    assert model.num_timesteps == 64


def test_a_model_is_loaded_to_predict_with_any_number_of_environments(tmp_path):
    path = str(tmp_path / "model")
    PPO2("MlpPolicy", make_cartpoles(4), n_steps=5, nminibatches=4).save(path)
    model = PPO2.load(path, env=make_cartpoles(1))
    model.predict(model.get_env().reset())
    with pytest.raises(ValueError, match="nminibatches=4"):
        model.learn(20)


def test_what_a_save_of_ones_own_adds_comes_back():
    class WithHistory(A2C):
        def save(self, save_path, cloudpickle=False):
            self._save_to_file(save_path, dict(self._saved_data(), history=[1, 2]), self.get_parameters(), cloudpickle)

    file = io.BytesIO()
    WithHistory("MlpPolicy", "CartPole-v1").save(file)
    file.seek(0)
    assert WithHistory.load(file).history == [1, 2]
    for keyword in ("predict", "policy_base", "requires_vec_env", "history_of_nothing"):
        file.seek(0)
        with pytest.raises(TypeError, match=f"unknown arguments.*{keyword}"):
            WithHistory.load(file, **{keyword: 1})


def test_an_old_attribute_of_a_graph_of_ones_own_is_none():
    model = OwnSetup("MlpPolicy", make_cartpoles(2))
    assert model.step_model is model.act_model
    own = type("OwnPPO2", (PPO2,), dict(setup_model=OwnSetup.setup_model, set_random_seed=lambda self, seed: None))
    model = own("MlpPolicy", make_cartpoles(2), n_steps=8, nminibatches=1)
    assert model.graph is not None and model.pg_loss is None


@pytest.mark.parametrize("verbose, logger_level, gym_level", [(0, logger.DISABLED, logger.DISABLED), (1, 20, 30)])
def test_verbosity_during_learn(verbose, logger_level, gym_level):
    levels = []
    model = A2C("MlpPolicy", "CartPole-v1", verbose=verbose, seed=0)
    model.learn(5, callback=lambda *_: levels.append((logger.get_level(), gym_compat.get_log_level())))
    assert set(levels) == {(logger_level, gym_level)}
    assert (logger.get_level(), gym_compat.get_log_level()) == (20, 30)


@pytest.mark.parametrize("wrong", [2.5, -1, "100", None, True, float("nan")])
def test_a_number_of_steps_that_is_not_one(wrong):
    with pytest.raises(ValueError, match="total_timesteps=.*accepted is a whole number"):
        PPO2("MlpPolicy", "CartPole-v1", n_steps=8).learn(wrong)


def test_less_than_one_batch_warns():
    model = PPO2("MlpPolicy", make_cartpoles(2), n_steps=8)
    for each in (model, A2C("MlpPolicy", make_cartpoles(2), n_steps=8)):
        with pytest.warns(UserWarning, match="total_timesteps=15 is less than one batch of .* = 16") as seen:
            each.learn(15)
        assert [warning.filename for warning in seen] == [__file__]


def test_what_is_known_at_construction_is_refused_there():
    with pytest.raises(ValueError, match="nminibatches=3: accepted is a divisor"):
        PPO2("MlpPolicy", "CartPole-v1", n_steps=8, nminibatches=3)
    with pytest.raises(ValueError, match="nminibatches=4: accepted with a recurrent policy is a divisor"):
        PPO2("MlpLstmPolicy", make_cartpoles(2), n_steps=8, nminibatches=4)


def test_an_environment_given_by_its_id_has_a_monitor(tmp_path):
    with logger.ScopedConfigure(str(tmp_path), ["csv"]):
        model = PPO2("MlpPolicy", "CartPole-v1", verbose=1, seed=0)
        model.learn(128)
    assert logger.read_csv(str(tmp_path / "progress.csv"))["ep_reward_mean"][0] > 5
    assert [path.name for path in tmp_path.iterdir()] == ["progress.csv"]


def test_another_environment_begins_new_statistics():
    model = A2C("MlpPolicy", make_cartpoles(2, lambda env: Monitor(env, None)), seed=0)
    model.learn(200)
    assert len(model.ep_info_buf) > 0
    model.set_env(make_cartpoles(3))
    assert len(model.ep_info_buf) == 0 and model.episode_reward.shape == (3,)
    model.learn(15)
    assert len(model.ep_info_buf) == 0 and model.episode_reward.shape == (3,)
