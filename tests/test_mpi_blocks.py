"""What the processes of an MPI job share: sums in the graph, moments, running statistics, Adam. Here with fakes."""
import zlib

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import load_arrays
from stable_baselines.common import mpi_adam, mpi_running_mean_std, mpi_util, tf_util
from stable_baselines.common.gym_compat import spaces
from stable_baselines.common.mpi_adam import MpiAdam
from stable_baselines.common.mpi_moments import mpi_mean, mpi_moments
from stable_baselines.common.mpi_running_mean_std import RunningMeanStd
from stable_baselines.gail.adversary import TransitionClassifier


class Job(mpi_util.OneProcess):
    """A job in which the other processes always send the same as this one, or given arrays."""

    def __init__(self, size=3, others=None, root=None):
        self.size, self.others, self.root, self.n_exchanges = size, others, root, 0

    def Get_size(self):  # noqa: N802
        return self.size

    def Allreduce(self, sendbuf, recvbuf, op=None):  # noqa: N802
        self.n_exchanges += 1
        recvbuf[...] = self.size * sendbuf if self.others is None else sendbuf + self.others

    def Bcast(self, buf, root=0):  # noqa: N802
        if self.root is not None:
            buf[...] = self.root

    def allgather(self, sendobj):
        return [sendobj] * self.size


def test_the_sum_over_one_process_is_the_tensor_itself():
    with tf.Graph().as_default():
        tensors = [tf.constant([1., 2.]), tf.constant(3.)]
        summed = tf_util.sum_over_processes(tensors, mpi_util.OneProcess())
        assert summed[0] is tensors[0] and summed[1] is tensors[1]


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
def test_the_sum_over_processes_takes_one_exchange(dtype):
    job = Job(others=np.array([10., 20., 30., 40., 50.]))
    with tf.Graph().as_default(), tf.Session() as sess:
        tensors = [tf.constant([[1., 2.], [3., 4.]], dtype), tf.constant(5., dtype)]
        summed = tf_util.sum_over_processes(tensors, job)
        assert [tensor.shape.as_list() for tensor in summed] == [[2, 2], []]
        assert [tensor.dtype for tensor in summed] == [dtype, dtype]
        matrix, scalar = sess.run(summed)
    assert matrix.tolist() == [[11., 22.], [33., 44.]] and scalar == 55.
    assert job.n_exchanges == 1


def test_moments_by_hand():
    arr = np.array([[1., 2.], [3., 2.], [5., 8.]])
    mean, count = mpi_mean(arr)
    assert mean.tolist() == [3., 4.] and count == 3
    mean, std, count = mpi_moments(arr, axis=1, keepdims=True)
    assert mean.tolist() == [[1.5], [2.5], [6.5]] and std.tolist() == [[.5], [.5], [1.5]] and count == 2
    mean, std, count = mpi_moments(np.float32([1, 2, 4]))
    assert (mean.dtype, std.dtype, mean.shape) == (np.float32, np.float32, ())
    np.testing.assert_allclose([mean, std], [7 / 3, np.sqrt(14 / 9)], rtol=1e-6)
    assert mpi_mean([1, 2, 4]) == (7 / 3, 3)


def test_moments_over_processes():
    mean, count = mpi_mean(np.array([1., 2., 3.]), comm=Job(others=np.array([20., 2.])))  # two samples, with sum 20
    assert mean == 5.2 and count == 5
    mean, std, count = mpi_moments(np.array([[1., 2.], [3., 4.]]), axis=0, comm=Job(3))
    assert (mean.tolist(), std.tolist(), count) == ([2., 3.], [1., 1.], 6)


@pytest.fixture(name="sess")
def sess_fixture():
    with tf.Graph().as_default(), tf.Session() as sess:
        yield sess


def variables_of(sess):
    return {variable.op.name: sess.run(variable) for variable in tf.global_variables()}


def test_running_statistics_by_hand(sess):
    with tf.variable_scope("stats"):
        stats = RunningMeanStd(epsilon=1., shape=(2,))
    tf_util.initialize()
    assert [values.tolist() for values in sess.run([stats.mean, stats.std])] == [[0., 0.], [1., 1.]]
    stats.update(np.array([[3., 4.], [6., 5.]]))
    values = variables_of(sess)
    assert values["stats/runningsum"].tolist() == [9., 9.]
    assert values["stats/runningsumsq"].tolist() == [1 + 9 + 36, 1 + 16 + 25]
    assert values["stats/count"] == 3. and values["stats/count"].dtype == np.float64
    mean, std = sess.run([stats.mean, stats.std])
    assert mean.dtype == std.dtype == np.float32 and mean.tolist() == [3., 3.]
    np.testing.assert_allclose(std, np.sqrt([46 / 3 - 9, 42 / 3 - 9]), rtol=1e-6)


def test_the_standard_deviation_is_at_least_a_tenth(sess):
    stats = RunningMeanStd()
    tf_util.initialize()
    stats.update(np.full(1000, 5.))
    np.testing.assert_allclose(sess.run([stats.mean, stats.std]), [5., .1], rtol=1e-3)


def test_running_statistics_of_many_batches_are_those_of_all_samples(sess):
    arrays = load_arrays("running_mean_std")
    batches = [arrays[f"batch/{index}"] for index in range(4)]
    stats = RunningMeanStd(epsilon=1e-8, shape=(3,), sess=sess)
    tf_util.initialize()
    for batch in batches:
        stats.update(batch)
    samples = np.concatenate(batches)
    np.testing.assert_allclose(sess.run([stats.mean, stats.std]), [samples.mean(0), samples.std(0)], rtol=1e-5)


def test_running_statistics_of_all_processes(sess, monkeypatch):
    monkeypatch.setattr(mpi_util, "world", lambda: Job(3))
    stats = RunningMeanStd(epsilon=1.)
    tf_util.initialize()
    stats.update(np.array([1., 2.]))
    assert list(variables_of(sess).values()) == [9., 16., 7.]


def test_running_statistics_of_a_communicator(sess):
    stats = RunningMeanStd(epsilon=1., comm=Job(3))
    tf_util.initialize()
    stats.update(np.array([1., 2.]))
    assert list(variables_of(sess).values()) == [9., 16., 7.]


def test_the_discriminator_sums_all_its_statistics_over_its_communicator(sess):
    job, space = Job(2), spaces.Box(low=-9, high=9, shape=(1,), dtype=np.float32)
    giver = TransitionClassifier(space, spaces.Discrete(2), 4, sess=sess, comm=job)
    _, train = giver.build_training()
    tf_util.initialize()
    train(giver.batch_ph._replace(obs=[[1.], [2.]], actions=[0, 1], expert_obs=[[3.], [4.]], expert_actions=[0, 1],
                                  learning_rate=0.))
    total, _, count = sess.run(giver.obs_rms.variables)
    np.testing.assert_allclose([total[0], count], [2 * 10, 2 * 4 + .01])
    assert job.n_exchanges == 2  # of statistics, and of gradients


def test_the_moments_are_read_where_they_are_asked_for(sess):
    stats = RunningMeanStd(epsilon=1.)
    with tf.control_dependencies([stats.build_update(tf.constant([9., 9.]))]):
        mean, _ = stats.moments()
    tf_util.initialize()
    assert sess.run(mean) == 6.


def gradients_of(numbers):
    return [np.float32([number, -number]) for number in numbers]


def steps_of_tensorflow(sess, numbers, learning_rate=.1):
    """Return what TensorFlow's Adam makes of [1, 2] with some gradients."""
    variable, grad_ph = tf.get_variable("theirs", initializer=[1., 2.]), tf.placeholder(tf.float32, [2])
    train_op = tf.train.AdamOptimizer(learning_rate, .8, .9, 1e-3).apply_gradients([(grad_ph, variable)])
    tf_util.initialize()
    for grad in gradients_of(numbers):
        sess.run(train_op, {grad_ph: grad})
    return sess.run(variable)


def test_adam_by_hand(sess):
    variable = tf.get_variable("ours", initializer=[1., 2.])
    adam = MpiAdam([variable], beta1=.8, beta2=.9, epsilon=1e-3)
    tf_util.initialize()
    adam.update(np.float32([2., -3.]), .1)
    # averages (.2 g, .1 g^2), corrected in the step size: .1 * sqrt(.1) / .2
    grad = np.array([2., -3.])
    expected = [1., 2.] - .1 * np.sqrt(.1) / .2 * .2 * grad / (np.sqrt(.1) * np.abs(grad) + 1e-3)
    np.testing.assert_allclose(sess.run(variable), expected, rtol=1e-6)


@pytest.mark.parametrize("job, scale, factor", [
    (mpi_util.OneProcess(), True, 1), (Job(2), True, 1), (Job(2), False, 2)])
def test_updates_are_tensorflows(sess, job, scale, factor):
    variable = tf.get_variable("ours", initializer=[1., 2.])
    adam = MpiAdam([variable], beta1=.8, beta2=.9, epsilon=1e-3, scale_grad_by_procs=scale, comm=job)
    tf_util.initialize()
    numbers = [.5, -1., 2., .1]
    for grad in gradients_of(numbers):
        adam.update(grad, .1)
    np.testing.assert_array_equal(sess.run(variable), steps_of_tensorflow(sess, factor * np.array(numbers)))


def test_a_step_in_the_graph_is_the_same_step(sess):
    first, second = (tf.get_variable(name, initializer=[1., 2.]) for name in ("first", "second"))
    in_graph, from_numpy = MpiAdam([first], comm=Job(2)), MpiAdam([second], comm=Job(2))
    step_op = in_graph.build_step(tf.gradients(tf.reduce_sum(tf.square(first)), [first]), .1)
    tf_util.initialize()
    for _ in range(5):
        from_numpy.update(2 * sess.run(second), .1)
        sess.run(step_op)
    np.testing.assert_allclose(*sess.run([first, second]), rtol=1e-6)


def test_variables_of_the_first_process(sess):
    variables = [tf.get_variable("matrix", initializer=[[1., 2.]]), tf.get_variable("number", initializer=3.)]
    job = Job(2, root=np.float32([4., 5., 6.]))
    job.allgather = lambda checksum: [[zlib.crc32(job.root)], checksum]
    adam = MpiAdam(variables, comm=job)
    tf_util.initialize()
    with pytest.raises(RuntimeError, match="^rank 1 of 2 no longer has the parameters of rank 0"):
        adam.check_synced()
    adam.sync()
    adam.check_synced()
    assert [value.tolist() for value in sess.run(variables)] == [[[4., 5.]], 6.]


def shared_variables(sess, job):
    """Return variables of two types, initialised, with what shares them."""
    variables = [tf.get_variable("matrix", initializer=[[1., 2.]]), tf.get_variable("number", initializer=3.),
                 tf.get_variable("counts", initializer=np.array([4, 5]))]
    shared = tf_util.SharedVariables(variables, sess, job)
    tf_util.initialize()
    return variables, shared


def test_shared_variables_take_one_exchange_for_each_type(sess):
    class First(Job):
        """Sends twice what the other has."""

        def Bcast(self, buf, root=0):  # noqa: N802
            self.n_exchanges += 1
            buf *= 2

    variables, shared = shared_variables(sess, First(2))
    n_ops = None
    for factor in (2, 4, 8):
        shared.share()
        assert [value.tolist() for value in sess.run(variables)] == [
            [[factor, 2 * factor]], 3 * factor, [4 * factor, 5 * factor]]
        n_ops = n_ops or len(sess.graph.get_operations())
    assert shared._comm.n_exchanges == 2 * 3
    assert len(sess.graph.get_operations()) == n_ops  # a training that begins again adds nothing


def test_shared_variables_of_one_process_cost_nothing(sess):
    variables, shared = shared_variables(sess, mpi_util.OneProcess())
    n_ops = len(sess.graph.get_operations())
    shared.share()
    shared.check()
    assert len(sess.graph.get_operations()) == n_ops
    assert sess.run(variables)[1] == 3.


def test_a_process_that_holds_other_values_is_named(sess):
    job = Job(3)
    variables, shared = shared_variables(sess, job)
    shared.check()
    checksums = []
    for value in (4., 3.):  # other values, then those of before
        job.allgather = lambda checksum: [checksums.append(checksum), [checksum]][1]
        sess.run(tf.assign(variables[1], value))
        shared.check()
    job.allgather = lambda checksum: [checksums[1], checksums[0], checksum]
    with pytest.raises(RuntimeError, match=r"^rank 1 of 3 no longer has the parameters of rank 0: accepted are"):
        shared.check()
    job.allgather = lambda checksum: [checksums[0], checksum, checksum]
    with pytest.raises(RuntimeError, match=r"^rank 1, 2 of 3 no longer has"):
        shared.check()


@pytest.mark.parametrize("check", [mpi_running_mean_std.test_dist, mpi_adam.test_mpi_adam])
def test_the_checks_that_mpirun_starts(check):
    with tf.Graph().as_default():
        check()
