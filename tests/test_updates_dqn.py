"""DQN's losses, and its parameters after 1, 2 and 10 updates: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, assert_parameters, build_model, group, load_arrays
from stable_baselines import DQN
from stable_baselines.deepq import build_graph
from stable_baselines.deepq.build_graph import Batch

DQN_CASES = sorted(name for name in CASES if name.startswith("dqn_"))


@pytest.fixture(autouse=True)
def graph():
    """Give every test a graph of its own."""
    with tf.Graph().as_default():
        yield


def evaluate(*tensors):
    """Compute tensors of constants."""
    with tf.Session() as sess:
        return sess.run(tensors)


def test_chosen_values():
    values = build_graph.chosen_values(tf.constant([[1., 2., 3.], [4., 5., 6.]]), tf.constant([2, 0]))
    assert evaluate(values)[0].tolist() == [3., 4.]


def test_the_target_is_the_reward_alone_at_an_end():
    next_values = tf.constant([4., 8.])
    targets = build_graph.q_target(tf.constant([1., 1.]), tf.constant([0., 1.]), next_values, gamma=.5)
    assert evaluate(targets)[0].tolist() == [3., 1.]
    assert tf.gradients(targets, next_values) == [None]


def test_the_loss_is_weighted_and_linear_for_large_errors():
    errors, weights = tf.constant([.5, -3.]), tf.constant([1., .5])
    loss = build_graph.weighted_huber_loss(errors, weights)
    loss, gradient = evaluate(loss, tf.gradients(loss, errors)[0])
    assert loss == (.5 * .25 + .5 * (3. - .5)) / 2
    np.testing.assert_allclose(gradient, [.5 / 2, -.5 / 2])


def test_the_gradient_is_that_of_the_loss():
    q_values, actions, weights = tf.constant([[.5, 2.], [3., .25]]), tf.constant([0, 1]), tf.constant([1., .5])
    errors = build_graph.chosen_values(q_values, actions) - tf.constant([1., 3.])
    expected = tf.gradients(build_graph.weighted_huber_loss(errors, weights), q_values)[0]
    gradient, expected = evaluate(build_graph.loss_gradient(errors, weights, actions, 2), expected)
    np.testing.assert_allclose(gradient, [[-.25, 0.], [0., -.25]])
    np.testing.assert_allclose(gradient, expected)


def test_divergence_of_softmax_policies():
    q_values = tf.log(tf.constant([[.5, .5], [.9, .1]]))
    divergence = build_graph.softmax_divergence(q_values, tf.log(tf.constant([[.25, .75], [.9, .1]])))
    np.testing.assert_allclose(evaluate(divergence)[0], (.5 * np.log(2.) + .5 * np.log(.5 / .75)) / 2, rtol=1e-6)


def test_noise_changes_as_many_actions_as_epsilon_does():
    assert build_graph.noise_threshold(0., 4) == 0.
    assert build_graph.noise_threshold(1., 4) == pytest.approx(np.log(4.))  # from a sure action to a uniform one
    assert build_graph.noise_threshold(.1, 2) == pytest.approx(-np.log(.95))


@pytest.mark.parametrize("name", DQN_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    batch, atol = group(arrays, "batch/"), case["recommended_atol"]
    batch.setdefault("weights", np.ones(len(batch["rewards"]), np.float32))
    batch = Batch(**batch, learning_rate=case["learning_rate"])
    model = build_model(DQN, case)
    model.load_parameters(group(arrays, "param/"))
    tolerances = dict(atol=atol["losses_and_derived"], rtol=atol["rtol"])
    np.testing.assert_allclose(model.step_model.step(batch.obs)[1], arrays["derived/q_values"], **tolerances)

    trace = []
    for step in range(1, 11):
        trace.append(model._train_function(batch))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], atol["rtol"], case)
    np.testing.assert_allclose(trace[0].td_errors, arrays["loss/td_errors"], **tolerances)
    np.testing.assert_allclose([losses.loss for losses in trace], arrays["loss10/loss"], **tolerances)

    model.update_target()
    parameters = model.get_parameters()
    for name, value in parameters.items():
        if "target_q_func/" in name:
            np.testing.assert_array_equal(value, parameters[name.replace("target_q_func/", "")])
