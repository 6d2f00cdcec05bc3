"""ACER's targets, losses, gradients, parameters and averages: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, assert_parameters, build_model, group, load_arrays, our_names
from stable_baselines import ACER
from stable_baselines.acer import acer_simple
from stable_baselines.acer.buffer import ReplaySegment

ACER_CASES = sorted(name for name in CASES if name.startswith("acer_"))


@pytest.fixture(autouse=True)
def graph():
    """Give every test a graph of its own."""
    with tf.Graph().as_default():
        yield


def evaluate(*tensors):
    """Compute tensors of constants."""
    with tf.Session() as sess:
        return sess.run(tensors)


def segment_of(batch, n_envs):
    """Return the batch of a case as a segment."""
    batch = our_names(batch)
    fields = {name: batch[name].reshape((n_envs, -1) + batch[name].shape[1:])
              for name in ReplaySegment._fields if name != "states"}
    return ReplaySegment(states=batch.get("states"), **fields)


def load_averages(model, averages):
    """Set the averages, which a file does not hold."""
    for variable in model.averages:
        variable.load(averages[variable.name], model.sess)


def assert_averages(model, expected, atol, rtol):
    """Compare the averages with a snapshot."""
    assert {variable.name for variable in model.averages} == set(expected)
    for variable, value in zip(model.averages, model.sess.run(model.averages)):
        np.testing.assert_allclose(value, expected[variable.name], atol=atol, rtol=rtol, err_msg=variable.name)


@pytest.mark.parametrize("name", ACER_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    atol, rtol = case["recommended_atol"], case["recommended_atol"]["rtol"]
    segment = segment_of(group(arrays, "batch/"), case["n_envs"])
    model = build_model(ACER, case)
    model.load_parameters(group(arrays, "param/"))
    load_averages(model, group(arrays, "average/"))

    trace = []
    for step in range(1, 11):
        trace.append(model._train(segment, case["learning_rate"]))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], rtol, case)
            assert_averages(model, group(arrays, f"average_{key}/"), atol[key], rtol)
    tolerances = dict(atol=atol["losses_and_derived"], rtol=rtol)
    assert set(trace[0]) == set(case["loss_order"])
    for loss, value in trace[0].items():
        np.testing.assert_allclose(value, arrays["loss/" + loss], err_msg=loss, **tolerances)
    for row, expected in zip(trace, arrays["loss10/all"]):
        np.testing.assert_allclose([row[loss] for loss in case["loss_order"]], expected, **tolerances)


def test_retrace_against_the_original():
    arrays = load_arrays("acer_retrace")
    batch = group(arrays, "batch/")
    for n_envs in (2, None):
        targets, = evaluate(acer_simple.q_retrace(
            batch["rewards"], batch["dones"], batch["q_i"], batch["values"], batch["rho_i"], n_envs, 6, 0.97))
        np.testing.assert_allclose(targets, arrays["out/q_ret"], atol=2e-5)


def test_retrace_by_hand():
    # one environment, gamma 1/2, Q = 1: the weight 4 counts as 1, the weight 1/2 as itself; values 2 then bootstrap 6
    targets, = evaluate(acer_simple.q_retrace(
        rewards=np.float32([1, 1]), dones=np.float32([0, 0]), q_i=np.float32([1, 1]), values=np.float32([2, 2, 6]),
        rho_i=np.float32([4, .5]), n_envs=1, n_steps=2, gamma=.5))
    last = 1 + .5 * 6
    np.testing.assert_allclose(targets, [1 + .5 * (.5 * (last - 1) + 2), last])
    # an episode that ends lets nothing through
    targets, = evaluate(acer_simple.q_retrace(
        rewards=np.float32([1, 1, 3, 3]), dones=np.float32([1, 0, 0, 1]), q_i=np.float32([0] * 4),
        values=np.float32([2, 2, 6, 2, 2, 6]), rho_i=np.float32([1] * 4), n_envs=2, n_steps=2, gamma=.5))
    np.testing.assert_allclose(targets, [1, 4, 3 + .5 * (3 - 0 + 2), 3])


def test_policy_losses_by_hand():
    proba, rho = np.float32([[.5, .5], [.9, .1]]), np.float32([[1, 1], [4, .2]])
    advantages = np.float32([[1, -1], [2, -3]])
    truncated, correction, everything = evaluate(
        acer_simple.truncated_policy_loss(proba[:, 0], rho[:, 0], advantages[:, 0], correction_term=2.),
        acer_simple.bias_correction_loss(proba, rho, advantages, correction_term=2.),
        # with truncation at 0 only the second part is left: the mean over actions
        acer_simple.bias_correction_loss(proba, rho, advantages, correction_term=0.))
    np.testing.assert_allclose(truncated, -(np.log(.5) * 1 + np.log(.9) * 2 * 2) / 2, rtol=1e-4)
    np.testing.assert_allclose(correction, -(.5 * .9 * 2 * np.log(.9)) / 2, rtol=1e-4)  # only rho = 4 is truncated
    np.testing.assert_allclose(everything, -(proba * advantages * np.log(proba)).sum() / 2, rtol=1e-4)


def test_the_weights_of_the_policy_losses_are_constants():
    proba, rho, advantage = tf.constant([[.25, .75]]), tf.constant([[4., 1.]]), tf.constant([[2., 1.]])
    truncated, correction = evaluate(
        tf.gradients(acer_simple.truncated_policy_loss(proba[:, 0], rho[:, 0], advantage[:, 0], 2.), proba)[0],
        tf.gradients(acer_simple.bias_correction_loss(proba, rho, advantage, 2.), proba)[0])
    np.testing.assert_allclose(truncated, [[-2 * 2 / .25, 0]], rtol=1e-4)
    np.testing.assert_allclose(correction, [[-.5 * .25 * 2 / .25, 0]], atol=1e-4)


def test_q_loss_by_hand():
    q_i, q_ret = tf.constant([1., 2.]), tf.constant([3., 1.])
    loss = acer_simple.q_loss(q_i, q_ret)
    value, gradient = evaluate(loss, tf.gradients(loss, q_i)[0])
    assert value == .5 * (4 + 1) / 2
    np.testing.assert_allclose(gradient, [-1., .5])
    assert tf.gradients(loss, q_ret) == [None]  # a target is a constant


def test_trust_region_by_hand():
    # k = -(1, 1) where the policy is the average one; k.g = -3 keeps within delta = 1, k.g = 3 is 2 too much
    gradient, half = tf.constant([[1., 2.], [-1., -2.]]), tf.constant([[.5, .5], [.5, .5]])
    region = acer_simple.restrict_to_trust_region(gradient, half, half, delta=1.)
    restricted, k, k_dot_g, adjustment = evaluate(*region)
    np.testing.assert_allclose(k, -np.ones((2, 2)), atol=1e-5)
    np.testing.assert_allclose(k_dot_g, [-3, 3], atol=1e-5)
    np.testing.assert_allclose(adjustment, [0, 2 / 2], atol=1e-5)
    np.testing.assert_allclose(restricted, [[1, 2], [0, -1]], atol=1e-5)
    assert np.isclose((restricted[1] * k[1]).sum(), 1.)  # exactly as fast as allowed


def test_strip_and_get_by_index():
    rows = np.arange(12, dtype=np.float32).reshape(6, 2)
    for n_envs in (2, None):
        stripped, flat = evaluate(acer_simple.strip(tf.constant(rows), n_envs, 2),
                                  acer_simple.strip(tf.constant(rows[:, 0]), n_envs, 2, flat=True))
        np.testing.assert_array_equal(stripped, rows[[0, 1, 3, 4]])
        np.testing.assert_array_equal(flat, [0, 2, 6, 8])
    picked, = evaluate(acer_simple.get_by_index(tf.constant(rows[:3]), np.array([0, 1, 0])))
    np.testing.assert_array_equal(picked, [0, 3, 4])


def update(name, n_updates=3, **changed):
    """Build the model of a case with changed arguments and train it on the case's batch."""
    case, arrays = CASES[name], load_arrays(name)
    constructor = dict(case["constructor"], **{argument: repr(value) for argument, value in changed.items()})
    model = build_model(ACER, dict(case, constructor=constructor))
    model.load_parameters(group(arrays, "param/"))
    load_averages(model, group(arrays, "average/"))
    segment = segment_of(group(arrays, "batch/"), case["n_envs"])
    return model, [model._train(segment, case["learning_rate"]) for _ in range(n_updates)]


@pytest.mark.parametrize("name", ["acer_mlp_trust", "acer_lstm_trust"])
def test_update_without_clipping_is_the_one_with_inactive_clipping(name):
    """The original cannot be built with max_grad_norm=None."""
    (unclipped, trace), (inactive, expected) = [update(name, max_grad_norm=limit) for limit in (None, 1e9)]
    for parameter, value in inactive.get_parameters().items():
        np.testing.assert_array_equal(unclipped.get_parameters()[parameter], value)
    assert trace == expected


def test_without_trust_region_the_gradient_is_that_of_the_loss():
    """Which a trust region that nothing leaves has too, except for the entropy."""
    name = "acer_mlp_trust_lowcorrection"
    wide, expected = update(name, delta=1e9)
    without, trace = update(name, trust_region=False, ent_coef=0.)
    for parameter, value in wide.get_parameters().items():
        np.testing.assert_allclose(without.get_parameters()[parameter], value, atol=1e-6, err_msg=parameter)
    for row, expected_row in zip(trace, expected):
        assert set(expected_row) - set(row) == {"avg_norm_grads_f", "avg_norm_k", "avg_norm_g", "avg_norm_k_dot_g",
                                                "avg_norm_adj"}
        for loss in set(row) - {"loss"}:  # which has the entropy in it
            np.testing.assert_allclose(row[loss], expected_row[loss], rtol=1e-4, atol=1e-5, err_msg=loss)


def test_entropy_counts_without_a_trust_region():
    traces = [update("acer_mlp_trust", n_updates=10, trust_region=False, ent_coef=coefficient)[1]
              for coefficient in (0., 1.)]
    assert traces[0][0]["entropy"] == traces[1][0]["entropy"]
    assert traces[1][-1]["entropy"] > traces[0][-1]["entropy"] + .1
