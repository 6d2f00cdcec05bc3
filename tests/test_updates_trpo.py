"""TRPO's pieces (losses, gradients, Fisher products, steps) and its parameters after 1, 2 and 10 updates."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, assert_parameters, build_model, group, load_arrays, record_calls
from stable_baselines import TRPO
from stable_baselines.common.cg import conjugate_gradient
from stable_baselines.common.distributions import CategoricalProbabilityDistribution
from stable_baselines.common.losses import value_function_loss
from stable_baselines.common.runners import Trajectory
from stable_baselines.trpo_mpi.trpo_mpi import Batch, Losses, fisher_vector_product, surrogate_gain

TRPO_CASES = sorted(name for name in CASES if name.startswith("trpo_"))
DAMPING = .02  # of all cases


def evaluate(*tensors):
    """Compute tensors of constants."""
    with tf.Session() as sess:
        return sess.run(tensors)


def test_losses_by_hand():
    with tf.Graph().as_default():
        neglogp = -tf.log(tf.constant([.6, .1]))
        gain = surrogate_gain(neglogp, -tf.log(tf.constant([.3, .2])), tf.constant([3., -1.]))
        gain, gradient, loss = evaluate(gain, tf.gradients(gain, neglogp)[0],
                                        value_function_loss(tf.constant([1., 2.]), tf.constant([3., 1.])))
    np.testing.assert_allclose(gain, (2 * 3 - .5) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradient, [-2 * 3 / 2, .5 / 2], rtol=1e-6)
    assert loss == 2.5  # (2^2 + 1^2) / 2, without a further half


def test_the_fisher_matrix_of_a_softmax_by_hand():
    """By its logits it is diag(p) - p p'; here the logits are parameters themselves."""
    probabilities, vector = np.array([.5, .3, .2]), np.array([1., -2., .5])
    with tf.Graph().as_default(), tf.Session() as sess:
        params = [tf.get_variable(name, initializer=np.log(probabilities[part]).astype(np.float32))
                  for name, part in (("first", slice(2)), ("last", slice(2, 3)))]
        logits = tf.tile(tf.concat(params, axis=0)[None], [4, 1])
        old = CategoricalProbabilityDistribution(tf.constant(np.tile(np.log(probabilities), (4, 1)), tf.float32))
        kl = tf.reduce_mean(old.kl(CategoricalProbabilityDistribution(logits)))
        product = fisher_vector_product(kl, params, tf.constant(vector, tf.float32))
        sess.run(tf.global_variables_initializer())
        product = sess.run(product)
    np.testing.assert_allclose(product, probabilities * vector - probabilities * probabilities.dot(vector), atol=1e-6)


def model_and_batch(name):
    """Build the model of a case, with its parameters, and what its update is fed."""
    arrays = load_arrays(name)
    model = build_model(TRPO, CASES[name])
    model.load_parameters(group(arrays, "param/"))
    batch, derived = group(arrays, "batch/"), group(arrays, "derived/")
    return model, arrays, Batch(obs=batch["obs"], actions=batch["actions"], advantages=derived["atarg"],
                                returns=derived["tdlamret"])


def close(actual, expected, name, atol=1e-5):
    """Compare with the original's numbers."""
    np.testing.assert_allclose(actual, expected, atol=atol, rtol=1e-5, err_msg=name)


@pytest.mark.parametrize("name", TRPO_CASES)
def test_advantages(name):
    model, arrays, _ = model_and_batch(name)
    batch = group(arrays, "batch/")
    samples = model._samples(Trajectory(**dict(
        dict.fromkeys(Trajectory._fields), obs=batch["obs"], actions=batch["actions"], rewards=batch["rewards"],
        values=batch["vpred"], episode_starts=batch["episode_starts"], next_value=float(batch["nextvpred"]),
        dones=np.append(batch["episode_starts"][1:], False))))
    close(samples.advantages, arrays["derived/atarg"], "atarg", 2e-5)
    close(samples.returns, arrays["derived/tdlamret"], "tdlamret", 2e-5)
    close(samples.returns - samples.values, arrays["derived/adv"], "adv", 2e-5)


@pytest.mark.parametrize("name", TRPO_CASES)
def test_pieces_of_the_update(name):
    model, arrays, batch = model_and_batch(name)
    given, pieces = group(arrays, "pieces_oldpi_as_given/"), group(arrays, "pieces/")
    for expected_losses, expected in ((given, given), (group(arrays, "loss/"), pieces)):
        gradient, *losses = model._gradient_function(batch)
        for loss, value in zip(Losses._fields, losses):
            close(value, expected_losses[loss], loss)
        close(gradient, expected["grad_flat"], "gradient")
        np.testing.assert_array_equal(losses, model._losses_function(batch))
        model._update_old_policy()

    close(model._get_flat(), pieces["params_flat"], "parameters", 0)
    fifth = batch.obs[::5]
    close(model._fisher_function(fifth, fifth, pieces["vector"])[0], pieces["fvp_of_vector"], "Fisher product")
    close(model._fisher_function(batch.obs, batch.obs, pieces["vector"])[0], pieces["fvp_of_vector_full_batch"],
          "Fisher product of all rows")

    searches = record_calls(model, "_search_along")
    model._train_policy(batch)
    full_step = searches[0][0][0]
    close(full_step, pieces["full_step"], "full step", 2e-5)
    close(full_step.dot(gradient), pieces["expected_improvement"], "expected improvement")


@pytest.mark.parametrize("name", TRPO_CASES)
def test_direction_of_the_step(name):
    model, arrays, batch = model_and_batch(name)
    pieces, fifth = group(arrays, "pieces/"), batch.obs[::5]
    model._update_old_policy()

    def product(vector):
        return model._fisher_function(fifth, fifth, vector)[0] + DAMPING * vector

    direction = conjugate_gradient(product, pieces["grad_flat"], 10)
    close(direction, pieces["cg_solution"], "direction", 5e-5)
    close(.5 * direction.dot(product(direction)), pieces["half_step_fisher_step"], "curvature", 2e-5)


@pytest.mark.parametrize("name", TRPO_CASES)
def test_gradient_of_the_value_function(name):
    model, arrays, batch = model_and_batch(name)
    variables = {param.name: param for param in model.params}
    with model.graph.as_default():
        gradients = tf.gradients(model._value_loss, [variables[key] for key, _ in CASES[name]["value_flat_order"]],
                                 unconnected_gradients="zero")
    gradients = model.sess.run(gradients, {model.act_model.obs_ph: batch.obs, model.batch_ph.returns: batch.returns})
    close(np.concatenate([gradient.ravel() for gradient in gradients]), arrays["pieces/value_grad_flat"], "gradient")


@pytest.mark.parametrize("name", TRPO_CASES)
def test_update(name):
    case, (model, arrays, batch) = CASES[name], model_and_batch(name)
    atol = case["recommended_atol"]
    tries, n_tries, losses = record_calls(model, "_losses_function"), [], []
    for step in range(1, 11):
        before = len(tries)
        model._update_old_policy()
        losses.append(model._train_policy(batch))
        model._train_value_function(batch)
        n_tries.append(len(tries) - before)
        if step in (1, 2, 10):
            key = f"after{step}"
            assert_parameters(model, group(arrays, key + "/"), atol[key], atol["rtol"], case)
    assert n_tries == list(arrays["trace/line_search_evaluations"])
    # they amplify rounding, see the README of the cases
    np.testing.assert_allclose(losses, arrays["trace/last_losses"], atol=1e-3)
