"""Layers against the same arithmetic in NumPy."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.common import tf_layers, tf_util


@pytest.fixture
def session():
    """Give a session on a fresh graph, both the default."""
    with tf_util.make_graph(0).as_default():
        with tf_util.single_threaded_session() as sess:
            yield sess


def names():
    """Return names and shapes of all variables."""
    return [(variable.name, tuple(variable.shape.as_list())) for variable in tf.trainable_variables()]


@pytest.mark.parametrize("shape", [(4, 64), (64, 4), (3, 3, 2, 8)])
def test_ortho_init(shape):
    np.random.seed(0)
    weights = tf_layers.ortho_init(2.)(shape).reshape(-1, shape[-1])
    product = weights.dot(weights.T) if weights.shape[0] < weights.shape[1] else weights.T.dot(weights)
    np.testing.assert_allclose(product, 4. * np.eye(len(product)), atol=1e-5)


def test_ortho_init_refuses_other_shapes():
    with pytest.raises(ValueError, match="2 or 4 dimensions"):
        tf_layers.ortho_init()((3,))


def test_linear(session):
    inputs = np.random.randn(5, 3).astype(np.float32)
    output = tf_layers.linear(tf.constant(inputs), "layer", 2, init_scale=.5, init_bias=.25)
    tf_util.initialize()
    assert names() == [("layer/w:0", (3, 2)), ("layer/b:0", (2,))]
    weight, bias = session.run(tf.trainable_variables())
    np.testing.assert_array_equal(bias, [.25, .25])
    np.testing.assert_allclose(session.run(output), inputs.dot(weight) + bias, atol=1e-6)


def test_conv(session):
    images = np.random.randn(2, 5, 4, 3).astype(np.float32)
    output = tf_layers.conv(tf.constant(images), "conv", n_filters=7, filter_size=(3, 2), stride=2)
    tf_util.initialize()
    assert names() == [("conv/w:0", (3, 2, 3, 7)), ("conv/b:0", (1, 7, 1, 1))]
    variables = tf.trainable_variables()
    session.run(tf.assign(variables[1], np.arange(7.).reshape(1, 7, 1, 1)))
    filters, result = session.run([variables[0], output])
    assert result.shape == (2, 2, 2, 7)
    expected = np.tensordot(images[1, 2:5, 0:2], filters, 3) + np.arange(7.)
    np.testing.assert_allclose(result[1, 1, 0], expected, atol=1e-5)
    assert tf_layers.conv(tf.constant(images), "one", n_filters=7, filter_size=3, stride=1, pad="SAME",
                          one_dim_bias=True).shape.as_list() == [2, 5, 4, 7]
    assert names()[-1] == ("one/b:0", (7,))
    for wrong, reason in ((dict(data_format="HWCN"), "data_format"), (dict(filter_size=(3, 3, 3)), "filter_size")):
        with pytest.raises(ValueError, match=reason):
            tf_layers.conv(tf.constant(images), "x", **dict(dict(n_filters=1, filter_size=3, stride=1), **wrong))


def test_conv_to_fc(session):
    images = np.arange(24.).reshape(2, 2, 3, 2)
    np.testing.assert_array_equal(session.run(tf_layers.conv_to_fc(tf.constant(images))), images.reshape(2, 12))


def sigmoid(value):
    return 1. / (1. + np.exp(-value))


def layer_normed(value, gain, bias):
    return (value - value.mean(-1, keepdims=True)) / np.sqrt(value.var(-1, keepdims=True) + 1e-5) * gain + bias


def lstm_in_numpy(inputs, masks, state, params, layer_norm):
    """Compute the LSTM step by step."""
    cell, hidden = np.split(state, 2, axis=1)
    outputs = []
    for step_input, mask in zip(inputs, masks):
        cell, hidden = cell * (1 - mask), hidden * (1 - mask)
        gates_x, gates_h = step_input.dot(params["wx"]), hidden.dot(params["wh"])
        if layer_norm:
            gates_x = layer_normed(gates_x, params["gx"], params["bx"])
            gates_h = layer_normed(gates_h, params["gh"], params["bh"])
        in_gate, forget_gate, out_gate, candidate = np.split(gates_x + gates_h + params["b"], 4, axis=1)
        cell = sigmoid(forget_gate) * cell + sigmoid(in_gate) * np.tanh(candidate)
        hidden = sigmoid(out_gate) * np.tanh(layer_normed(cell, params["gc"], params["bc"]) if layer_norm else cell)
        outputs.append(hidden)
    return outputs, np.concatenate([cell, hidden], axis=1)


@pytest.mark.parametrize("layer_norm", [False, True])
@pytest.mark.parametrize("n_steps", [1, 4, 40])  # the last one is a loop in the graph
def test_lstm(session, n_steps, layer_norm):
    rng = np.random.RandomState(0)
    inputs, masks = rng.randn(n_steps, 2, 3), (rng.rand(n_steps, 2, 1) < .4).astype(float)
    state = rng.randn(2, 10)
    build = tf_layers.lnlstm if layer_norm else tf_layers.lstm
    outputs, last = build([tf.constant(step, tf.float32) for step in inputs],
                          [tf.constant(step, tf.float32) for step in masks], tf.constant(state, tf.float32), "cell", 5)
    tf_util.initialize()
    params = {}
    for variable in tf.trainable_variables():
        params[variable.op.name.split("/")[-1]] = value = .5 * rng.randn(*variable.shape.as_list())
        session.run(tf.assign(variable, value))
    assert list(params) == ["wx", "wh", "b"] + (["gx", "bx", "gh", "bh", "gc", "bc"] if layer_norm else [])
    expected, expected_last = lstm_in_numpy(inputs, masks, state, params, layer_norm)
    np.testing.assert_allclose(session.run(outputs), expected, atol=1e-5)
    np.testing.assert_allclose(session.run(last), expected_last, atol=1e-5)


@pytest.mark.parametrize("repeats", [1, 13])
def test_lstm_gradient(session, repeats):
    """The gradient is that of finite differences, for few steps and through the loop for many."""
    inputs = [tf.constant([[.5, -1.]]), tf.constant([[1., .3]]), tf.constant([[-.2, .1]])] * repeats
    outputs, _ = tf_layers.lstm(inputs, [tf.zeros((1, 1))] * len(inputs), tf.zeros((1, 6)), "cell", 3)
    loss = tf.reduce_sum(outputs[-1])
    weight = tf.trainable_variables()[0]
    gradient = tf.gradients(loss, weight)[0]
    tf_util.initialize()
    value, slope = session.run([weight, gradient])
    for index in ((0, 0), (1, 7)):
        moved = []
        for sign in (1, -1):
            changed = value.copy()
            changed[index] += sign * 1e-2
            session.run(tf.assign(weight, changed))
            moved.append(session.run(loss))
        np.testing.assert_allclose((moved[0] - moved[1]) / 2e-2, slope[index], atol=1e-3)


def test_dense_layers_are_named_as_keras_does(session):
    x = tf.constant(np.random.randn(4, 3), tf.float32)
    tf_layers.mlp(x, [5, 6], layer_norm=True)
    with tf.variable_scope("head"):
        tf_layers.dense(x, 1)
        output = tf_layers.dense(x, 2, activation=tf.nn.relu)
    assert [name for name, _ in names()] == [
        "fc0/kernel:0", "fc0/bias:0", "LayerNorm/beta:0", "LayerNorm/gamma:0", "fc1/kernel:0", "fc1/bias:0",
        "LayerNorm_1/beta:0", "LayerNorm_1/gamma:0", "head/dense/kernel:0", "head/dense/bias:0",
        "head/dense_1/kernel:0", "head/dense_1/bias:0"]
    tf_util.initialize()
    kernel = session.run(tf.trainable_variables()[-2])
    assert np.abs(kernel).max() <= np.sqrt(6. / 5.)  # Glorot's bound for 3 + 2
    assert session.run(output).min() >= 0.


def test_layer_norm(session):
    value = np.random.randn(4, 8).astype(np.float32)
    output = tf_layers.layer_norm(tf.constant(value))
    tf_util.initialize()
    result = session.run(output)
    np.testing.assert_allclose(result.mean(-1), np.zeros(4), atol=1e-6)
    np.testing.assert_allclose(result.std(-1), np.ones(4), atol=1e-5)
    tf_layers.layer_norm(tf.constant(value), center=False, scale=False, scope="plain")
    assert not [name for name, _ in names() if name.startswith("plain")]
