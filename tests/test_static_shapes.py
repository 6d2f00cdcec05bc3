"""Gradient steps are copied for the shapes that they are fed, and compute what they computed."""
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.common import tf_util
from stable_baselines.common.graph import functions


class Batch(NamedTuple):
    x: Any
    unused: Any
    rate: Any


@pytest.fixture
def session():
    """Give a session on a fresh graph, both the default."""
    with tf_util.make_graph(0).as_default():
        with tf_util.single_threaded_session() as sess:
            yield sess


@pytest.fixture
def step(session):
    """Give a gradient step for ``weights``, which waits for a count, and both variables."""
    batch_ph = Batch(tf.placeholder(tf.float32, (None, 3)), tf.placeholder(tf.float32, (None,)),
                     tf.placeholder(tf.float32, ()))
    weights = tf.get_variable("weights", initializer=np.ones((3, 2), np.float32))
    count = tf.get_variable("count", initializer=0.)
    n_rows = tf.cast(tf.shape(batch_ph.x)[0], tf.float32)
    loss = tf.reduce_mean(tf.square(tf.tanh(tf.matmul(batch_ph.x, weights)) + n_rows))
    gradient, = tf.gradients(loss, [weights])
    with tf.control_dependencies([tf.assign_add(count, 1.)]):
        update = tf.assign_sub(weights, batch_ph.rate * gradient)
    session.run(tf.global_variables_initializer())
    return tf_util.batch_function(batch_ph, loss, updates=[update], session=session), weights, count


def batch_of(n_rows):
    return Batch(np.random.RandomState(n_rows).normal(size=(n_rows, 3)), np.zeros(n_rows), 0.1)


def test_a_copy_computes_the_same_on_the_same_variables(session, step, monkeypatch):
    call, weights, count = step
    losses = [call(batch_of(n_rows)) for n_rows in (5, 7, 5)]
    after = session.run([weights, count])
    assert after[1] == 3

    session.run(tf.global_variables_initializer())
    monkeypatch.setattr(call, '_n_static', 0)
    call._callables.clear()
    np.testing.assert_allclose(losses, [call(batch_of(n_rows)) for n_rows in (5, 7, 5)], rtol=1e-6)
    np.testing.assert_allclose(session.run(weights), after[0], rtol=1e-6)


def test_shapes_are_not_asked_for(session, step):
    call, *_ = step
    call(batch_of(5))
    copies = [op for op in session.graph.get_operations() if op.name.startswith('static_shapes/')]
    assert copies and not [op for op in copies if op.type in ('VarHandleOp', 'Placeholder')]
    products = [op for op in copies if op.type == 'MatMul']
    assert (5, 2) in [tuple(op.outputs[0].shape.as_list()) for op in products]


def test_a_few_shapes_are_copied_and_all_are_checked(session, step):
    call, *_ = step
    for n_rows in range(1, functions.MAX_STATIC_SHAPES + 3):
        call(batch_of(n_rows))
    scopes = {op.name.split('/')[0] for op in session.graph.get_operations() if op.name.startswith('static_shapes')}
    assert len(scopes) == functions.MAX_STATIC_SHAPES
    with pytest.raises(ValueError, match="takes shape"):
        call(batch_of(5)._replace(x=np.zeros((5, 4))))


def test_random_numbers_are_not_repeated(session):
    batch_ph = Batch(tf.placeholder(tf.float32, (None, 3)), None, None)
    drawn = tf.random_uniform(tf.shape(batch_ph.x), seed=tf_util.next_op_seed())
    counter = tf.get_variable("counter", initializer=0.)
    call = tf_util.batch_function(batch_ph, drawn, updates=[tf.assign_add(counter, 1.)], session=session)
    session.run(tf.global_variables_initializer())
    first, second = (call(Batch(np.zeros((n_rows, 3)), None, None)) for n_rows in (4, 5))
    assert session.run(counter) == 2
    assert not np.isin(second, first).any()


def test_functions_without_updates_are_not_copied(session):
    batch_ph = Batch(tf.placeholder(tf.float32, (None, 3)), None, None)
    call = tf_util.batch_function(batch_ph, tf.reduce_sum(batch_ph.x), session=session)
    assert call(Batch(np.ones((2, 3)), None, None)) == 6
    assert not [op for op in session.graph.get_operations() if op.name.startswith('static_shapes')]


def test_random_numbers_within_functions_are_not_repeated(session):
    batch_ph = Batch(tf.placeholder(tf.float32, (None, 3)), None, None)
    drawn = tf.cond(tf.shape(batch_ph.x)[0] > 0,
                    lambda: tf.random_uniform(tf.shape(batch_ph.x), seed=tf_util.next_op_seed()), lambda: batch_ph.x)
    counter = tf.get_variable("counter", initializer=0.)
    call = tf_util.batch_function(batch_ph, drawn, updates=[tf.assign_add(counter, 1.)], session=session)
    session.run(tf.global_variables_initializer())
    first, second = (call(Batch(np.zeros((n_rows, 3)), None, None)) for n_rows in (4, 5))
    assert not np.isin(second, first).any()


def test_variables_of_the_old_kind_and_queues_are_shared(session):
    batch_ph = Batch(tf.placeholder(tf.float32, (None, 3)), None, None)
    old = tf.get_variable("old", initializer=2., use_resource=False)
    queue = tf.FIFOQueue(3, [tf.float32], shapes=[()])
    total = tf.reduce_sum(batch_ph.x) * old + queue.dequeue()
    call = tf_util.batch_function(batch_ph, total, updates=[tf.assign_add(old, 1.)], session=session)
    session.run([tf.global_variables_initializer(), queue.enqueue_many([np.array([10., 20.], np.float32)])])
    assert call(Batch(np.ones((1, 3)), None, None)) in (16, 19)  # before or after the update, as TensorFlow likes
    assert call(Batch(np.ones((2, 3)), None, None)) in (38, 44)
    assert session.run(old) == 4


def test_a_finished_graph_is_not_copied(session, step):
    call, weights, _ = step
    session.graph.finalize()
    call(batch_of(5))
