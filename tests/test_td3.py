"""TD3: its policies, actions within bounds, reports, old names, refusals."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import Pendulum, assert_same_parameters, make_env, read_scalars
from stable_baselines import TD3, td3
from stable_baselines.common import noise, tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.tf_layers import dense
from stable_baselines.td3.policies import FeedForwardPolicy, MlpPolicy, TD3Policy

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
ACTIONS = spaces.Box(low=np.float32([-2, 0]), high=np.float32([.5, 10]), dtype=np.float32)
SMALL = dict(learning_starts=8, train_freq=4, gradient_steps=4, batch_size=8, seed=0, n_cpu_tf_sess=1)


def make_model(policy="MlpPolicy", **kwargs):
    """Build a small model."""
    return TD3(policy, make_env(BOX, ACTIONS), **dict(SMALL, **kwargs))


def test_the_noises_can_be_imported_from_here():
    assert td3.NormalActionNoise is noise.NormalActionNoise
    assert td3.OrnsteinUhlenbeckActionNoise is noise.OrnsteinUhlenbeckActionNoise


def test_actions_are_scaled_to_the_space():
    model = make_model()
    bias = next(param for param in model.params if param.name == "model/pi/dense/bias:0")
    for value, expected in ((100., ACTIONS.high), (-100., ACTIONS.low)):
        model.load_parameters({bias.name: np.full(2, value)}, exact_match=False)
        action, state = model.predict(np.zeros(4))
        assert state is None and action.dtype == np.float32
        np.testing.assert_array_equal(action, expected)
        assert model.policy_tf.step(np.zeros((1, 4))).tolist() == [[np.sign(value)] * 2]
        assert model.policy_tf.proba_step(np.zeros((1, 4))).tolist() == [[np.sign(value)] * 2]


def test_the_memory_holds_scaled_actions_of_the_warm_up_too():
    model = make_model(learning_starts=1000)
    model.learn(100)
    actions = np.array([action for _, action, *_ in model.replay_buffer.storage])
    assert actions.min() >= -1 and actions.max() <= 1
    assert np.all(np.abs(actions.mean(axis=0)) < .2) and np.all(actions.std(axis=0) > .5)  # uniform


def test_random_exploration_replaces_the_policy_at_its_rate():
    model = make_model(random_exploration=.25, learning_starts=0, learning_rate=0., buffer_size=2000)
    model.load_parameters({"model/pi/dense/bias:0": np.full(2, 100.)}, exact_match=False)
    model.learn(1000)
    is_random = [not np.all(action == 1) for _, action, *_ in model.replay_buffer.storage]
    assert .2 < np.mean(is_random) < .3


class Linear(TD3Policy):
    """A custom policy: linear functions."""

    def make_actor(self, obs=None, reuse=False, scope="actor"):
        with tf.variable_scope(scope, reuse=reuse):
            self.policy = dense(self.processed_obs if obs is None else obs, self.ac_space.shape[0], tf.tanh)
        return self.policy

    def make_critics(self, obs=None, action=None, reuse=False, scope="critics"):
        with tf.variable_scope(scope, reuse=reuse):
            inputs = tf.concat([self.processed_obs if obs is None else obs, action], axis=-1)
            return dense(inputs, 1, name="first"), dense(inputs, 1, name="second")


def test_custom_policies_may_name_their_variables_as_they_like(tmp_path):
    model = make_model(Linear, policy_delay=1)
    before = model.get_parameters()
    assert list(before) == [f"{net}/{layer}/{name}:0" for net in ("model", "target") for layer in (
        "actor/dense", "critics/first", "critics/second") for name in ("kernel", "bias")]
    model.learn(16)
    assert all(not np.array_equal(before[name], value) for name, value in model.get_parameters().items())
    model.save(str(tmp_path / "model"))
    assert_same_parameters(model, TD3.load(str(tmp_path / "model")))


class Wide(FeedForwardPolicy):
    """The example of the reference."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs, layers=[40, 30], layer_norm=False, feature_extraction="mlp")


def test_layers_of_a_custom_policy():
    shapes = {name: value.shape for name, value in make_model(Wide).get_parameters().items()}
    assert shapes["model/pi/fc0/kernel:0"] == (4, 40) and shapes["model/pi/fc1/kernel:0"] == (40, 30)
    assert shapes["target/values_fn/qf2/fc0/kernel:0"] == (6, 40)
    for wrong in (dict(layers=[]), dict(layers=[0]), dict(layers=64)):
        with pytest.raises(ValueError, match="layers=.*accepted is a list"):
            make_model(MlpPolicy, policy_kwargs=wrong)
    with pytest.raises(ValueError, match="unknown keywords"):
        make_model(MlpPolicy, policy_kwargs=dict(net_arch=[64]))


def test_reports_train_nothing():
    """The loss of the actor in a report is a tensor of its own: that of the training waits for the critics' step."""
    model = make_model()
    model.learn(16)
    batch = model.replay_buffer.sample(8)
    before = model.get_parameters()
    feed = model._train_all.feed_dict(td3.td3.Batch(
        batch.obs, batch.actions, batch.rewards[:, None], batch.next_obs, batch.dones[:, None], np.zeros((8, 2)), 1.))
    with model.graph.as_default():
        model.sess.run([model.summary, model.policy_loss, model.policy_tf.qf1, model.policy_tf.qf2, model.losses], feed)
    for name, value in model.get_parameters().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)


def test_values_of_the_policys_own_actions():
    """As in the original, the policy keeps what its critics say of the actions that its actor chooses."""
    model = make_model()
    obs = np.random.RandomState(0).randn(5, 4)
    read = tf_util.function([model.policy_tf.obs_ph], [model.policy_tf.qf1, model.policy_loss], session=model.sess)
    values, loss = read(obs)
    critics = tf_util.function([model.observations_ph, model.actions_ph], list(model.q_values), session=model.sess)
    np.testing.assert_allclose(values, critics(obs, model.policy_tf.step(obs))[0], atol=1e-6)
    np.testing.assert_allclose(loss, -values.mean(), rtol=1e-6)


def test_tensorboard_tags_are_those_of_the_original(tmp_path):
    make_model(tensorboard_log=str(tmp_path), learning_rate=1e-3).learn(24)
    for tag in ("policy_loss", "qf1_loss", "qf2_loss", "learning_rate"):
        values = read_scalars(tmp_path, "loss/" + tag)
        assert len(values) == 5 and np.isfinite(values).all()  # a value for each round of gradient steps
    np.testing.assert_allclose(values, 1e-3)


def test_old_names_show_the_placeholders():
    model = make_model(_init_setup_model=False)
    assert model.observations_ph is None and model.rewards_ph is None
    model.setup_model()
    shapes = {name: getattr(model, name).shape.as_list() for name in TD3._old_names}
    assert shapes == dict(
        observations_ph=[None, 4], next_observations_ph=[None, 4], processed_obs_ph=[None, 4],
        processed_next_obs_ph=[None, 4], actions_ph=[None, 2], rewards_ph=[None, 1], terminals_ph=[None, 1],
        learning_rate_ph=[])


def test_names_of_stable_baselines3_say_what_to_do():
    with pytest.raises(TypeError, match="optimize_memory_usage.*here"):
        TD3("MlpPolicy", make_env(BOX, ACTIONS), optimize_memory_usage=True)


def test_the_same_seed_learns_the_same_on_the_swing_up():
    """The original does not repeat: its steps race."""
    models = [TD3("MlpPolicy", Pendulum(), action_noise=noise.NormalActionNoise([0.], .1), **SMALL).learn(400)
              for _ in range(2)]
    assert_same_parameters(*models)
