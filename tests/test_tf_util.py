"""Calls into the session, gradients and small formulas."""
import pickle
from typing import Any, NamedTuple

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.common import tf_util


@pytest.fixture
def session():
    """Give a session on a fresh graph, both the default."""
    with tf_util.make_graph(0).as_default():
        with tf_util.single_threaded_session() as sess:
            yield sess


def test_function_takes_positional_and_named_arguments_and_givens(session):
    x = tf.placeholder(tf.int32, (), name="x")
    y = tf.placeholder(tf.int32, (), name="y")
    linear = tf_util.function([x, y], 3 * x + 2 * y, givens={y: 0})
    assert linear(2) == 6 and linear(x=3) == 9 and linear(2, 2) == 10 and linear(1, y=5) == 13
    for args, kwargs, reason in (((), {}, "missing argument 'x'"), ((1, 2, 3), {}, "too many arguments"),
                                 ((1,), {"z": 1}, "unexpected arguments"), ((1,), {"x": 1}, "unexpected arguments")):
        with pytest.raises(TypeError, match=reason):
            linear(*args, **kwargs)


def test_function_takes_two_placeholders_of_equal_last_names(session):
    with tf.variable_scope("first"):
        x = tf.placeholder(tf.int32, (), name="x")
    with tf.variable_scope("second"):
        other_x = tf.placeholder(tf.int32, (), name="x")
    digits = tf_util.function([x, other_x], 10 * x + other_x, givens={other_x: 5})
    assert digits(1, 2) == 12 and digits(1) == 15 and digits(1, x=2) == 12
    with pytest.raises(TypeError, match=r"unexpected arguments \['x'\].*names of one input"):
        digits(x=1)  # which of them?


def test_function_keeps_the_structure_of_its_outputs(session):
    x = tf.placeholder(tf.float32, ())
    assert tf_util.function([x], [x, 2 * x])(1) == [1, 2]
    assert tf_util.function([x], {"a": x})(1) == {"a": 1}


def test_function_casts_and_checks(session):
    x = tf.placeholder(tf.float32, (None, 2), name="scope/observations")
    double = tf_util.function([x], 2 * x)
    np.testing.assert_array_equal(double([[1, 2]]), [[2., 4.]])
    np.testing.assert_array_equal(double(np.ones((3, 2), np.float64)[::2]), 2 * np.ones((2, 2)))
    assert double(np.ones((1, 2), np.float64)).dtype == np.float32
    for wrong in (np.ones(2), np.ones((1, 3)), np.ones((1, 1, 2)), 1.):
        with pytest.raises(ValueError, match=r"scope/observations takes shape \(None, 2\)"):
            double(wrong)


def test_function_runs_updates(session):
    counter = tf.get_variable("counter", (), initializer=tf.zeros_initializer())
    tf_util.initialize()
    count = tf_util.function([], [], updates=[tf.assign_add(counter, 1.)])
    read = tf_util.function([], counter)
    for _ in range(3):
        count()
    assert read() == 3


def test_function_needs_a_session():
    with tf_util.make_graph(0).as_default():
        with pytest.raises(ValueError, match="without a session"):
            tf_util.function([], tf.constant(1.))()


class Batch(NamedTuple):
    """What a made-up algorithm feeds, as placeholders and as arrays."""

    obs: Any
    mask: Any
    scale: Any


def test_batch_function_feeds_a_namedtuple(session):
    batch_ph = Batch(obs=(tf.placeholder(tf.float32, (None, 2), name="obs"), tf.placeholder(tf.float32, (None, 2))),
                     mask=None, scale=tf.placeholder(tf.int32, ()))
    counter = tf.get_variable("counter", (), initializer=tf.zeros_initializer())
    tf_util.initialize()
    total = tf.reduce_sum(batch_ph.obs[0] + 10. * batch_ph.obs[1]) * tf.cast(batch_ph.scale, tf.float32)
    call = tf_util.batch_function(batch_ph, {"total": total}, updates=tf.assign_add(counter, 1.))
    for mask in (None, [True]):  # not fed, so it does not matter
        assert call(Batch([[1, 2]], mask, 2)) == {"total": 66.}
    assert session.run(counter) == 2.

    obs = np.ones((1, 2))
    feeds = call.feed_dict(Batch(obs, None, 3))
    assert len(feeds) == 3 and all(feeds[placeholder] is obs for placeholder in batch_ph.obs)
    assert session.run(total, feeds) == 66.


def test_batch_function_refuses_other_batches(session):
    x = tf.placeholder(tf.float32, (2,), name="x")
    call = tf_util.batch_function(Batch(x, None, None), x)
    for wrong in (([1., 2.], None, None), [1., 2.], None):
        with pytest.raises(TypeError, match="accepted is a Batch"):
            call(wrong)
    with pytest.raises(ValueError, match=r"x takes shape \(2,\), got \(3,\)"):
        call(Batch([1., 2., 3.], None, None))


def test_pickles_refer_to_the_public_module():
    for offered in (tf_util.function, tf_util.GetFlat, tf_util.make_session, tf_util.mse, tf_util.scalar_summary):
        assert offered.__module__ == "stable_baselines.common.tf_util"
        assert pickle.loads(pickle.dumps(offered)) is offered


def test_initialize_leaves_initialised_variables_alone(session):
    first = tf.get_variable("first", (), initializer=tf.zeros_initializer())
    tf_util.initialize()
    session.run(tf.assign(first, 5.))
    second = tf.get_variable("second", (), initializer=tf.ones_initializer())
    tf_util.initialize()
    assert session.run([first, second]) == [5., 1.]


def test_seeds():
    def draw(seed):
        with tf_util.make_graph(seed).as_default(), tf_util.single_threaded_session() as sess:
            ops = [tf.random_uniform((3,), seed=tf_util.next_op_seed()) for _ in range(2)]
            return np.stack(sess.run(ops))
    assert np.array_equal(draw(1), draw(1)) and not np.array_equal(draw(1), draw(2))
    assert not np.array_equal(*draw(1))  # two operations, two streams
    assert not np.array_equal(draw(None), draw(None))


def test_minimize_takes_all_gradients_first(session):
    # d/da (a * b) = b and d/db = a at the OLD values, whichever is applied first
    a = tf.get_variable("a", (), initializer=tf.constant_initializer(2.))
    b = tf.get_variable("b", (), initializer=tf.constant_initializer(3.))
    step = tf_util.minimize(tf.train.GradientDescentOptimizer(1.), a * b, [a, b])
    tf_util.initialize()
    session.run(step)
    assert session.run([a, b]) == [-1., 1.]


def test_minimize_clips_the_global_norm(session):
    a = tf.get_variable("a", (2,), initializer=tf.zeros_initializer())
    step = tf_util.minimize(tf.train.GradientDescentOptimizer(1.), tf.reduce_sum(a * [3., 4.]), [a], max_grad_norm=1.)
    tf_util.initialize()
    session.run(step)
    np.testing.assert_allclose(session.run(a), [-.6, -.8], rtol=1e-6)


def test_flat_gradients_and_parameters(session):
    a = tf.get_variable("a", (2, 2), initializer=tf.ones_initializer())
    b = tf.get_variable("b", (3,), initializer=tf.zeros_initializer())
    tf_util.initialize()
    gradient = tf_util.flatgrad(tf.reduce_sum(tf.square(a)), [a, b])
    np.testing.assert_array_equal(session.run(gradient), [2, 2, 2, 2, 0, 0, 0])
    clipped = tf_util.flatgrad(tf.reduce_sum(tf.square(a)), [a], clip_norm=2.)
    np.testing.assert_allclose(session.run(clipped), [1, 1, 1, 1], rtol=1e-6)

    get, put = tf_util.GetFlat([a, b]), tf_util.SetFromFlat([a, b])
    theta = np.arange(7.)
    put(theta)
    theta += 1  # the variables must not live in the caller's array
    np.testing.assert_array_equal(get(), np.arange(7.))


def test_gradient_add(session):
    assert tf_util.gradient_add(None, 3., None) == 3. and tf_util.gradient_add(2., None, None) == 2.
    assert tf_util.gradient_add(2., 3., None) == 5. and tf_util.gradient_add(None, None, None) is None


def test_sequences(session):
    batch = tf.constant(np.arange(12.).reshape(6, 2))  # 2 environments of 3 steps, one after the other
    sequence = tf_util.batch_to_seq(batch, 2, 3)
    steps = session.run(sequence)
    np.testing.assert_array_equal(steps[1], [[2, 3], [8, 9]])
    np.testing.assert_array_equal(session.run(tf_util.seq_to_batch(sequence)), np.arange(12.).reshape(6, 2))
    masks = session.run(tf_util.batch_to_seq(tf.constant(np.arange(6.)), None, 3, flat=True))
    np.testing.assert_array_equal(masks[0], [[0], [3]])


def test_formulas(session):
    logits = np.log(np.array([[.5, .5], [.9, .1]], np.float32))
    entropy = session.run(tf_util.calc_entropy(tf.constant(logits) + 7.))
    np.testing.assert_allclose(entropy, [np.log(2), -.9 * np.log(.9) - .1 * np.log(.1)], rtol=1e-5)
    assert session.run(tf_util.mse(tf.constant([1., 3.]), tf.constant([1., 1.]))) == 1.
    assert session.run(tf_util.avg_norm(tf.constant([[3., 4.], [0., 1.]]))) == 3.
    np.testing.assert_array_equal(session.run(tf_util.huber_loss(tf.constant([.5, -3.]))), [.125, 2.5])
    truth = tf.constant([[1., 2.], [3., 4.]])
    assert session.run(tf_util.q_explained_variance(truth, truth)) == 1.


def test_shapes(session):
    tensor = tf.zeros((2, 3))
    assert (tf_util.var_shape(tensor), tf_util.numel(tensor), tf_util.intprod([])) == ([2, 3], 6, 1)
    tf_util.check_shape([tensor], [[2, 3]])
    with pytest.raises(ValueError, match=r"\[2, 3\], expected \[3, 2\]"):
        tf_util.check_shape([tensor], [[3, 2]])
    with pytest.raises(ValueError, match="not completely known"):
        tf_util.numel(tf.placeholder(tf.float32, (None, 3)))
    for shape, expected in (((1, 8, 8, 3), True), ((1, 8, 8, 1), True), ((1, 8, 8, 2), False), ((8, 8, 3), True),
                            ((8, 8, 2), False), ((8, 3), False), ((1, 1, 8, 8, 3), False)):
        assert tf_util.is_image(np.zeros(shape)) == expected


class FakeWriter:
    """Remembers what was written."""

    def __init__(self):
        self.written = []

    def add_summary(self, summary, step):
        self.written.append((step, summary.value[0].simple_value))


def test_episode_rewards_in_tensorboard():
    # environment 0: episodes end before steps 1 and 2; environment 1: its episode goes on
    writer, running = FakeWriter(), np.array([10., 20.])
    rewards, starts = np.ones((2, 3)), np.array([[False, True, True], [False, False, False]])
    running = tf_util.total_episode_reward_logger(running, rewards, starts, writer, 100)
    assert writer.written == [(102, 11.), (104, 1.)]
    np.testing.assert_array_equal(running, [1., 23.])
