"""DDPG's losses, and its parameters after 1, 2 and 10 updates: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, FixedBatch, assert_parameters, build_model, group, load_arrays
from stable_baselines import DDPG
from stable_baselines.common import losses, tf_util
from stable_baselines.ddpg import ddpg
from stable_baselines.ddpg.epochs import Epochs

DDPG_CASES = sorted(name for name in CASES if name.startswith("ddpg_"))


class Stats:
    """Known statistics."""

    mean, std = 3., 2.


def evaluate(*tensors):
    """Compute tensors of constants."""
    with tf.Session() as sess:
        return sess.run(tensors)


def test_losses_by_hand():
    with tf.Graph().as_default():
        values = tf.constant([[1.], [3.]])
        critic, actor, gradient = evaluate(
            losses.value_function_loss(values, tf.constant([[2.], [1.]])), losses.actor_value_loss(values),
            tf.gradients(losses.actor_value_loss(values), values)[0])
    assert critic == 2.5  # (1^2 + 2^2) / 2, without a further half
    assert actor == -2.
    np.testing.assert_array_equal(gradient, [[-.5], [-.5]])


def test_the_target_at_an_end_is_the_reward_alone():
    with tf.Graph().as_default():
        next_values = tf.constant([[4.], [8.]])
        targets = ddpg.q_target(tf.constant([[1.], [1.]]), tf.constant([[0.], [1.]]), next_values, gamma=.5)
        assert tf.gradients(targets, next_values) == [None]
        assert evaluate(targets)[0].tolist() == [[3.], [1.]]


def test_normalisation_by_hand():
    with tf.Graph().as_default():
        tensor = tf.constant([5., 1.])
        assert ddpg.normalize(tensor, None) is ddpg.denormalize(tensor, None) is tensor
        assert [values.tolist() for values in evaluate(ddpg.normalize(tensor, Stats), ddpg.denormalize(
            tensor, Stats))] == [[1., -1.], [13., 5.]]


def test_moments_by_hand():
    numbers = np.array([[1., 2.], [5., 8.]])
    with tf.Graph().as_default():
        tensor = tf.constant(numbers)
        results = evaluate(ddpg.reduce_var(tensor), ddpg.reduce_std(tensor, axis=0),
                           ddpg.reduce_var(tensor, axis=1, keepdims=True))
    for result, expected in zip(results, (7.5, [2., 3.], [[.25], [2.25]])):
        np.testing.assert_allclose(result, expected)


def test_popart_layer_by_hand():
    # outputs 2x + 3 times 4 plus 1 are 8x + 13, and so are x + 1/2 times 8 plus 9
    with tf.Graph().as_default():
        layer = ddpg.popart_layer(tf.constant([[2.]]), tf.constant([3.]), old=(1., 4.), new=(9., 8.))
        assert [values.tolist() for values in evaluate(*layer)] == [[[1.]], [.5]]


@pytest.mark.parametrize("policy, names", [
    ("MlpPolicy", ["fc0/kernel", "fc1/kernel"]),
    ("LnMlpPolicy", ["fc0/kernel", "LayerNorm/gamma", "fc1/kernel", "LayerNorm_1/gamma"])])
def test_the_penalty_covers_weights_and_gains_but_the_last_layer(policy, names):
    model = build_model(DDPG, dict(CASES["ddpg_mlp"], policy=policy))
    params = model.get_parameters()
    with model.graph.as_default():
        penalty = ddpg.l2_penalty(tf_util.get_trainable_vars("model/qf/"), .5)
    expected = .5 * sum(np.sum(params[f"model/qf/{name}:0"] ** 2) / 2 for name in names)
    np.testing.assert_allclose(model.sess.run(penalty), expected, rtol=1e-5)


def make_model(name, **changed):
    """Build the model of a case, with its parameters and batch."""
    case, arrays = CASES[name], load_arrays(name)
    constructor = dict(case["constructor"], **{key: repr(value) for key, value in changed.items()})
    model = build_model(DDPG, dict(case, constructor=constructor))
    model.load_parameters(group(arrays, "param/"))
    model.replay_buffer = FixedBatch(group(arrays, "batch/"))
    model._epochs, model._losses, model._reference = Epochs(1, keeps_lists=False), [], None
    return model


def train(model):
    """Take one gradient step, as the loop does."""
    return model._train_once(model.learning_rate(1.), None, None)


def flat(values):
    """Return an array, or a list of arrays, as one vector."""
    return np.concatenate([np.ravel(value) for value in (values if isinstance(values, list) else [values])])


def check_before(model, arrays, tolerances):
    """Compare what is computed from the parameters before the first update."""
    batch = group(arrays, "batch/")
    with model.graph.as_default():
        actor_params, critic_params = [tf_util.get_trainable_vars(scope) for scope in ("model/pi/", "model/qf/")]
        tensors = dict(
            target_q=model.target_q, actor_action=model.actor_tf, q_of_batch_actions=model.critic_tf,
            q_of_actor_actions=model.critic_with_actor_tf,
            actor_grad_flat=model._build_gradients(model.losses.actor_loss, actor_params),
            critic_grad_flat=model._build_gradients(model.losses.critic_loss, critic_params))
        for name, stats in (("obs", model.obs_rms), ("ret", model.ret_rms)):
            if stats is not None:
                tensors.update({name + "_mean": stats.mean, name + "_std": stats.std})
        feeds = ddpg.Batch(**{name: batch[name] for name in ("obs", "actions", "next_obs")}, actor_lr=0, critic_lr=0,
                           rewards=batch["rewards"][:, None], dones=batch["dones"][:, None])
        values = model.sess.run(tensors, model._train_function.feed_dict(feeds))
    expected = group(arrays, "derived/")
    assert set(values) == set(expected)
    for name, value in values.items():
        np.testing.assert_allclose(flat(value), flat(expected[name]), err_msg=name, **tolerances)


@pytest.mark.parametrize("name", DDPG_CASES)
def test_update(name):
    case, arrays = CASES[name], load_arrays(name)
    model, atol = make_model(name), case["recommended_atol"]
    tolerances = dict(atol=atol["losses_and_derived"], rtol=atol["rtol"])
    check_before(model, arrays, tolerances)
    trace = []
    for step in range(1, 11):
        trace.append(train(model))
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], atol["rtol"], case)
    np.testing.assert_allclose(trace[0], [arrays["loss/actor_loss"], arrays["loss/critic_loss"]], **tolerances)
    np.testing.assert_allclose([losses[::-1] for losses in trace], arrays["loss10/critic_actor"], **tolerances)


@pytest.mark.parametrize("name", ["ddpg_mlp_normobs", "ddpg_mlp_normreturns"])
def test_running_statistics_of_the_recorded_data(name):
    arrays = load_arrays(name)
    model = build_model(DDPG, CASES[name])
    stats, kind = (model.obs_rms, "obs") if "obs" in name else (model.ret_rms, "ret")
    stats.update(arrays[f"batch/{kind}_rms_data"])
    params = model.get_parameters()
    for part in ("runningsum", "runningsumsq", "count"):
        np.testing.assert_allclose(params[f"input/{kind}_rms/{part}:0"], arrays[f"param/input/{kind}_rms/{part}:0"],
                                   rtol=1e-6)


def test_popart_keeps_the_outputs():
    model = make_model("ddpg_mlp_popart")
    batch = group(load_arrays("ddpg_mlp_popart"), "batch/")
    outputs = tf_util.function([model.batch_ph.obs, model.batch_ph.next_obs, model.batch_ph.actions, model.batch_ph
                                .rewards, model.batch_ph.dones], [model.critic_tf, model.target_q], session=model.sess)
    feeds = batch["obs"], batch["next_obs"], batch["actions"], batch["rewards"][:, None], batch["dones"][:, None]
    before, params = outputs(*feeds), model.get_parameters()
    model._popart_function(ddpg.Batch(batch["obs"], batch["actions"], 100 * batch["rewards"][:, None],
                                      batch["next_obs"], batch["dones"][:, None], 0, 0))
    after = model.get_parameters()
    assert abs(after["input/ret_rms/runningsum:0"] - params["input/ret_rms/runningsum:0"]) > 100
    for network in ("model", "target"):
        assert not np.allclose(after[network + "/qf/qf_output/kernel:0"], params[network + "/qf/qf_output/kernel:0"])
    for ours, theirs in zip(outputs(*feeds), before):
        np.testing.assert_allclose(ours, theirs, atol=2e-4)


def test_the_targets_follow_the_stepped_parameters():
    model = make_model("ddpg_mlp", tau=.25)
    before = model.get_parameters()
    train(model)
    after = model.get_parameters()
    for name, value in after.items():
        if name.startswith("target/"):
            np.testing.assert_allclose(value, .75 * before[name] + .25 * after[name.replace("target", "model")],
                                       atol=1e-6)


def test_targets_begin_as_copies():
    params = build_model(DDPG, CASES["ddpg_lnmlp_all"]).get_parameters()
    for name in params:
        if name.startswith("target/"):
            np.testing.assert_array_equal(params[name], params[name.replace("target", "model")])


def test_the_reward_scale_is_on_what_is_learned():
    plain, scaled = make_model("ddpg_mlp"), make_model("ddpg_mlp", reward_scale=.5)
    plain.replay_buffer.batch = plain.replay_buffer.batch._replace(rewards=.5 * plain.replay_buffer.batch.rewards)
    for model in (plain, scaled):
        train(model)
    for name, value in plain.get_parameters().items():
        np.testing.assert_array_equal(value, scaled.get_parameters()[name])
