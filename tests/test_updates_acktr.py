"""ACKTR's losses, Kronecker factors and parameters along its phases, against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, assert_parameters, build_model, group, load_arrays, make_env, rollout_of
from stable_baselines import ACKTR
from stable_baselines.acktr.acktr import fisher_losses
from stable_baselines.common import tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.models.n_step import Losses

ACKTR_CASES = sorted(name for name in CASES if name.startswith("acktr_"))
# the cases that begin after the cold start
KFAC_ONLY = [name for name in ACKTR_CASES if "kfaconly" in name or "cnn" in name]
FULL = [name for name in ACKTR_CASES if name not in KFAC_ONLY]


class Updates:
    """A model of a case that is updated with the batch of the case, and with its draw for the value function."""

    def __init__(self, name, **constructor):
        self.case, self.arrays = CASES[name], load_arrays(name)
        self.model = build_model(ACKTR, dict(self.case, constructor=dict(self.case["constructor"], **constructor)))
        self.model.load_parameters(group(self.arrays, "param/"))
        batch = group(self.arrays, "batch/")
        noise = batch.pop("vf_fisher_noise")
        self.rollout = rollout_of(batch)
        model, function = self.model, self.model._train_function
        self.train_function = function
        with_noise = tf_util.function(function.inputs + [model.vf_fisher_noise], model.losses,
                                      updates=function._targets, session=model.sess)
        model._train_function = lambda batch: with_noise(*function.feed_dict(batch).values(), noise)

    def set_calls(self, n_calls):
        """Pretend that there have been calls."""
        with self.model.graph.as_default():
            self.model.sess.run(self.model.optimizer.global_step.assign(n_calls))

    def __call__(self):
        return self.model._train(self.rollout, self.case["learning_rate"])

    def n_decompositions(self):
        with self.model.graph.as_default():
            return self.model.sess.run(self.model.optimizer.factor_step.read_value())

    def assert_parameters(self, step, atol):
        assert_parameters(self.model, group(self.arrays, f"after{step}/"), atol, 1e-5, self.case)

    def assert_factors(self, step):
        """Compare the factors of every parameter that has some."""
        expected = group(self.arrays, f"factors_after{step}/")
        found = {var.name: sides for sides in self.model.optimizer.sides for var in sides.block.variables}
        with self.model.graph.as_default():
            for parameter, names in self.case["kronecker_factors"].items():
                sides = found[parameter]
                assert (sides.input is None) == (names["input"] is None)
                for factor, name in zip(sides[1:], (names["input"], names["output"])):
                    if factor is not None:
                        value = self.model.sess.run(factor.average.read_value())
                        np.testing.assert_allclose(value, expected[name], atol=1e-5, rtol=1e-4, err_msg=parameter)


def norm(arrays):
    return np.sqrt(sum(np.square(array).sum() for array in arrays))


@pytest.mark.parametrize("name", KFAC_ONLY)
def test_natural_gradient_steps(name):
    """The first call has running averages that begin at zero, its eigendecomposition and its step."""
    update = Updates(name)
    update.set_calls(10)
    losses = []
    for step in range(1, 11):
        losses.append(update())
        if f"after{step}/model/pi/w:0" in update.arrays:
            update.assert_parameters(step, atol=1e-5)
        if step <= 2 and group(update.arrays, f"factors_after{step}/"):
            update.assert_factors(step)
    expected = update.arrays["trace/losses"]
    np.testing.assert_allclose(losses[:len(expected)], expected, atol=1e-5, rtol=1e-5)
    for loss in Losses._fields:
        np.testing.assert_allclose(getattr(losses[0], loss), update.arrays["loss/" + loss], rtol=1e-5)


@pytest.mark.parametrize("name", FULL)
def test_the_phases(name):
    """
    Nine calls of the cold start, then natural gradients, with eigendecompositions when the original makes them.

    In call 10 and 11 the original makes one more step of the cold start at the same time. That is all that differs.
    """
    update = Updates(name)
    losses, decompositions = [], []
    for step in range(1, 15):
        losses.append(update())
        decompositions.append(update.n_decompositions())
        if step in (1, 2, 5, 9):
            update.assert_parameters(step, atol=1e-5)
        if step == 10:
            tenth = update.model.get_parameters()
    np.testing.assert_allclose(losses[:10], update.arrays["trace/losses"][:10], atol=1e-5, rtol=1e-5)
    assert decompositions == list(update.arrays["trace/counters"][1:15, 3])

    overlap = [value - tenth[key] for key, value in group(update.arrays, "after10/").items()]
    velocity = update.arrays["trace/momentum_norms"][9, 1]
    np.testing.assert_allclose(norm(overlap), update.case["learning_rate"] * velocity, rtol=2e-3)


@pytest.mark.parametrize("name", ["acktr_mlp_discrete", "acktr_mlp_box"])
def test_advantages_and_gradients(name):
    """Advantages are standardised for continuous actions only."""
    update = Updates(name)
    model, expected, train_function = update.model, group(update.arrays, "grad/"), update.train_function
    np.testing.assert_allclose(model._advantages(update.rollout), update.arrays["derived/advs"], atol=1e-6)
    with model.graph.as_default():
        variables = [var for var in model.params if var.name in expected]
        gradients = model.sess.run(tf.gradients(model.loss, variables),
                                   train_function.feed_dict(model._batch(update.rollout, 0.)))
    assert len(variables) == len(expected)
    for variable, gradient in zip(variables, gradients):
        np.testing.assert_allclose(gradient, expected[variable.name], atol=1e-6, rtol=1e-5)


def test_no_clipping_is_clipping_at_a_limit_that_is_never_reached():
    results = []
    for max_grad_norm in ("None", "1e9"):
        update = Updates("acktr_mlp_discrete", max_grad_norm=max_grad_norm)
        for _ in range(11):
            update()
        results.append(update.model.get_parameters())
    clipped = update.arrays["after9/model/pi/w:0"]
    for parameter in results[0]:
        np.testing.assert_array_equal(results[0][parameter], results[1][parameter])
    assert np.abs(results[0]["model/pi/w:0"] - clipped).max() > 1e-2


def test_asynchronous_decomposition_is_one_update_late_whatever_the_timing():
    results = []
    for _ in range(2):
        update = Updates("acktr_mlp_discrete", async_eigen_decomp="True")
        for step in range(1, 14):
            update()
            if step in (1, 9):
                update.assert_parameters(step, atol=1e-5)
            if step == 10:  # still of the cold start
                parameters = update.model.get_parameters()
                change = [value - update.arrays["after9/" + key] for key, value in parameters.items()]
                np.testing.assert_allclose(norm(change), .05 * update.arrays["trace/momentum_norms"][9, 1], rtol=1e-4)
        results.append(update.model.get_parameters())
        assert update.n_decompositions() >= 3
    for parameter in results[0]:
        np.testing.assert_array_equal(results[0][parameter], results[1][parameter])


def test_an_error_of_the_decomposition_is_raised():
    model = ACKTR("MlpPolicy", make_env(spaces.Box(-1, 1, (2,), dtype=np.float32), spaces.Discrete(2)),
                  n_steps=2, async_eigen_decomp=True)

    def fail():
        raise ArithmeticError("no convergence")
    model._decompose = fail
    with pytest.raises(ArithmeticError, match="no convergence"):
        model.learn(4)


def test_fisher_losses_by_hand():
    with tf.Graph().as_default(), tf.Session() as session:
        values = tf.constant([[1.], [2.]])
        losses = fisher_losses(tf.constant([.5, 2.]), values, noise=tf.constant([[3.], [-1.]]), vf_fisher_coef=2.)
        losses, gradient = session.run([losses, tf.gradients(losses.values, values)[0]])
    assert losses == (1.25, 2. * (9 + 1) / 2)
    np.testing.assert_array_equal(gradient, [[-6.], [2.]])  # 2 * 2 * (value - draw) / 2: the draws are constants
