"""K-FAC against closed forms in NumPy: factors, natural gradients, trust region, phases."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from stable_baselines.acktr import kfac_utils
from stable_baselines.acktr.blocks import find_blocks
from stable_baselines.acktr.kfac import KfacOptimizer
from stable_baselines.common import tf_util

N, DAMPING = 6, 1e-2


@pytest.fixture(name="session")
def session_fixture():
    with tf_util.make_graph(0).as_default(), tf_util.single_threaded_session() as session:
        yield session


@pytest.fixture(name="rng")
def rng_fixture():
    return np.random.RandomState(0)


def variable(name, value):
    return tf.get_variable(name, initializer=np.asarray(value, np.float32))


def mean_square(tensor, target):
    """The negative log-likelihood, but for constants, of a normal distribution: the mean over the samples."""
    return tf.reduce_mean(tf.reduce_sum(tf.square(tensor - target), axis=list(range(1, tensor.shape.ndims))))


class Problem:
    """A network, its loss and a loss with other targets for the Fisher matrix."""

    def __init__(self, session, output, rng, learning_rate=.1, **kwargs):
        self.session = session
        shape = [N] + output.shape.as_list()[1:]
        self.variables = tf.trainable_variables()
        self.loss = mean_square(output, tf.constant(rng.randn(*shape), tf.float32))
        self.sampled = mean_square(output, tf.stop_gradient(output + tf.constant(rng.randn(*shape), tf.float32)))
        settings = dict(learning_rate=learning_rate, cold_iter=1, kfac_update=1, clip_kl=1e9, epsilon=DAMPING,
                        verbose=0)
        self.optimizer = KfacOptimizer(**dict(settings, **kwargs))
        self.call, self.decompose = self.optimizer.minimize(self.loss, self.sampled, self.variables)
        self.gradients = tf.gradients(self.loss, self.variables)
        tf_util.initialize(session)

    def side(self, name):
        """Return the factors of a variable."""
        return next(sides for sides in self.optimizer.sides
                    if any(var.op.name == name for var in sides.block.variables))

    def values(self, tensors):
        return [value.astype(np.float64) for value in self.session.run(tensors)]

    def step(self):
        """Make one call; return the gradients before it and how far the parameters went."""
        before, gradients = self.values(self.variables), self.values(self.gradients)
        self.session.run(self.call)
        names = [var.op.name for var in self.variables]
        changes = [after - old for after, old in zip(self.values(self.variables), before)]
        return dict(zip(names, gradients)), dict(zip(names, changes))


def solve(moments, gradient, damping=DAMPING):
    """Solve (A x G + damping) U = V with the whole matrix."""
    matrix = np.kron(*moments)
    return np.linalg.solve(matrix + damping * np.eye(len(matrix)), gradient.ravel()).reshape(gradient.shape)


def dense_network(inputs, rng, bias=True):
    """Two heads on one hidden layer."""
    hidden = tf.matmul(inputs, variable("w", .4 * rng.randn(3, 4)))
    hidden = tf.tanh(hidden + variable("b", .1 * rng.randn(4)) if bias else hidden)
    heads = [tf.matmul(hidden, variable("w" + str(head), rng.randn(4, 2))) + variable("b" + str(head), [0., 0.])
             for head in range(2)]
    return tf.concat(heads, axis=1)


def dense_moments(inputs, targets, values):
    """Factors of ``dense_network`` in closed form: derivatives of each sample's -log p, targets minus outputs given."""
    hidden = np.tanh(inputs @ values["w"] + values["b"])
    slope = -2 * targets  # d (output - target)^2 / d output
    hidden_slope = (slope[:, :2] @ values["w0"].T + slope[:, 2:] @ values["w1"].T) * (1 - hidden ** 2)
    moment = lambda rows: rows.T @ rows / len(rows)  # noqa: E731
    return {"w": (moment(inputs), moment(hidden_slope)), "b": (np.eye(1), moment(hidden_slope)),
            "w0": (moment(hidden), moment(slope[:, :2])), "b0": (np.eye(1), moment(slope[:, :2])),
            "w1": (moment(hidden), moment(slope[:, 2:])), "b1": (np.eye(1), moment(slope[:, 2:]))}


class TestDense:
    def build(self, session, rng, **kwargs):
        inputs = rng.randn(N, 3)
        problem = Problem(session, dense_network(tf.constant(inputs, tf.float32), rng), rng, **kwargs)
        targets = session.run(problem.sampled.op.inputs[0].op.inputs[0].op.inputs[0])  # output - target
        values = {var.op.name: value for var, value in zip(problem.variables, problem.values(problem.variables))}
        return problem, dense_moments(inputs, -targets.astype(np.float64), values)

    def test_factors_are_the_closed_form(self, session, rng):
        problem, expected = self.build(session, rng)
        problem.step()
        for name, (input_moment, output_moment) in expected.items():
            sides = problem.side(name)
            np.testing.assert_allclose(session.run(sides.output.average), output_moment, rtol=1e-4, atol=1e-5)
            if sides.input is not None:
                np.testing.assert_allclose(session.run(sides.input.average), input_moment, rtol=1e-4, atol=1e-5)
        assert {name for name in expected if problem.side(name).input is None} == {"b", "b0", "b1"}

    def test_factors_are_shared(self, session, rng):
        problem, _ = self.build(session, rng)
        assert problem.side("w0").input is problem.side("w1").input
        assert problem.side("w").output is problem.side("b").output
        assert problem.side("w0").output is not problem.side("w1").output
        assert len(problem.optimizer.stats) == 5

    def test_step_solves_the_linear_systems(self, session, rng):
        """The whole step at the old parameters: no layer sees another one that has moved already."""
        problem, moments = self.build(session, rng)
        gradients, changes = problem.step()
        for name, gradient in gradients.items():
            expected = solve(moments[name], np.atleast_2d(gradient)).reshape(gradient.shape)
            np.testing.assert_allclose(changes[name], -.1 * .1 * expected, rtol=2e-4, atol=1e-7, err_msg=name)

    @pytest.mark.parametrize("clip_kl", [1e-4, 1e-3])
    def test_trust_region(self, session, rng, clip_kl):
        """The step with momentum 0 has the squared length clip_kl in the metric of the damped Fisher matrix."""
        problem, moments = self.build(session, rng, clip_kl=clip_kl, momentum=0.)
        _, changes = problem.step()
        length = sum(change.ravel() @ (np.kron(*moments[name]) + DAMPING * np.eye(change.size)) @ change.ravel()
                     for name, change in changes.items())
        np.testing.assert_allclose(length, clip_kl, rtol=1e-3)

    def test_momentum(self, session, rng):
        """With a learning rate of (nearly) zero the second step is 1.9 times the first."""
        problem, _ = self.build(session, rng, learning_rate=1e-6, stats_decay=.5)
        before = problem.values(problem.variables)
        velocity = [var for var in tf.global_variables() if var.op.name == "w/Momentum"][0]
        problem.step()
        first = session.run(velocity)
        problem.step()
        np.testing.assert_allclose(session.run(velocity), 1.9 * first, rtol=1e-3)
        np.testing.assert_allclose(problem.values(problem.variables)[0], before[0], atol=1e-4)

    def test_factored_damping(self, session, rng):
        problem, moments = self.build(session, rng, factored_damping=True)
        gradients, changes = problem.step()
        damped = {}
        for name, (a, g) in moments.items():
            pi = np.sqrt(np.trace(a) / len(a) / (np.trace(g) / len(g)))
            damped[name] = (a + pi * .1 * np.eye(len(a)), g + .1 / pi * np.eye(len(g)))
        for name in ("w", "w0", "w1"):
            np.testing.assert_allclose(changes[name], -.01 * solve(damped[name], gradients[name], 0.), rtol=2e-4,
                                       atol=1e-7)
        np.testing.assert_allclose(changes["b"], -.01 * solve(moments["b"], gradients["b"]), rtol=2e-4)

    def test_double_precision(self, session, rng):
        problem, moments = self.build(session, rng, use_float64=True)
        gradients, changes = problem.step()
        np.testing.assert_allclose(changes["w"], -.01 * solve(moments["w"], gradients["w"]), rtol=1e-4, atol=1e-7)

    def test_averages(self, session, rng):
        """Equal weights while the statistics are accumulated, a running average from then on."""
        problem, moments = self.build(session, rng, cold_iter=2, stats_decay=.75, learning_rate=0.)
        for weight in (1 / 2, 1, 1, 1):
            problem.step()
            np.testing.assert_allclose(session.run(problem.side("w").input.average), weight * moments["w"][0],
                                       rtol=1e-4)
        session.run(problem.side("w").input.average.assign(tf.zeros([3, 3])))
        problem.step()
        np.testing.assert_allclose(session.run(problem.side("w").input.average), .25 * moments["w"][0], rtol=1e-4)


def test_weight_decay_adds_to_the_damping(session, rng):
    weight = variable("w", rng.randn(3, 2))
    output = tf.matmul(tf.constant(rng.randn(N, 3), tf.float32), weight)
    problem = Problem(session, output, rng, weight_decay_dict={weight: .1})
    moments = problem.values([factor.moment for factor in problem.side("w")[1:]])
    gradients, changes = problem.step()
    np.testing.assert_allclose(changes["w"], -.01 * solve(moments, gradients["w"], DAMPING + .1), rtol=2e-4, atol=1e-7)


class TestConvolution:
    HEIGHT, WIDTH, CHANNELS, FILTERS = 5, 4, 2, 3

    def build(self, session, rng, stride=1, padding="VALID", bias=None, **kwargs):
        images = rng.randn(N, self.HEIGHT, self.WIDTH, self.CHANNELS)
        filters = variable("w", rng.randn(3, 2, self.CHANNELS, self.FILTERS))
        output = tf.nn.conv2d(tf.constant(images, tf.float32), filters, strides=[1, stride, stride, 1], padding=padding)
        if bias is not None:
            output = bias(output, variable("b", rng.randn(self.FILTERS)))
        problem = Problem(session, output, rng, **kwargs)
        slope = N * session.run(tf.gradients(problem.sampled, output)[0]).astype(np.float64)
        return problem, self.patches(images, stride, padding), slope

    @staticmethod
    def patches(images, stride, padding):
        """What a filter of 3 x 2 sees at each position: shape (N, height, width, 3 * 2 * channels)."""
        if padding == "SAME":  # as TensorFlow: what is missing is added on both sides, the odd one at the end
            pads = []
            for size, kernel in zip(images.shape[1:3], (3, 2)):
                missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
                pads.append((missing // 2, missing - missing // 2))
            images = np.pad(images, [(0, 0)] + pads + [(0, 0)], "constant")
        rows = range(0, images.shape[1] - 2, stride)
        columns = range(0, images.shape[2] - 1, stride)
        return np.array([[images[:, row:row + 3, column:column + 2].reshape(N, -1) for column in columns]
                         for row in rows]).transpose(2, 0, 1, 3)

    @pytest.mark.parametrize("stride, padding", [(1, "VALID"), (2, "VALID"), (1, "SAME"), (2, "SAME")])
    def test_factors_and_step(self, session, rng, stride, padding):
        problem, patches, slope = self.build(session, rng, stride, padding)
        positions = slope.shape[1] * slope.shape[2]
        moments = (np.einsum("nhwi,nhwj->ij", patches, patches) / N,
                   np.einsum("nhwi,nhwj->ij", slope, slope) / (N * positions))
        gradients, changes = problem.step()
        for factor, expected in zip(problem.side("w")[1:], moments):
            np.testing.assert_allclose(session.run(factor.average), expected, rtol=1e-4, atol=1e-4)
        expected = solve(moments, gradients["w"].reshape(-1, self.FILTERS)).reshape(gradients["w"].shape)
        np.testing.assert_allclose(changes["w"], -.01 * expected, rtol=1e-3, atol=1e-6)

    def test_joint_bias_is_an_input_of_one(self, session, rng):
        problem, patches, slope = self.build(session, rng, bias=tf.nn.bias_add)
        patches = np.concatenate([patches, np.ones(patches.shape[:3] + (1,))], axis=3)
        positions = slope.shape[1] * slope.shape[2]
        moments = (np.einsum("nhwi,nhwj->ij", patches, patches) / N,
                   np.einsum("nhwi,nhwj->ij", slope, slope) / (N * positions))
        gradients, changes = problem.step()
        assert problem.side("w") is problem.side("b")
        gradient = np.concatenate([gradients["w"].reshape(-1, self.FILTERS), gradients["b"][None]])
        expected = solve(moments, gradient)
        np.testing.assert_allclose(changes["w"].reshape(-1, self.FILTERS), -.01 * expected[:-1], rtol=1e-3, atol=1e-6)
        np.testing.assert_allclose(changes["b"], -.01 * expected[-1], rtol=1e-3, atol=1e-6)

    @pytest.mark.parametrize("bias, kwargs", [(tf.nn.bias_add, dict(blockdiag_bias=True)), (tf.add, {})])
    def test_a_bias_of_its_own_has_its_exact_fisher_matrix(self, session, rng, bias, kwargs):
        problem, _, slope = self.build(session, rng, bias=bias, **kwargs)
        of_samples = slope.sum(axis=(1, 2))
        fisher = of_samples.T @ of_samples / N
        gradients, changes = problem.step()
        assert problem.side("b").input is None
        np.testing.assert_allclose(changes["b"], -.01 * solve((np.eye(1), fisher), gradients["b"]), rtol=1e-3)

    def test_positions_as_one(self, session, rng):
        problem, patches, slope = self.build(session, rng, approx_t2=True)
        patches, slope = patches.mean(axis=(1, 2)), slope.sum(axis=(1, 2))
        moments = patches.T @ patches / N, slope.T @ slope / N
        gradients, changes = problem.step()
        expected = solve(moments, gradients["w"].reshape(-1, self.FILTERS)).reshape(gradients["w"].shape)
        np.testing.assert_allclose(changes["w"], -.01 * expected, rtol=5e-3, atol=1e-5)


def test_the_factored_matrix_is_the_fisher_matrix_of_a_single_sample(session, rng):
    """For one sample a layer's block is exactly a Kronecker product."""
    inputs, target = rng.randn(1, 3), rng.randn(1, 2)
    output = tf.matmul(tf.constant(inputs, tf.float32), variable("w", rng.randn(3, 2)))
    sampled = mean_square(output, tf.constant(target, tf.float32))
    optimizer = KfacOptimizer(verbose=0)
    moments = optimizer.compute_stats(sampled)
    gradient = tf.gradients(sampled, tf.trainable_variables())[0]
    tf_util.initialize(session)
    (a, g), gradient = session.run(moments), session.run(gradient).ravel()
    np.testing.assert_allclose(np.kron(a, g), np.outer(gradient, gradient), rtol=1e-4, atol=1e-5)


def test_a_weight_that_is_used_twice_sums_over_its_uses(session, rng):
    """As of a recurrent network: the rows of all time steps, N of them in all."""
    inputs = rng.randn(2, 3, 4)  # two steps of three environments
    weight, bias = variable("w", rng.randn(4, 4)), variable("b", rng.randn(4))
    first = tf.tanh(tf.matmul(tf.constant(inputs[0], tf.float32), weight) + bias)
    second = tf.matmul(first + tf.constant(inputs[1], tf.float32), weight) + bias
    sampled = tf.reduce_mean(tf.reduce_sum(tf.square(tf.concat([first, second], axis=0)), axis=1))
    optimizer = KfacOptimizer(verbose=0)
    moments = optimizer.compute_stats(sampled)
    outputs = optimizer.sides[0].block.outputs
    slopes = tf.gradients(sampled, outputs)
    tf_util.initialize(session)
    (a, g), slopes, first = session.run([moments, slopes, first])
    rows = np.concatenate([inputs[0], first + inputs[1]])
    np.testing.assert_allclose(a, rows.T @ rows / 6, rtol=1e-4)
    slopes = 6 * np.concatenate(slopes)
    np.testing.assert_allclose(g, slopes.T @ slopes / 6, rtol=1e-4)
    assert optimizer.sides[1].output is optimizer.sides[0].output  # that of the bias


class TestBlocks:
    def names(self, loss, **kwargs):
        return {tuple(var.op.name for var in block.variables): block.ops[0].type
                for block in find_blocks(loss, tf.trainable_variables(), **kwargs)}

    def test_weights_and_biases_have_a_block(self, session, rng):
        inputs = tf.constant(rng.randn(N, 4), tf.float32)
        hidden = tf.matmul(inputs, tf.identity(variable("w", rng.randn(4, 4)))) + variable("b", [[0.] * 4])
        hidden = tf.nn.bias_add(tf.matmul(hidden, variable("w2", rng.randn(4, 4))), variable("b2", [0.] * 4))
        image = tf.reshape(hidden, [N, 2, 2, 1])
        image = tf.nn.conv2d(image, variable("c", rng.randn(1, 1, 1, 1)), strides=[1, 1, 1, 1], padding="SAME")
        loss = tf.reduce_mean(image + variable("d", [0.]))
        separate = {("w",): "MatMul", ("b",): "AddV2", ("w2",): "MatMul", ("b2",): "BiasAdd", ("c",): "Conv2D"}
        found = self.names(loss)
        found.pop(("d",), None)  # a single number is added along every axis: of a last axis of length 1 it is a bias
        assert found == separate
        joint = self.names(loss, joint_bias=True)
        assert ("w2", "b2") in joint and ("w",) in joint and ("b",) in joint

    def test_other_variables_have_no_block(self, session, rng):
        inputs = tf.constant(rng.randn(N, 4), tf.float32)
        hidden = tf.matmul(inputs, variable("transposed", rng.randn(4, 4)), transpose_b=True)
        hidden = hidden * variable("gain", [1.] * 4) + tf.reshape(variable("reshaped", [[[0.] * 4]]), [4])
        looped = variable("looped", rng.randn(4, 4))
        hidden = tf.while_loop(lambda step, _: step < 3, lambda step, h: (step + 1, tf.tanh(tf.matmul(h, looped))),
                               (0, hidden))[1]
        tf.matmul(hidden, variable("elsewhere", rng.randn(4, 4)))
        loss = tf.reduce_mean(hidden) + tf.reduce_sum(variable("free", [1., 2.]))
        assert self.names(loss) == {}

    def test_ignores_operations_that_the_loss_does_not_depend_on(self, session, rng):
        """The acting network has the same weights as the one that is trained."""
        weight = variable("w", rng.randn(4, 4))
        inputs = [tf.constant(rng.randn(n, 4), tf.float32) for n in (2, 3)]
        _, trained = [tf.matmul(tensor, weight) for tensor in inputs]
        block, = find_blocks(tf.reduce_mean(trained), [weight])
        assert [op.name for op in block.ops] == [trained.op.name]

    def test_variables_without_factors_follow_their_gradient(self, session, rng):
        output = tf.matmul(tf.constant(rng.randn(N, 3), tf.float32), variable("w", rng.randn(3, 2)))
        problem = Problem(session, output * variable("gain", [1., 2.]), rng)
        gradients, changes = problem.step()
        np.testing.assert_allclose(changes["gain"], -.01 * gradients["gain"], rtol=1e-4)
        assert not np.allclose(changes["w"], -.01 * gradients["w"], rtol=.1)


class TestPhases:
    def build(self, session, rng, **kwargs):
        output = tf.matmul(tf.constant(rng.randn(N, 3), tf.float32), variable("w", rng.randn(3, 2)))
        return Problem(session, output, rng, **kwargs)

    def decompositions(self, problem, n_calls):
        counts = []
        for _ in range(n_calls):
            problem.session.run(problem.call)
            if problem.decompose is not None:
                problem.session.run(problem.decompose)
            counts.append(problem.session.run(problem.optimizer.factor_step))
        return counts

    @pytest.mark.parametrize("max_grad_norm", [.5, None])
    def test_cold_start_is_gradient_descent_with_momentum(self, session, rng, max_grad_norm):
        problem = self.build(session, rng, cold_iter=3, cold_lr=.01, max_grad_norm=max_grad_norm)
        velocity = 0.
        for _ in range(2):
            gradients, changes = problem.step()
            gradient = gradients["w"]
            clipped = gradient * min(1., (max_grad_norm or np.inf) / np.linalg.norm(gradient))
            velocity = .9 * velocity + clipped
            np.testing.assert_allclose(changes["w"], -.01 * velocity, rtol=1e-4, atol=1e-7)
        # the velocity ends with the cold start: the first step of the next phase is the natural gradient alone
        gradients, changes = problem.step()
        moments = problem.values([factor.average for factor in problem.side("w")[1:]])
        np.testing.assert_allclose(changes["w"], -.01 * solve(moments, gradients["w"]), rtol=1e-3, atol=1e-7)

    @pytest.mark.parametrize("kwargs, expected", [
        (dict(cold_iter=3), [0, 0, 1, 2, 3, 4, 5, 6]),
        (dict(cold_iter=3, kfac_update=2), [0, 0, 0, 1, 1, 2, 2, 3]),
        (dict(cold_iter=0), [1, 2, 3, 4, 5, 6, 7, 8]),
        (dict(cold_iter=2, full_stats_init=True, stats_accum_iter=3), [0, 0, 0, 0, 1, 2, 3, 4]),
        (dict(cold_iter=3, async_eigen_decomp=True), [0, 0, 1, 2, 3, 4, 5, 6])])
    def test_when_it_decomposes(self, session, rng, kwargs, expected):
        problem = self.build(session, rng, **kwargs)
        assert self.decompositions(problem, 8) == expected
        assert (problem.decompose is not None) == kwargs.get("async_eigen_decomp", False)

    def test_parameters_wait_for_the_statistics(self, session, rng):
        problem = self.build(session, rng, cold_iter=1, full_stats_init=True, stats_accum_iter=2)
        assert [np.abs(problem.step()[1]["w"]).max() > 1e-6 for _ in range(4)] == [True, False, True, True]

    def test_separate_decomposition_is_used_by_the_next_call(self, session, rng):
        """The same steps, with what the statistics were one call earlier."""
        problem = self.build(session, rng, async_eigen_decomp=True)
        moments = problem.values([factor.moment for factor in problem.side("w")[1:]])
        _, cold = problem.step()
        session.run(problem.decompose)
        gradients, changes = problem.step()
        np.testing.assert_allclose(changes["w"], -.01 * solve(moments, gradients["w"]), rtol=1e-3, atol=1e-6)
        assert np.abs(cold["w"]).max() > 1e-3

    def test_the_result_does_not_depend_on_timing(self, rng):
        results = []
        for _ in range(2):
            rng = np.random.RandomState(0)
            with tf_util.make_graph(0).as_default(), tf_util.make_session(4) as session:
                problem = Problem(session, dense_network(tf.constant(rng.randn(N, 3), tf.float32), rng), rng)
                for _ in range(5):
                    session.run(problem.call)
                results.append(session.run(problem.variables))
        for first, second in zip(*results):
            np.testing.assert_array_equal(first, second)


def test_the_pieces_make_the_step_too(session, rng):
    """The public parts of the optimiser, put together by hand."""
    output = tf.matmul(tf.constant(rng.randn(N, 3), tf.float32), variable("w", rng.randn(3, 2)))
    problem = Problem(session, output, rng)
    optimizer = KfacOptimizer(learning_rate=.1, clip_kl=1e9, cold_iter=1, kfac_update=1, verbose=0)
    grads = optimizer.compute_gradients(problem.loss)
    stats_op = optimizer.compute_and_apply_stats(problem.sampled)
    step_op, decompose_op = optimizer.apply_gradients_kfac(grads)
    tf_util.initialize(session)
    weight, = problem.values(problem.variables)
    gradient, change = [dictionary["w"] for dictionary in problem.step()]
    session.run(problem.variables[0].assign(weight.astype(np.float32)))
    session.run(stats_op)
    session.run(step_op)
    np.testing.assert_allclose(problem.values(problem.variables)[0] - weight, change, rtol=1e-4, atol=1e-7)
    assert decompose_op is None and gradient.shape == change.shape
    blocks = optimizer.get_factors([grad for grad, _ in grads], [var for _, var in grads])
    assert [block.variables[0].op.name for block in blocks] == ["w"]


@pytest.mark.parametrize("name, value", [
    ("momentum", 1.), ("momentum", -.1), ("clip_kl", 0.), ("kfac_update", 0), ("stats_accum_iter", 0),
    ("cold_iter", -1), ("epsilon", 0.), ("stats_decay", 1.)])
def test_refuses_arguments_out_of_range(session, name, value):
    with pytest.raises(ValueError, match=f"{name}={value}: accepted is"):
        KfacOptimizer(**{name: value})


class TestUtils:
    @pytest.mark.parametrize("rank, axis", [(2, 0), (3, 0), (3, 1), (3, 2), (4, 2)])
    @pytest.mark.parametrize("transpose", [False, True])
    def test_products_along_an_axis(self, session, rng, rank, axis, transpose):
        matrix, tensor = rng.randn(3, 3), rng.randn(*[3] * rank)
        left = kfac_utils.gmatmul(tf.constant(matrix), tf.constant(tensor), transpose_a=transpose, reduce_dim=axis)
        right = kfac_utils.gmatmul(tf.constant(tensor), tf.constant(matrix), transpose_b=transpose, reduce_dim=axis)
        factor = matrix.T if transpose else matrix
        np.testing.assert_allclose(session.run(left), np.moveaxis(np.tensordot(factor, tensor, [1, axis]), 0, axis))
        counted_back = rank - 1 - axis
        np.testing.assert_allclose(session.run(right), np.moveaxis(
            np.tensordot(tensor, factor, [counted_back, 0]), -1, counted_back))

    def test_refuses_products_without_a_matrix_and_an_axis(self, session):
        matrix, tensor = tf.zeros([2, 2]), tf.zeros([2, 2, 2])
        for arguments in (dict(tensor_a=matrix, tensor_b=matrix), dict(tensor_a=tensor, tensor_b=tensor, reduce_dim=0),
                          dict(tensor_a=tensor, tensor_b=matrix, transpose_a=True, reduce_dim=0)):
            with pytest.raises(ValueError, match="gmatmul"):
                kfac_utils.gmatmul(**arguments)

    @pytest.mark.parametrize("kwargs, shape", [
        (dict(fac_idx=0), (3, 1)), (dict(f_type="grad"), (1, 3)), (dict(fac_idx=1), (1, 3))])
    def test_eigenvalues_broadcast_along_their_axis(self, session, kwargs, shape):
        vectors, values = kfac_utils.factor_reshape(tf.eye(3), tf.constant([1., 2., 3.]), tf.zeros([3, 3]), **kwargs)
        assert session.run(values).shape == shape
        np.testing.assert_array_equal(session.run(vectors), np.eye(3))

    def test_refuses_eigenvalues_of_another_length(self, session):
        with pytest.raises(ValueError, match="axis 0"):
            kfac_utils.factor_reshape(tf.eye(3), tf.zeros([3]), tf.zeros([2, 3]))
        with pytest.raises(ValueError, match="f_type"):
            kfac_utils.factor_reshape(tf.eye(3), tf.zeros([3]), tf.zeros([3, 3]), f_type="both")

    def test_small_eigenvalues_become_zero(self, session):
        values = tf.constant([-1., 0., 1e-7, 1e-6, 2e-6, .5])
        np.testing.assert_array_equal(session.run(kfac_utils.clipout_neg(values)),
                                      np.float32([0, 0, 0, 0, 2e-6, .5]))
        np.testing.assert_array_equal(session.run(kfac_utils.clipout_neg(values, threshold=.1)), [0, 0, 0, 0, 0, .5])
        factor = variable("factor", np.eye(6))
        for debug in (False, True):
            cleaned = kfac_utils.detect_min_val(values, factor, name="test", debug=debug)
            np.testing.assert_array_equal(session.run(cleaned), np.float32([0, 0, 0, 0, 2e-6, .5]))
