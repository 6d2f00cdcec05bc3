"""The gradients of convolutions, products and rectifiers on a CPU are those of TensorFlow."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import make_env
from stable_baselines import TD3
from stable_baselines.common.graph import layer_gradients
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.tf_layers import conv, linear


def gradients_of(build, inputs, monkeypatch, fast, second_order=False):
    """Return the gradients of a random weighting of a layer's outputs, by its inputs and its weights."""
    monkeypatch.setattr(layer_gradients, 'is_slow', lambda: fast)
    np.random.seed(0)
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        input_ph = tf.placeholder(tf.float32, (None,) + inputs.shape[1:])
        outputs = build(input_ph)
        weighting = np.random.normal(size=outputs.shape[1:]).astype(np.float32)
        sources = [input_ph, *tf.trainable_variables()]
        grads = tf.gradients(tf.reduce_sum(outputs * weighting), sources)
        if second_order:
            grads = tf.gradients([tf.reduce_sum(tf.sin(grad)) for grad in grads[:2]], sources[:2])
        sess.run(tf.global_variables_initializer())
        kinds = {op.get_attr('_gradient_op_type') for op in graph.get_operations()
                 if op.type in ('Conv2D', 'MatMul') and '_gradient_op_type' in op.node_def.attr}
        return sess.run(grads, {input_ph: inputs}), kinds


@pytest.mark.parametrize('second_order', [False, True])
@pytest.mark.parametrize('size, filter_size, stride', [
    ((20, 20, 4), 8, 4), ((9, 9, 8), 4, 2), ((7, 6, 3), 3, 1), ((11, 14, 2), (4, 2), 2), ((10, 10, 3), 3, 3)])
def test_a_convolution_has_the_gradients_of_tensorflow(size, filter_size, stride, second_order, monkeypatch):
    images = np.random.RandomState(1).normal(size=(5, *size)).astype(np.float32)

    def build(images_ph):
        return conv(images_ph, 'c', n_filters=6, filter_size=filter_size, stride=stride)
    ours, kinds = gradients_of(build, images, monkeypatch, True, second_order)
    theirs, no_kinds = gradients_of(build, images, monkeypatch, False, second_order)
    assert kinds == {b'StableBaselinesConv2D'} and not no_kinds
    for our, their in zip(ours, theirs):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize('arguments', [dict(stride=2, pad='SAME'), dict(stride=2, filter_size=3)])
def test_other_convolutions_keep_their_gradients(arguments, monkeypatch):
    _, kinds = gradients_of(lambda images: conv(images, 'c', n_filters=2, **{'filter_size': 4, **arguments}),
                            np.zeros((1, 8, 8, 1), np.float32), monkeypatch, fast=True)
    assert not kinds


@pytest.mark.parametrize('second_order', [False, True])
def test_a_product_with_many_weights_has_the_gradients_of_tensorflow(second_order, monkeypatch):
    rows = np.random.RandomState(1).normal(size=(3, 1024)).astype(np.float32)
    ours, kinds = gradients_of(lambda rows_ph: linear(rows_ph, 'l', 512), rows, monkeypatch, True, second_order)
    theirs, _ = gradients_of(lambda rows_ph: linear(rows_ph, 'l', 512), rows, monkeypatch, False, second_order)
    assert kinds == {b'StableBaselinesMatMul'}
    for our, their in zip(ours, theirs):
        np.testing.assert_allclose(our, their, rtol=1e-5, atol=1e-5)


def test_small_products_keep_their_gradients(monkeypatch):
    assert not gradients_of(lambda rows: linear(rows, 'l', 64), np.zeros((1, 64), np.float32), monkeypatch, True)[1]


def test_a_sum_with_a_bias_has_the_gradients_of_tensorflow():
    rows, bias, weighting = (np.random.RandomState(1).normal(size=shape).astype(np.float32)
                             for shape in ((7, 3), (3,), (7, 3)))
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        rows_ph, bias_ph = tf.placeholder(tf.float32, (None, 3)), tf.placeholder(tf.float32, (3,))
        grads = [tf.gradients(tf.sin(outputs) * weighting, [rows_ph, bias_ph])
                 for outputs in (layer_gradients.add_bias(rows_ph, bias_ph), rows_ph + bias_ph)]
        assert [op.type for op in graph.get_operations()].count('AddV2') == 2
        ours, theirs = sess.run(grads, {rows_ph: rows, bias_ph: bias})
    for our, their in zip(ours, theirs):
        np.testing.assert_allclose(our, their, rtol=1e-6, atol=1e-6)


def test_copies_of_the_images_are_made_one_after_the_other(monkeypatch):
    monkeypatch.setattr(layer_gradients, 'is_slow', lambda: True)
    with tf.Graph().as_default() as graph:
        outputs = conv(tf.placeholder(tf.float32, (None, 8, 8, 2)), 'c', n_filters=3, filter_size=4, stride=2)
        tf.gradients(outputs, tf.trainable_variables())
        slices = [op for op in graph.get_operations()
                  if op.type == 'StridedSlice' and op.inputs[0].op.type == 'SpaceToDepth']
        # an operation waits for what its inputs wait for
        waits_for = [{waited.type for tensor in op.inputs for waited in tensor.op.control_inputs} for op in slices]
    assert len(waits_for) == 4 and all(waits_for)  # for the gradient of the outputs, then for the product before
    assert all('Transpose' in types for types in waits_for[1:])


@pytest.mark.parametrize('slow', [True, False])
def test_rectifiers_of_a_model_have_the_gradients_of_tensorflow(slow, monkeypatch):
    monkeypatch.setattr(layer_gradients, 'is_slow', lambda: slow)
    features = np.random.RandomState(1).normal(size=(9, 5)).astype(np.float32)
    features[0] = [0., -0., 1e-40, -1e-40, 1e30]
    with tf.Graph().as_default() as graph, tf.Session() as sess:
        features_ph = tf.placeholder(tf.float32, (None, 5))
        theirs = tf.nn.relu(features_ph)
        with layer_gradients.fast_relu_gradients(graph):
            ours = tf.nn.relu(features_ph)
        firsts = [tf.gradients(outputs, features_ph, tf.sin(features_ph))[0] for outputs in (ours, theirs)]
        seconds = [tf.gradients(first, features_ph)[0] for first in firsts]
        assert [op.type for op in graph.get_operations()].count('Sign') == slow
        for our, their in sess.run([firsts, seconds], {features_ph: features}):
            np.testing.assert_array_equal(our, their)


def test_a_model_gives_its_rectifiers_that_gradient(monkeypatch):
    monkeypatch.setattr(layer_gradients, 'is_slow', lambda: True)
    operations = TD3('MlpPolicy', make_env(*[spaces.Box(-1, 1, (2,), np.float32)] * 2)).graph.get_operations()
    assert 'ReluGrad' not in {op.type for op in operations} and 'Sign' in {op.type for op in operations}
