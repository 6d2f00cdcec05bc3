"""Both forms of an LSTM, the loop and the unrolled one, compute the same, and so do their gradients."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.acktr.blocks import find_blocks
from stable_baselines.common import tf_layers, tf_util


@pytest.fixture
def session():
    """Give a session on a fresh graph, both the default."""
    with tf_util.make_graph(0).as_default():
        with tf_util.single_threaded_session() as sess:
            yield sess


def outputs_and_gradients(longest_unrolled, layer_norm, monkeypatch):
    """Return what an LSTM over 6 steps of 3 environments computes, and the gradients by all that it depends on."""
    monkeypatch.setattr(tf_layers, '_LONGEST_UNROLLED', longest_unrolled)
    np.random.seed(0)
    inputs = np.random.normal(size=(6, 3, 5)).astype(np.float32)
    masks = (np.random.uniform(size=(6, 3, 1)) < .3).astype(np.float32)
    state = np.random.normal(size=(3, 8)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as sess:
        inputs_ph, state_ph = tf.placeholder(tf.float32, inputs.shape), tf.placeholder(tf.float32, state.shape)
        hiddens, last_state = tf_layers.lstm(
            tf.unstack(inputs_ph), tf.unstack(tf.constant(masks)), state_ph, 'lstm', n_hidden=4, layer_norm=layer_norm)
        weighting = np.random.normal(size=(6, 3, 4)).astype(np.float32)
        loss = tf.reduce_sum(tf.stack(hiddens) * weighting) + tf.reduce_sum(tf.sin(last_state))
        params = tf.trainable_variables()
        grads = tf.gradients(loss, [inputs_ph, state_ph, *params])
        sess.run(tf.global_variables_initializer())
        for param in params:  # gains and biases start alike
            param.load(np.random.normal(size=param.shape.as_list()), sess)
        return sess.run([tf.stack(hiddens), last_state, *grads], {inputs_ph: inputs, state_ph: state})


@pytest.mark.parametrize('layer_norm', [False, True])
def test_the_loop_is_the_unrolled_lstm(layer_norm, monkeypatch):
    in_a_loop = outputs_and_gradients(0, layer_norm, monkeypatch)
    unrolled = outputs_and_gradients(6, layer_norm, monkeypatch)
    assert len(in_a_loop) == (13 if layer_norm else 7)
    for looped, expected in zip(in_a_loop, unrolled):
        assert np.abs(expected).max() > 0
        np.testing.assert_allclose(looped, expected, rtol=1e-5, atol=1e-6)


def test_one_product_gives_the_gradient_of_an_unrolled_lstm(session):
    inputs = [tf.constant(np.random.normal(size=(3, 5)).astype(np.float32)) for _ in range(6)]
    _, state = tf_layers.lstm(inputs, [tf.zeros([3, 1])] * 6, tf.zeros([3, 8]), 'lstm', n_hidden=4)
    weight = next(variable for variable in tf.trainable_variables() if variable.op.name == 'lstm/wh')
    [block] = find_blocks(tf.reduce_sum(state), [weight])
    assert len(block.ops) == 6  # K-FAC sees a product in each step
    before = session.graph.get_operations()
    tf.gradients(tf.reduce_sum(state), [weight])
    added = session.graph.get_operations()[len(before):]
    assert len([op for op in added if op.type == 'MatMul' and op.outputs[0].shape == weight.shape]) == 1


def test_second_derivative_of_an_unrolled_lstm(session):
    inputs = [tf.constant(np.random.RandomState(step).normal(size=(3, 2)).astype(np.float32)) for step in range(3)]
    hiddens, _ = tf_layers.lstm(inputs, [tf.zeros([3, 1])] * 3, tf.zeros([3, 8]), 'lstm', n_hidden=4)
    weight = next(variable for variable in tf.trainable_variables() if variable.op.name == 'lstm/wh')
    [grad] = tf.gradients(tf.reduce_sum(tf.square(hiddens[-1])), [weight])
    [second] = tf.gradients(tf.reduce_sum(tf.square(grad)), [weight])
    session.run(tf.global_variables_initializer())
    value, expected = session.run(weight), session.run(second)
    found, step = np.zeros_like(value), 1e-2
    for index in np.ndindex(*value.shape):
        sums = []
        for sign in (1, -1):
            moved = value.copy()
            moved[index] += sign * step
            weight.load(moved, session)
            sums.append((session.run(grad).astype(float) ** 2).sum())
        found[index] = (sums[0] - sums[1]) / (2 * step)
    np.testing.assert_allclose(found, expected, rtol=2e-2, atol=2e-3 * np.abs(expected).max())
