"""SAC's losses, and its parameters after 1, 2 and 10 updates: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, FixedBatch, FixedNoise, assert_parameters, build_model, group, load_arrays
from stable_baselines import SAC
from stable_baselines.common import tf_util
from stable_baselines.sac import policies, sac

SAC_CASES = sorted(name for name in CASES if name.startswith("sac_"))


def evaluate(*tensors):
    """Compute tensors of constants."""
    with tf.Session() as sess:
        return sess.run(tensors)


@pytest.fixture(autouse=True)
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def test_gaussian_by_hand():
    log_std = tf.constant(np.log([[1., 2.], [.5, 1.]]).astype(np.float32))
    likelihood, entropy = evaluate(
        policies.gaussian_likelihood(tf.constant([[1., 4.], [0., 0.]]), tf.constant([[0., 0.], [1., 0.]]), log_std),
        policies.gaussian_entropy(log_std))
    both = np.log(2 * np.pi)
    np.testing.assert_allclose(likelihood, [-.5 * (1 + 4) - np.log(2) - both, -.5 * 4 + np.log(2) - both], rtol=1e-5)
    np.testing.assert_allclose(entropy, [np.log(2) + both + 1, -np.log(2) + both + 1], rtol=1e-6)


def test_squashing_by_hand():
    """tanh(log 2) = .6 and tanh(log 3) = .8, where its slopes are .64 and .36."""
    mean, sample, logp = evaluate(*policies.apply_squashing_func(
        tf.constant([[0., np.log(2.)]]), tf.constant([[np.log(2.), -np.log(3.)]]), tf.constant([-1.])))
    np.testing.assert_allclose(mean, [[0., .6]], rtol=1e-6)
    np.testing.assert_allclose(sample, [[.6, -.8]], rtol=1e-6)
    np.testing.assert_allclose(logp, [-1 - np.log(.64) - np.log(.36)], rtol=1e-5)


def test_squashing_is_finite_where_it_saturates():
    logp = evaluate(policies.apply_squashing_func(tf.zeros([1, 2]), tf.constant([[50., 0.]]), tf.constant([0.]))[2])
    np.testing.assert_allclose(logp, [[-np.log(np.float32(1. + 1e-6) - 1.)]], rtol=1e-6)


def test_clipping_passes_gradients():
    values = tf.constant([-3., -1., .5, 2.])
    clipped = policies.clip_but_pass_gradient(values)
    result, gradient = evaluate(clipped, tf.gradients(tf.square(clipped), values)[0])
    np.testing.assert_array_equal(result, [-1., -1., .5, 1.])
    np.testing.assert_array_equal(gradient, [-2., -2., 1., 2.])  # 2 * clipped * 1
    np.testing.assert_array_equal(evaluate(policies.clip_but_pass_gradient(values, 0., 1.))[0], [0., 0., .5, 1.])


def test_critics_by_hand():
    next_values = tf.constant([[4.], [4.]])
    targets = sac.q_target(tf.constant([[1.], [2.]]), tf.constant([[0.], [1.]]), next_values, gamma=.5)
    assert tf.gradients(targets, next_values) == [None]
    targets, loss = evaluate(targets, sac.critic_loss(tf.constant([[1.], [3.]]), targets))
    assert targets.tolist() == [[3.], [2.]]  # 1 + .5 * 4, and the reward alone at an end
    assert loss == 1.25  # (2^2 + 1^2) / 2 / 2


@pytest.mark.parametrize("shape", [(6, 1), (6, 6), (1, 6, 1)])  # the last: likelihoods (n_batch, 1) of a user's policy
def test_gradient_of_the_critics_loss(shape):
    values, targets = (tf.constant(np.random.RandomState(0).normal(size=size), tf.float32) for size in ((6, 1), shape))
    ours, theirs = evaluate(sac.critic_loss_gradient(values, targets),
                            tf.gradients(sac.critic_loss(values, targets), values)[0])
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_value_target_by_hand():
    """The smaller Q value, and the entropy of all rows."""
    qf1, qf2, logp = tf.constant([[1.], [5.]]), tf.constant([[2.], [3.]]), tf.constant([2., -4.])
    targets = sac.value_target(qf1, qf2, logp, ent_coef=.5)
    assert tf.gradients(targets, [qf1, qf2, logp]) == [None] * 3
    values = tf.constant([[0.], [0.]])
    targets, gradient = evaluate(targets, tf.gradients(sac.critic_loss(values, targets), values)[0])
    assert targets.tolist() == [[0., 3.], [2., 5.]]  # 1 - .5 * 2, 1 + .5 * 4; 3 - .5 * 2, 3 + .5 * 4
    assert gradient.tolist() == [[-.75], [-1.75]]  # half of minus the mean of each row


def test_policy_loss_by_hand():
    logp, qf1 = tf.constant([1., 3.]), tf.constant([[2.], [6.]])
    loss = sac.policy_loss(logp, qf1, ent_coef=.5)
    loss, *gradients = evaluate(loss, *tf.gradients(loss, [logp, qf1]))
    assert loss == .5 * 2 - 4
    assert [gradient.tolist() for gradient in gradients] == [[.25, .25], [[-.5], [-.5]]]


def test_temperature_loss_by_hand():
    """Its gradient is the entropy, -logp, less its target: too little entropy raises the temperature."""
    log_ent_coef, logp = tf.constant(2.), tf.constant([1., 4.])
    loss = sac.temperature_loss(log_ent_coef, logp, target_entropy=-2.)
    assert tf.gradients(loss, logp) == [None]
    loss, gradient = evaluate(loss, tf.gradients(loss, log_ent_coef)[0])
    assert loss == -2. * (2.5 - 2.) and gradient == -(2.5 - 2.)


def make_model(name, **changed):
    """Build the model of a case, with its parameters, batch and noise."""
    case, arrays = CASES[name], load_arrays(name)
    model = build_model(SAC, dict(case, constructor=dict(case["constructor"], **changed)))
    model.load_parameters(group(arrays, "param/"))
    batch = group(arrays, "batch/")
    model.replay_buffer, model.np_random = FixedBatch(batch), FixedNoise(batch["policy_noise"])
    return model


def train(model, learning_rate):
    """Take one gradient step, as the loop does."""
    losses = model._train_once(learning_rate, None, None)
    model.n_updates += 1
    return losses


@pytest.mark.parametrize("name", SAC_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    model, atol = make_model(name), case["recommended_atol"]
    tolerances = dict(atol=atol["losses_and_derived"], rtol=atol["rtol"])
    assert_derived(model, arrays, tolerances)

    trace = []
    for step in range(1, 11):
        trace.append(train(model, case["learning_rate"]))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], atol["rtol"], case)
    names = ["policy_loss", "qf1_loss", "qf2_loss", "value_loss", "entropy"]
    assert list(trace[0]._fields) == names + ["ent_coef_loss", "ent_coef"][:len(arrays["loss10/all"][0]) - 5]
    for loss, value in trace[0]._asdict().items():
        np.testing.assert_allclose(value, arrays["loss/" + loss], err_msg=loss, **tolerances)
    np.testing.assert_allclose(trace, arrays["loss10/all"], **tolerances)


def assert_derived(model, arrays, tolerances):
    """Compare what the networks compute with the numbers of a case."""
    batch, batch_ph = group(arrays, "batch/"), model.batch_ph
    outputs = dict(value_fn=model.value_fn, policy_action=model.policy_out, logp_pi=model.logp_pi,
                   deterministic_action=model.deterministic_action)
    derived = tf_util.function([batch_ph.obs, batch_ph.noise], outputs, session=model.sess)(
        batch["obs"], batch["policy_noise"])
    derived["value_target"] = tf_util.function([batch_ph.next_obs], model.value_target,
                                               session=model.sess)(batch["next_obs"])
    for key, value in derived.items():
        np.testing.assert_allclose(value, arrays["derived/" + key], err_msg=key, **tolerances)


def parameters_of(model, *parts):
    """Return the parameters of parts of the model as vectors."""
    return [np.concatenate([value.ravel() for name, value in model.get_parameters().items() if name.startswith(part)])
            for part in parts]


def test_the_target_begins_as_a_copy():
    assert_same_vectors(build_model(SAC, CASES["sac_mlp_auto"]))


def assert_same_vectors(model):
    """Compare the value function with its target."""
    value, target = parameters_of(model, "model/values_fn/vf/", "target/")
    np.testing.assert_array_equal(target, value)


def test_the_target_follows_the_stepped_value_function():
    model = make_model("sac_mlp_auto")
    target_before, = parameters_of(model, "target/")
    train(model, 1e-2)
    value, target = parameters_of(model, "model/values_fn/vf/", "target/")
    np.testing.assert_allclose(target, .99 * target_before + .01 * value, atol=1e-7)


def test_a_whole_step_copies():
    model = make_model("sac_mlp_auto", tau="1.")
    train(model, 1e-2)
    assert_same_vectors(model)


def test_the_target_follows_at_every_third_step():
    model = make_model("sac_mlp_fixed", target_update_interval="3")
    changed, before = [], parameters_of(model, "model/pi/", "model/values_fn/", "target/")
    for _ in range(7):
        train(model, 1e-3)
        after = parameters_of(model, "model/pi/", "model/values_fn/", "target/")
        changed.append([not np.array_equal(*pair) for pair in zip(before, after)])
        before = after
    assert changed == [[True, True, step in (2, 5)] for step in range(7)]
