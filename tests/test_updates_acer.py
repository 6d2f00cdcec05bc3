"""ACER's targets, losses, gradients, parameters and averages: by hand and against the original's numbers."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import CASES, assert_parameters, build_model, group, load_arrays
from stable_baselines import ACER
from stable_baselines.acer import acer_simple
from stable_baselines.acer.buffer import Segment

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
    fields = {name: batch[name].reshape((n_envs, -1) + batch[name].shape[1:])
              for name in Segment._fields if name != "states"}
    return Segment(states=batch.get("states"), **fields)


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
            key = "after{}".format(step)
            assert_parameters(model, group(arrays, key + "/"), atol[key], rtol, case)
            assert_averages(model, group(arrays, "average_{}/".format(key)), atol[key], rtol)
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
