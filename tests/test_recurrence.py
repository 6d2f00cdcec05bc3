"""The loop of a long LSTM computes what the unrolled one does, and so do its gradients."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.common import tf_layers


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
