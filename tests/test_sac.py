"""SAC: its policies, densities of actions, forms of the temperature, the noise that it draws, reports, refusals."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import assert_same_parameters, changed_since, make_env, read_scalars, record_calls
from stable_baselines import SAC
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.tf_layers import dense
from stable_baselines.sac import sac
from stable_baselines.sac.policies import LOG_STD_MAX, LOG_STD_MIN, FeedForwardPolicy, MlpPolicy, SACPolicy

BOX = spaces.Box(low=-1, high=1, shape=(4,), dtype=np.float32)
ACTIONS = spaces.Box(low=np.float32([-2, 0]), high=np.float32([.5, 10]), dtype=np.float32)
TORQUE = spaces.Box(low=-1, high=3, shape=(1,), dtype=np.float32)
SMALL = dict(learning_starts=8, batch_size=8, seed=0, n_cpu_tf_sess=1, policy_kwargs=dict(layers=[8]))


def make_model(policy="MlpPolicy", action_space=ACTIONS, **kwargs):
    """Build a small model."""
    return SAC(policy, make_env(BOX, action_space), **dict(SMALL, **kwargs))


def set_gaussian(model, mean, log_std):
    """Let the policy be the same Gaussian for all observations."""
    pi = {name: np.zeros_like(value) for name, value in model.get_parameters().items() if name.startswith("model/pi/")}
    pi["model/pi/dense/bias:0"], pi["model/pi/dense_1/bias:0"] = np.float32(mean), np.float32(log_std)
    model.load_parameters(pi, exact_match=False)


# ---------------------------------------------------------------- probabilities of actions


def test_probabilities_are_mean_and_deviation_before_squashing():
    model = make_model()
    set_gaussian(model, [.5, 40.], [np.log(3.), -1.])
    mean, std = model.action_probability(np.zeros((3, 4)))
    np.testing.assert_allclose(mean, [[.5, 40.]] * 3)
    np.testing.assert_allclose(std, [[3., np.exp(-1.)]] * 3, rtol=1e-6)
    mean, std = model.action_probability(np.zeros(4))
    assert mean.shape == std.shape == (2,)


def test_density_by_hand():
    """The action 2.2 of [-1, 3] is .6 of [-1, 1] and tanh of log 2, where the slope of tanh is .64."""
    model = make_model(action_space=TORQUE)
    set_gaussian(model, [0.], [0.])
    gaussian = np.exp(-.5 * np.log(2) ** 2) / np.sqrt(2 * np.pi)
    density = model.action_probability(np.zeros((2, 4)), actions=[[2.2], [1.]])
    np.testing.assert_allclose(density, [[gaussian / .64 / 2], [1 / np.sqrt(2 * np.pi) / 2]], rtol=1e-5)
    logp = model.action_probability(np.zeros((2, 4)), actions=np.array([2.2]), logp=True)
    np.testing.assert_allclose(logp, [[np.log(gaussian / .64 / 2)]] * 2, rtol=1e-5)


def test_density_integrates_to_one():
    model = make_model(action_space=TORQUE)
    set_gaussian(model, [.7], [.2])
    edges = np.linspace(-1, 3, 4001)
    middles = (edges[1:] + edges[:-1])[:, None] / 2
    density = model.action_probability(np.zeros((4000, 4)), actions=middles)
    np.testing.assert_allclose(density.sum() * 4 / 4000, 1, rtol=2e-3)
    # and is that of the samples
    sampled = model.predict(np.zeros((5000, 4)), deterministic=False)[0]
    np.testing.assert_allclose(np.mean(sampled < 2), density[:3000].sum() * 4 / 4000, atol=.02)


def test_density_is_finite_at_the_bounds_and_zero_outside():
    model = make_model()
    set_gaussian(model, [30., -30.], [-3., -3.])
    action, _ = model.predict(np.zeros(4))
    np.testing.assert_array_equal(action, [.5, 0.])  # rounded
    assert np.isfinite(model.action_probability(np.zeros(4), actions=action, logp=True))
    assert model.action_probability(np.zeros(4), actions=[.6, 1.]) == 0
    assert model.action_probability(np.zeros(4), actions=[.6, 1.], logp=True) == -np.inf
    with pytest.raises(ValueError, match="as many actions are needed as observations"):
        model.action_probability(np.zeros((3, 4)), actions=np.zeros((2, 2)))


def test_prediction_samples_only_if_asked_to():
    model = make_model()
    obs = np.zeros((1000, 4))
    set_gaussian(model, [.3, -.3], [-1., -1.])
    actions, _ = model.predict(obs)
    np.testing.assert_allclose(actions, [[-.75 + 1.25 * np.tanh(.3), 5 - 5 * np.tanh(.3)]] * 1000, rtol=1e-5)
    actions, _ = model.predict(obs, deterministic=False)
    assert actions.dtype == np.float32 and len(np.unique(actions)) == 2000
    normal = np.arctanh((actions - [-.75, 5]) / [1.25, 5])
    np.testing.assert_allclose(normal.mean(axis=0), [.3, -.3], atol=.05)
    np.testing.assert_allclose(normal.std(axis=0), [np.exp(-1)] * 2, atol=.05)


def test_the_deviation_is_bounded():
    model = make_model()
    for log_std, expected in ((100., LOG_STD_MAX), (-100., LOG_STD_MIN)):
        set_gaussian(model, [0., 0.], [log_std] * 2)
        np.testing.assert_allclose(np.log(model.action_probability(np.zeros(4))[1]), [expected] * 2, rtol=1e-6)


# ---------------------------------------------------------------- temperature


@pytest.mark.parametrize("given, value, is_learned", [
    ("auto", 1., True), ("auto_0.1", .1, True), ("auto_2", 2., True), (.3, .3, False), (0, 0., False),
    ("0.3", .3, False), (np.float32(.5), .5, False)])
def test_forms_of_ent_coef(given, value, is_learned, tmp_path):
    assert sac.read_ent_coef(given) == (value, is_learned)
    model = make_model(ent_coef=given)
    parameters = model.get_parameters()
    assert ("model/log_ent_coef:0" in parameters) == is_learned
    if is_learned:
        np.testing.assert_allclose(parameters["model/log_ent_coef:0"], np.log(value), atol=1e-6)
    model.learn(20)
    model.save(str(tmp_path / "model"))
    loaded = SAC.load(str(tmp_path / "model"))
    assert loaded.ent_coef == model.ent_coef == given and type(loaded.ent_coef) is type(given)
    assert_same_parameters(model, loaded)


@pytest.mark.parametrize("wrong", ["auto_", "auto_0", "auto_-1", "automatic", "auto_nan", "high", -1., np.nan, np.inf,
                                   None, True, [.1]])
def test_other_ent_coefs_are_refused(wrong):
    with pytest.raises(ValueError, match="ent_coef=.*: accepted is a number from 0 on, 'auto', or 'auto_'"):
        make_model(ent_coef=wrong)


@pytest.mark.parametrize("wrong", ["autos", None, np.nan, [1, 2]])
def test_other_target_entropies_are_refused(wrong):
    with pytest.raises(ValueError, match="target_entropy=.*: accepted is 'auto' or a number"):
        make_model(target_entropy=wrong)


def test_target_update_interval_is_a_positive_integer():
    with pytest.raises(ValueError, match="target_update_interval=0: accepted is a positive integer"):
        make_model(target_update_interval=0)


@pytest.mark.parametrize("target_entropy, expected", [("auto", -2.), (-.5, -.5), (3, 3.), ("-1.5", -1.5)])
def test_target_entropy(target_entropy, expected):
    """The temperature's loss is linear in it; all else of the first gradient step is the same."""
    first = []
    for given in (0., target_entropy):
        model = make_model(target_entropy=given, ent_coef="auto_2")
        calls = record_calls(model, "_train_once")
        model.learn(8)
        first.append(calls[0][1])
        assert model.target_entropy == given
    np.testing.assert_allclose(first[1].ent_coef_loss - first[0].ent_coef_loss, -np.log(2) * expected, rtol=1e-4)
    assert first[0][:5] == first[1][:5] and first[0].ent_coef == pytest.approx(2)


def test_the_temperature_rises_while_there_is_too_little_entropy():
    model = make_model()
    set_gaussian(model, [0., 0.], [-15.] * 2)
    model.learn(40)
    low = model.get_parameters()["model/log_ent_coef:0"]
    model = make_model(target_entropy=-100.)
    model.learn(40)
    assert low > 0 > model.get_parameters()["model/log_ent_coef:0"]


# ---------------------------------------------------------------- training


def test_gradient_steps_are_counted():
    model = make_model(train_freq=4, gradient_steps=3)
    model.learn(40)
    assert model.n_updates == 3 * len(range(8, 41, 4))
    model = make_model(train_freq=4, gradient_steps=3)
    before = model.get_parameters()
    model.learn(7)
    assert model.n_updates == 0 and changed_since(before, model) == set()


def test_tensorboard_does_not_change_a_training(tmp_path):
    models = [make_model(tensorboard_log=log).learn(60) for log in (None, str(tmp_path))]
    assert_same_parameters(*models)
    for tag in sac.LossesAuto._fields:
        assert len(read_scalars(tmp_path, "loss/" + tag)) == models[0].n_updates


class Linear(SACPolicy):
    """A custom policy: linear functions of any name, and its own draws."""

    def make_actor(self, obs=None, reuse=False, scope="actor"):
        with tf.variable_scope(scope, reuse=reuse):
            self.act_mu = dense(obs, self.ac_space.shape[0])
        self.std = .1 * tf.ones_like(self.act_mu)
        self.entropy = tf.zeros_like(self.act_mu[:, 0])
        self.policy = tf.tanh(self.act_mu + tf.random_normal(tf.shape(self.act_mu), stddev=.1, seed=3))
        self.deterministic_policy = tf.tanh(self.act_mu)
        return self.deterministic_policy, self.policy, self.entropy

    def make_critics(self, obs=None, action=None, reuse=False, scope="critics", create_vf=True, create_qf=True):
        with tf.variable_scope(scope, reuse=reuse):
            if create_vf:
                self.value_fn = dense(obs, 1, name="value")
            if create_qf:
                self.qf1, self.qf2 = (dense(tf.concat([obs, action], axis=-1), 1, name=name) for name in ("one", "two"))
        return self.qf1, self.qf2, self.value_fn


def test_custom_policies_may_draw_and_name_their_variables_as_they_like(tmp_path):
    model = make_model(Linear, policy_kwargs=None)
    before = model.get_parameters()
    layers = ["model/actor/dense", "model/critics/value", "model/critics/one", "model/critics/two"]
    assert list(before) == [f"{layer}/{name}:0" for layer in layers for name in ("kernel", "bias")] + [
        "model/log_ent_coef:0"] + [f"target/critics/value/{name}:0" for name in ("kernel", "bias")]
    model.learn(20)
    assert changed_since(before, model) == set(before)
    assert not np.array_equal(*model.predict(np.zeros((2, 4)), deterministic=False)[0])
    model.save(str(tmp_path / "model"))
    assert_same_parameters(model, SAC.load(str(tmp_path / "model")))


class Stubborn(MlpPolicy):
    """A custom policy that acts in its own way."""

    def step(self, obs, state=None, mask=None, deterministic=False):
        return np.full((len(obs), 2), .25, np.float32)


def test_a_custom_step_is_how_the_model_acts():
    model = make_model(Stubborn, learning_starts=0)
    model.learn(20)
    assert all(np.all(action == .25) for _, action, *_ in model.replay_buffer.storage)


def test_arguments_of_policies():
    model = make_model("LnMlpPolicy", policy_kwargs=dict(layers=[6, 5], act_fun=tf.nn.elu, reg_weight=.1))
    assert "model/pi/LayerNorm_1/gamma:0" in model.get_parameters()
    assert model.get_parameters()["model/values_fn/qf1/fc1/kernel:0"].shape == (6, 5)
    assert isinstance(model.policy_tf, FeedForwardPolicy) and model.policy_tf.reg_weight == .1
    with pytest.raises(ValueError, match="layers=.*: accepted is"):
        make_model(policy_kwargs=dict(layers=[]))
    with pytest.raises(ValueError, match="unknown keywords for policy"):
        make_model(policy_kwargs=dict(net_arch=[8]))


def test_names_of_stable_baselines_2_10():
    model = make_model(_init_setup_model=False)
    assert model.observations_ph is None
    model = make_model()
    for name, shape in dict(observations_ph=[None, 4], next_observations_ph=[None, 4], actions_ph=[None, 2],
                            rewards_ph=[None, 1], terminals_ph=[None, 1], learning_rate_ph=[], entropy=[],
                            processed_obs_ph=[None, 4], processed_next_obs_ph=[None, 4], value_fn=[None, 1],
                            value_target=[None, 1], deterministic_action=[None, 2], log_ent_coef=[]).items():
        assert getattr(model, name).shape.as_list() == shape, name
    assert list(model.infos_names) == list(sac.LossesAuto._fields)
    assert len(model.target_params) == 4 and isinstance(model.target_policy, SACPolicy)
    with pytest.raises(TypeError, match="use_sde.*Stable-Baselines3"):
        make_model(use_sde=True)
