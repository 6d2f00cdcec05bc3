"""The gradients of convolutions and products on a CPU are those of TensorFlow."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.common.graph import layer_gradients
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
