"""TD3's losses, and its parameters after 1, 2 and 10 updates: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, FixedBatch, FixedNoise, assert_parameters, build_model, group, load_arrays
from stable_baselines import TD3
from stable_baselines.common import losses, tf_util
from stable_baselines.td3 import td3

TD3_CASES = sorted(name for name in CASES if name.startswith("td3_"))
# The cases record how the steps were taken, not a value of policy_delay: all three each time, or the critics' alone.
DELAYS = dict(td3_mlp_both=1, td3_mlp_critic_only=11, td3_mlp_fixed_target_noise=11)


def evaluate(*tensors):
    """Compute tensors of constants."""
    with tf.Session() as sess:
        return sess.run(tensors)


def test_losses_by_hand():
    with tf.Graph().as_default():
        q_values = tf.constant([[1.], [3.]])
        critic, actor, gradient = evaluate(
            losses.value_function_loss(q_values, tf.constant([[2.], [1.]])), losses.actor_value_loss(q_values),
            tf.gradients(losses.actor_value_loss(q_values), q_values)[0])
    assert critic == 2.5  # (1^2 + 2^2) / 2, without a further half
    assert actor == -2.
    np.testing.assert_array_equal(gradient, [[-.5], [-.5]])


def test_the_target_is_the_smaller_critic_and_the_reward_alone_at_an_end():
    with tf.Graph().as_default():
        next_qf1, next_qf2 = tf.constant([[4.], [8.], [8.]]), tf.constant([[6.], [2.], [2.]])
        targets = td3.double_q_target(tf.constant([[1.], [1.], [1.]]), tf.constant([[0.], [0.], [1.]]), next_qf1,
                                      next_qf2, gamma=.5)
        assert tf.gradients(targets, [next_qf1, next_qf2]) == [None, None]
        assert evaluate(targets)[0].tolist() == [[3.], [2.], [1.]]


def test_smoothing_clips_the_noise_and_then_the_action():
    noise = np.array([[1.], [-1.], [100.], [-100.], [100.]], np.float32)
    with tf.Graph().as_default():
        actions = td3.smoothed_action(tf.constant([[0.], [0.], [0.], [0.], [.75]]), tf.constant(noise), .25, .5)
        assert evaluate(actions)[0].tolist() == [[.25], [-.25], [.5], [-.5], [1.]]


def make_model(name, policy_delay):
    """Build the model of a case, with its parameters, batch and noise."""
    case, arrays = CASES[name], load_arrays(name)
    case = dict(case, constructor=dict(case["constructor"], policy_delay=str(policy_delay)))
    model, batch = build_model(TD3, case), group(arrays, "batch/")
    model.load_parameters(group(arrays, "param/"))
    noise = batch.get("target_noise", np.zeros_like(batch["actions"]))
    model.replay_buffer, model.np_random = FixedBatch(batch), FixedNoise(noise)
    return model


def train(model, learning_rate):
    """Take one gradient step, as the loop does."""
    losses = model._train_once(learning_rate, None, None)
    model.n_updates += 1
    return losses


@pytest.mark.parametrize("name", TD3_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    model, atol = make_model(name, DELAYS.get(name, 2)), case["recommended_atol"]
    tolerances = dict(atol=atol["losses_and_derived"], rtol=atol["rtol"])
    batch = group(arrays, "batch/")
    before = tf_util.function([model.batch_ph.obs, model.batch_ph.actions], [
        *model.q_values, model.policy_out, model.policy_loss], session=model.sess)(batch["obs"], batch["actions"])
    for key, value in zip(("derived/qf1", "derived/qf2", "derived/policy_action", "loss/policy_loss"), before):
        np.testing.assert_allclose(value, arrays[key], err_msg=key, **tolerances)

    trace = []
    for step in range(1, 11):
        trace.append(train(model, case["learning_rate"]))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], atol["rtol"], case)
    assert trace[0]._fields == ("qf1_loss", "qf2_loss") and model.infos_names == ["qf1_loss", "qf2_loss"]
    np.testing.assert_allclose(trace[0], [arrays["loss/qf1_loss"], arrays["loss/qf2_loss"]], **tolerances)
    np.testing.assert_allclose(trace, arrays["loss10/qf1_qf2"], **tolerances)


def parameters_by_part(model):
    """Return the parameters of the actor, of the critics and of all targets, each as one vector."""
    parameters = model.get_parameters()
    return [np.concatenate([value.ravel() for name, value in parameters.items() if name.startswith(part)])
            for part in ("model/pi/", "model/values_fn/", "target/")]


def test_actor_and_targets_change_at_every_third_step():
    model = make_model("td3_mlp_delayed", policy_delay=3)
    changed, before = [], parameters_by_part(model)
    for _ in range(7):
        train(model, 1e-3)
        after = parameters_by_part(model)
        changed.append([not np.array_equal(*pair) for pair in zip(before, after)])
        before = after
    critics_only, everything = [False, True, False], [True, True, True]
    assert changed == [critics_only, critics_only, everything, critics_only, critics_only, everything, critics_only]


def test_the_targets_follow_the_stepped_parameters():
    model = make_model("td3_mlp_both", policy_delay=1)
    *_, target_before = parameters_by_part(model)
    train(model, 1e-2)
    actor, critics, target = parameters_by_part(model)
    np.testing.assert_allclose(target, .99 * target_before + .01 * np.concatenate([actor, critics]), atol=1e-7)


def test_targets_begin_as_copies():
    model = build_model(TD3, CASES["td3_mlp_both"])
    actor, critics, target = parameters_by_part(model)
    np.testing.assert_array_equal(target, np.concatenate([actor, critics]))


def test_one_call_of_all_steps_repeats_to_the_last_bit():
    """In the original the three steps race, even with a single thread."""
    ends = []
    for _ in range(5):
        model = make_model("td3_mlp_both", policy_delay=1)
        for _ in range(5):
            train(model, 3e-3)
        ends.append(np.concatenate(parameters_by_part(model)))
    assert all(np.array_equal(ends[0], end) for end in ends)
