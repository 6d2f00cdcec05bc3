"""Policies: architectures and their variable names, custom policies, registration."""
import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import make_cartpoles, make_env
from stable_baselines import A2C, ACER, PPO2
from stable_baselines.common import policies, tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.input import observation_input
from stable_baselines.common.tf_layers import dense, flatten

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
IMAGE = spaces.Box(low=0, high=255, shape=(36, 36, 3), dtype=np.uint8)


def layers(policy, observation_space=BOX, **policy_kwargs):
    """Return the scopes of a policy's weights, in order, with their shapes."""
    model = PPO2(policy, make_env(observation_space, spaces.Discrete(2)), nminibatches=1, n_steps=4,
                 policy_kwargs=policy_kwargs)
    return [(name[len("model/"):-len("/w:0")], value.shape) for name, value in model.get_parameters().items()
            if name.endswith("/w:0")]


# what the original builds for the same arguments
@pytest.mark.parametrize("net_arch, expected", [
    ([8, 8], [("shared_fc0", (4, 8)), ("shared_fc1", (8, 8)), ("vf", (8, 1)), ("pi", (8, 2)), ("q", (8, 2))]),
    ([dict(vf=[3])], [("vf_fc0", (4, 3)), ("vf", (3, 1)), ("pi", (4, 2)), ("q", (3, 2))]),
    ([8, dict(vf=[5, 6], pi=[7])], [("shared_fc0", (4, 8)), ("pi_fc0", (8, 7)), ("vf_fc0", (8, 5)),
                                    ("vf_fc1", (5, 6)), ("vf", (6, 1)), ("pi", (7, 2)), ("q", (6, 2))]),
    ([], [("vf", (4, 1)), ("pi", (4, 2)), ("q", (4, 2))]),
    ([dict()], [("vf", (4, 1)), ("pi", (4, 2)), ("q", (4, 2))]),
])
def test_net_arch(net_arch, expected):
    assert layers("MlpPolicy", net_arch=net_arch) == expected


def test_layers_is_the_old_form():
    def old_form(policy, **policy_kwargs):
        with pytest.warns(DeprecationWarning, match=r"layers=\[5\] is deprecated, use net_arch"):
            return layers(policy, layers=[5], **policy_kwargs)

    net_arch = [dict(pi=[5], vf=[5])]
    assert old_form("MlpPolicy") == layers("MlpPolicy", net_arch=net_arch)
    assert old_form("MlpPolicy", net_arch=[]) == layers("MlpPolicy", net_arch=[])
    assert old_form("MlpLstmPolicy", n_lstm=3) == [("pi_fc0", (4, 5)), ("vf", (3, 1)), ("pi", (3, 2)), ("q", (3, 2))]


def test_net_arch_with_lstm():
    model = PPO2("MlpLnLstmPolicy", make_env(BOX, spaces.Discrete(2)), nminibatches=1, n_steps=4,
                 policy_kwargs=dict(n_lstm=16, net_arch=[8, "lstm", 7, dict(vf=[5, 10], pi=[10])]))
    shapes = {name: value.shape for name, value in model.get_parameters().items()}
    assert [name for name in shapes if name.endswith(("/w:0", "/wx:0"))] == [
        "model/shared_fc0/w:0", "model/lstm1/wx:0", "model/shared_fc2/w:0", "model/pi_fc0/w:0", "model/vf_fc0/w:0",
        "model/vf_fc1/w:0", "model/vf/w:0", "model/pi/w:0", "model/q/w:0"]
    assert shapes["model/shared_fc2/w:0"] == (16, 7) and shapes["model/lstm1/gx:0"] == (64,)


@pytest.mark.parametrize("policy, net_arch, reason", [
    ("MlpPolicy", 5, "this is not a list"),
    ("MlpPolicy", ["lstm"], "'lstm' is not a layer size"),
    ("MlpPolicy", [0], "0 is not a layer size"),
    ("MlpPolicy", [-3], "-3 is not a layer size"),
    ("MlpPolicy", [1.5], "1.5 is not a layer size"),
    ("MlpPolicy", [dict(vf=[3]), 4], "is not a layer size"),
    ("MlpPolicy", [dict(q=[3])], "only branches are 'pi' and 'vf'"),
    ("MlpPolicy", [dict(pi=5)], "must be a list"),
    ("MlpLstmPolicy", [8, 8], "'lstm' must occur once"),
    ("MlpLstmPolicy", ["lstm", "lstm"], "'lstm' must occur once"),
    ("MlpLstmPolicy", [8, "gru"], "'gru' is not a layer size"),
])
def test_refuses_a_bad_net_arch(policy, net_arch, reason):
    with pytest.raises(ValueError, match="net_arch=.*: accepted is a list of layer sizes.*; .*" + reason):
        layers(policy, net_arch=net_arch)


def test_other_bad_arguments():
    with pytest.raises(ValueError, match="unknown keywords.*foo"):
        layers("MlpPolicy", foo=1)
    with pytest.raises(ValueError, match="feature_extraction='rnn': accepted is 'cnn' or 'mlp'"):
        layers(policies.FeedForwardPolicy, feature_extraction="rnn")
    with pytest.raises(ValueError, match=r"shape \(4,\): accepted by nature_cnn are images.*at least 36 x 36"):
        layers("CnnPolicy")
    with pytest.raises(ValueError, match="accepted by nature_cnn are images"):
        layers("CnnPolicy", spaces.Box(low=0, high=255, shape=(20, 20, 1), dtype=np.uint8))


def test_wrong_spaces():
    with pytest.raises(TypeError, match="observation space.*not supported"):
        PPO2("MlpPolicy", make_env(spaces.Tuple((BOX, BOX)), spaces.Discrete(2)))
    with pytest.raises(TypeError, match="no probability distribution"):
        PPO2("MlpPolicy", make_env(BOX, IMAGE))


@pytest.mark.parametrize("action_space, action", [
    (spaces.Box(low=-1, high=1, shape=(1,), dtype=np.float32), .2),
    (spaces.Box(low=-1, high=1, shape=(2,), dtype=np.float32), [.2, .3]), (spaces.Discrete(3), 2),
    (spaces.MultiDiscrete([2, 3]), [1, 2]), (spaces.MultiBinary(2), [1, 0])], ids=str)
def test_probability_of_one_action_after_several_observations(action_space, action):
    model = PPO2("MlpPolicy", make_env(BOX, action_space), seed=0)
    obs = np.arange(12.).reshape(3, 4) / 12.
    for logp in (False, True):
        expected = [model.action_probability(each, actions=action, logp=logp) for each in obs]
        np.testing.assert_allclose(model.action_probability(obs, actions=action, logp=logp), expected, rtol=1e-5)


def test_observations_of_gymnasium_are_refused():
    model = PPO2("MlpPolicy", make_env(BOX, spaces.Discrete(2)))
    for use in (model.predict, model.action_probability):
        with pytest.raises(ValueError, match=r"the tuple \(obs, info\) of gymnasium; here is the classic interface"):
            use((np.zeros(4), {}))


def test_public_names_belong_to_the_public_module():
    """Pickled files refer to them there."""
    for name in ("nature_cnn", "mlp_extractor", "get_policy_from_name", "register_policy", "BasePolicy",
                 "ActorCriticPolicy", "RecurrentActorCriticPolicy", "LstmPolicy", "FeedForwardPolicy", "MlpPolicy"):
        assert getattr(policies, name).__module__ == "stable_baselines.common.policies"


def test_family_of_another_package(monkeypatch):
    """The closest family among the bases of a policy takes it."""
    class Family(policies.BasePolicy):
        """Base class of the policies of some algorithm."""

    class Member(Family):
        """One of them."""

    monkeypatch.setitem(policies._policy_registry, Family, {})
    policies.register_policy("MlpPolicy", Member)
    assert policies.get_policy_from_name(Family, "MlpPolicy") is Member
    assert policies.get_policy_from_name(policies.ActorCriticPolicy, "MlpPolicy") is policies.MlpPolicy


def test_registration():
    class Custom(policies.FeedForwardPolicy):
        """A policy with a name."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, net_arch=[3], feature_extraction="mlp", **kwargs)

    policies.register_policy("TestPoliciesCustom", Custom)
    policies.register_policy("TestPoliciesCustom", Custom)  # the same again is no conflict
    assert policies.get_policy_from_name(policies.ActorCriticPolicy, "TestPoliciesCustom") is Custom
    assert layers("TestPoliciesCustom")[0] == ("shared_fc0", (4, 3))
    with pytest.raises(ValueError, match="already registered"):
        policies.register_policy("MlpPolicy", Custom)
    with pytest.raises(ValueError, match="subclass of BasePolicy"):
        policies.register_policy("Integer", int)
    with pytest.raises(ValueError, match="base_policy_type=.*: accepted is a family"):
        policies.get_policy_from_name(int, "MlpPolicy")


class FromTheDocs(policies.ActorCriticPolicy):
    """The custom policy of the documentation: everything redefined, ``sess.run`` in its methods."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, **kwargs):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse, scale=True)
        with tf.variable_scope("model", reuse=reuse):
            features = flatten(policies.nature_cnn(self.processed_obs, **kwargs))
            pi_latent = tf.nn.relu(dense(features, 12, name="pi_fc0"))
            vf_latent = tf.nn.relu(dense(features, 7, name="vf_fc0"))
            self._value_fn = dense(vf_latent, 1, name="vf")
            self._proba_distribution, self._policy, self.q_value = \
                self.pdtype.proba_distribution_from_latent(pi_latent, vf_latent, init_scale=0.01)
        self._setup_init()

    def step(self, obs, state=None, mask=None, deterministic=False):
        action = self.deterministic_action if deterministic else self.action
        action, value, neglogp = self.sess.run([action, self.value_flat, self.neglogp], {self.obs_ph: obs})
        return action, value, self.initial_state, neglogp

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, {self.obs_ph: obs})

    def value(self, obs, state=None, mask=None):
        return self.sess.run(self.value_flat, {self.obs_ph: obs})


def test_custom_policy_of_the_docs(tmp_path):
    model = PPO2(FromTheDocs, make_env(IMAGE, spaces.Discrete(3), n_envs=2), n_steps=8, nminibatches=2)
    before = model.get_parameters()
    model.learn(16)
    assert any(not np.array_equal(before[name], value) for name, value in model.get_parameters().items())
    obs = np.stack([IMAGE.sample()] * 3)
    assert model.predict(obs)[0].shape == (3,)
    np.testing.assert_allclose(model.action_probability(obs).sum(axis=1), np.ones(3), rtol=1e-5)
    model.save(str(tmp_path / "model"))
    loaded = PPO2.load(str(tmp_path / "model"), policy=FromTheDocs)
    np.testing.assert_array_equal(loaded.action_probability(obs), model.action_probability(obs))


def test_custom_policy_with_tf_layers_and_contrib():
    """The code of the reference's documentation, as it stands there, on the TensorFlow that has these parts."""
    if int(tf.__version__.split(".")[0]) >= 2:
        pytest.skip("TensorFlow 2 has no tf.layers and tf.contrib, see the test of the advice")
    import tensorflow

    class WithLayers(FromTheDocs):
        """Built with tf.layers."""

        def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False, **kwargs):
            policies.ActorCriticPolicy.__init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=reuse,
                                                scale=True)
            with tensorflow.variable_scope("model", reuse=reuse):
                features = tensorflow.layers.flatten(policies.nature_cnn(self.processed_obs, **kwargs))
                latent = tensorflow.nn.relu(tensorflow.layers.dense(features, 12, name="pi_fc0"))
                latent = tensorflow.contrib.layers.layer_norm(latent, center=True, scale=True)
                self._value_fn = tensorflow.layers.dense(latent, 1, name="vf")
                self._proba_distribution, self._policy, self.q_value = \
                    self.pdtype.proba_distribution_from_latent(latent, latent, init_scale=0.01)
            self._setup_init()

    model = PPO2(WithLayers, make_env(IMAGE, spaces.Discrete(3), n_envs=2), n_steps=8, nminibatches=2)
    before = model.get_parameters()
    assert "model/LayerNorm/beta:0" in before and "model/pi_fc0/kernel:0" in before
    model.learn(16)
    after = model.get_parameters()
    assert not np.array_equal(before["model/pi_fc0/kernel:0"], after["model/pi_fc0/kernel:0"])


@pytest.mark.parametrize("outdated", [
    lambda features: tf.contrib.layers.layer_norm(features),
    lambda features: __import__("tensorflow").layers.dense(features, 3),
    lambda features: __import__("tensorflow.contrib.layers"), lambda features: features.shape[1].value,
    lambda features: __import__("tensorflow").get_variable("w", (3, 3))])
def test_networks_written_for_tensorflow_1_get_advice(outdated):
    if int(tf.__version__.split(".")[0]) < 2:
        pytest.skip("TensorFlow 1 has tf.layers, tf.contrib and tf.get_variable: such networks run unchanged")

    class Outdated(policies.FeedForwardPolicy):
        """Uses what TensorFlow 2 no longer has."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, feature_extraction="cnn", cnn_extractor=outdated, **kwargs)

    with pytest.raises((AttributeError, ImportError), match="stable_baselines.common.tf_layers.*dense, conv, flatten"):
        PPO2(Outdated, make_env(BOX, spaces.Discrete(2)))


def test_other_attribute_errors_stay_as_they_are():
    class Broken(policies.MlpPolicy):
        """Has a mistake of its own."""

        def __init__(self, *args, **kwargs):
            raise AttributeError("no such thing")

    with pytest.raises(AttributeError, match="^no such thing$"):
        PPO2(Broken, make_env(BOX, spaces.Discrete(2)))


class CustomLstm(policies.RecurrentActorCriticPolicy):
    """A recurrent network of a user's own, built for exactly n_env environments."""

    def __init__(self, sess, ob_space, ac_space, n_env, n_steps, n_batch, reuse=False):
        super().__init__(sess, ob_space, ac_space, n_env, n_steps, n_batch, (2 * 3,), reuse=reuse)
        with tf.variable_scope("model", reuse=reuse):
            sequence = tf_util.batch_to_seq(self.processed_obs, self.n_env, n_steps)
            masks = tf_util.batch_to_seq(self.dones_ph, self.n_env, n_steps)
            outputs, self.snew = policies.lstm(sequence, masks, self.states_ph, "lstm", n_hidden=3)
            latent = tf_util.seq_to_batch(outputs)
            self._value_fn = policies.linear(latent, "vf", 1)
            self._proba_distribution, self._policy, self.q_value = \
                self.pdtype.proba_distribution_from_latent(latent, latent)
        self._setup_init()

    def _feed(self, obs, state, mask):
        return {self.obs_ph: obs, self.states_ph: state, self.dones_ph: mask}

    def step(self, obs, state=None, mask=None, deterministic=False):
        return self.sess.run([self.action, self.value_flat, self.snew, self.neglogp], self._feed(obs, state, mask))

    def proba_step(self, obs, state=None, mask=None):
        return self.sess.run(self.policy_proba, self._feed(obs, state, mask))

    def value(self, obs, state=None, mask=None):
        return self.sess.run(self.value_flat, self._feed(obs, state, mask))


def test_custom_recurrent_policy_with_another_number_of_environments():
    model = PPO2(CustomLstm, make_env(BOX, spaces.Discrete(2), n_envs=2), n_steps=4, nminibatches=1)
    model.learn(8)
    before = model.get_parameters()
    model.set_env(make_env(BOX, spaces.Discrete(2), n_envs=3))
    for name, value in model.get_parameters().items():
        np.testing.assert_array_equal(value, before[name])
    model.learn(12)


def test_rebuilt_model_keeps_the_state_of_its_training():
    model = ACER(CustomLstm, make_env(BOX, spaces.Discrete(2), n_envs=2), n_steps=4, replay_ratio=0, seed=0)
    model.learn(32)
    before, averages = variables(model), [variable.name for variable in model.averages]
    model.set_env(make_env(BOX, spaces.Discrete(2), n_envs=3))
    after = variables(model)
    assert set(after) == set(before) and any("RMSProp" in name for name in before) and set(averages) <= set(before)
    for name, value in after.items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    np.testing.assert_raises(AssertionError, np.testing.assert_array_equal, before[averages[0]],
                             model.get_parameters()[model.params[0].name])  # these two do differ
    model.learn(12)


def variables(model):
    """Return all variables of a model by name."""
    return model.sess.run({variable.name: variable for variable in
                           model.graph.get_collection(tf.GraphKeys.GLOBAL_VARIABLES)})


@pytest.mark.parametrize("policy", ["MlpLstmPolicy", "MlpLnLstmPolicy"])
@pytest.mark.parametrize("n_steps", [20, 40])  # unrolled, and as a loop
def test_training_sees_what_was_acted_on(policy, n_steps):
    """Episodes end within the segments, and the second one begins with a state of the first."""
    kwargs = dict(n_steps=n_steps, policy_kwargs=dict(n_lstm=4), seed=0)
    model = A2C(policy, make_cartpoles(2), **kwargs)
    model.runner.run()
    rollout = model.runner.run()
    neglogp, values = model.sess.run([model.neglogp, model.train_model.value_flat],
                                     model._train_function.feed_dict(model._batch(rollout, 0.)))
    assert rollout.episode_starts.any()
    np.testing.assert_allclose(neglogp, rollout.neglogp, atol=1e-5)
    np.testing.assert_allclose(values, rollout.values, atol=1e-5)

    model = ACER(policy, make_cartpoles(2), **kwargs)
    model.runner.run()
    segment = model.runner.run()
    proba = model.sess.run(model.train_model.policy_proba, model._train_function.feed_dict(model._batch(segment, 0.)))
    assert segment.dones.any()
    np.testing.assert_allclose(proba.reshape(2, n_steps + 1, 2)[:, :-1], segment.mus, atol=1e-5)


@pytest.mark.parametrize("space, observation, expected", [
    (spaces.Discrete(3), [2, 0], [[0, 0, 1], [1, 0, 0]]),
    (spaces.MultiDiscrete([2, 3]), [[1, 0]], [[0, 1, 1, 0, 0]]),
    (spaces.MultiBinary(2), [[1, 0]], [[1., 0.]]),
    (spaces.Box(low=0, high=4, shape=(2,), dtype=np.float64), [[1, 4]], [[.25, 1.]]),
    (spaces.Box(low=-np.inf, high=np.inf, shape=(1,), dtype=np.float32), [[7.]], [[7.]]),
    (spaces.Box(low=0, high=255, shape=(1, 1, 1), dtype=np.uint8), [[[[51]]]], [[[[.2]]]]),
])
def test_observation_input(space, observation, expected):
    with tf_util.make_graph(0).as_default(), tf_util.single_threaded_session():
        placeholder, processed = observation_input(space, scale=True)
        assert placeholder.shape.as_list()[0] is None and processed.dtype == tf.float32
        np.testing.assert_allclose(tf_util.function([placeholder], processed)(observation), expected, rtol=1e-6)


@pytest.mark.parametrize("policy", ["MlpPolicy", "MlpLstmPolicy"])
def test_predict_asks_for_actions_alone_and_draws_as_step_does(policy):
    predicting, stepping = [PPO2(policy, make_cartpoles(2), n_steps=4, nminibatches=1, seed=0, n_cpu_tf_sess=1)
                            for _ in range(2)]
    obs = np.random.RandomState(0).normal(size=(2, 4)).astype(np.float32)
    state, mask = predicting.initial_state, None if predicting.initial_state is None else np.zeros(2, bool)
    for deterministic in (False, True, False, False, True, False):
        actions, new_state = predicting.predict(obs, state, mask, deterministic=deterministic)
        expected, _, expected_state, _ = stepping.step(obs, state, mask, deterministic=deterministic)
        np.testing.assert_array_equal(actions, expected)
        np.testing.assert_array_equal(new_state, expected_state)
        state = new_state
    assert not any('value_flat' in outputs for outputs in predicting.act_model._functions)


def test_predict_uses_a_step_of_the_users():
    model = PPO2("MlpPolicy", make_cartpoles(2), n_steps=4, nminibatches=1)
    model.step = lambda obs, state, mask, deterministic: (np.array([7]), None, 'state', None)
    assert model.predict(np.zeros(4, np.float32)) == (7, 'state')


def act_always(number):
    """Make a decorator of ``step`` that replaces the actions."""
    def decorate(step):
        @functools.wraps(step)
        def wrapped(*args, **kwargs):
            actions, *others = step(*args, **kwargs)
            return (np.full_like(actions, number), *others)
        return wrapped
    return decorate


class AlwaysRight(policies.MlpPolicy):
    step = act_always(1)(policies.MlpPolicy.step)


def test_predict_uses_a_decorated_step():
    obs = np.random.RandomState(0).normal(size=(20, 4))
    model = PPO2(AlwaysRight, make_cartpoles(1), n_steps=4, nminibatches=1)
    assert (model.predict(obs)[0] == 1).all()
    model = PPO2("MlpPolicy", make_cartpoles(1), n_steps=4, nminibatches=1)
    model.step = model.act_model.step = act_always(0)(model.step)
    assert (model.predict(obs)[0] == 0).all()
