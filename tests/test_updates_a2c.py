"""A2C's losses, returns and parameters after 1, 2 and 10 updates: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import (
    CASES,
    assert_no_clipping_is_inactive_clipping,
    assert_parameters,
    assert_runner_returns,
    build_model,
    group,
    load_arrays,
    rollout_of,
)
from stable_baselines import A2C
from stable_baselines.a2c.a2c import A2CRunner
from stable_baselines.common import losses, returns
from stable_baselines.common.models.n_step import Losses

A2C_CASES = sorted(name for name in CASES if name.startswith("a2c_"))


def evaluate(*tensors):
    """Compute tensors of constants."""
    with tf.Session() as sess:
        return sess.run(tensors)


def test_losses_by_hand():
    with tf.Graph().as_default():
        advantages = tf.constant([1., -2.])
        policy, value, gradient = evaluate(
            losses.policy_gradient_loss(tf.constant([.5, 2.]), advantages),
            losses.value_function_loss(tf.constant([1., 2.]), tf.constant([3., 1.])),
            tf.gradients(losses.policy_gradient_loss(tf.constant([.5, 2.]) * advantages, advantages), advantages)[0])
    assert policy == -1.75  # (.5 * 1 - 2 * 2) / 2
    assert value == 2.5  # (2^2 + 1^2) / 2, without a further half
    np.testing.assert_allclose(gradient, [.25, -2.])  # neglogp' * A / 2: advantages are constants


def test_n_step_returns_by_hand():
    # gamma 1/2. Environment 0 goes on after the data, environment 1 ends with it, environment 2 after its first step
    result = returns.n_step_returns(
        rewards=np.array([[1., 1., 1.], [2., 2., 2.]]),
        episode_starts=np.array([[True, False, False], [False, False, True]]),
        last_values=np.array([8., 8., 8.]), last_dones=np.array([False, True, False]), gamma=.5)
    np.testing.assert_array_equal(result, [[1 + .5 * 6, 1 + .5 * 2, 1.], [2 + .5 * 8, 2., 2 + .5 * 8]])
    assert result.dtype == np.float32


@pytest.mark.parametrize("name", A2C_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    rollout, atol = rollout_of(group(arrays, "batch/")), case["recommended_atol"]
    model = build_model(A2C, case)
    model.load_parameters(group(arrays, "param/"))

    trace = []
    for step in range(1, 11):
        trace.append(model._train(rollout, case["learning_rate"]))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], atol["rtol"], case)
    tolerances = dict(atol=atol["losses_and_derived"], rtol=atol["rtol"])
    for loss in Losses._fields:
        np.testing.assert_allclose(getattr(trace[0], loss), arrays["loss/" + loss], err_msg=loss, **tolerances)
    np.testing.assert_allclose(trace, arrays["loss10/all"], **tolerances)
    with model.graph.as_default():
        slots = {variable.name: variable for variable in tf.global_variables()}
    for slot, expected in group(arrays, "slots_after10/").items():
        np.testing.assert_allclose(model.sess.run(slots[slot]), expected, err_msg=slot, **tolerances)


@pytest.mark.parametrize("name", ["a2c_mlp_discrete", "a2c_lstm_box"])
def test_update_without_clipping_is_the_one_with_inactive_clipping(name):
    assert_no_clipping_is_inactive_clipping(
        A2C, name, lambda model, case, batch: model._train(rollout_of(batch), case["learning_rate"]))


def test_runner_returns():
    assert_runner_returns("runner_a2c_returns", A2CRunner)
