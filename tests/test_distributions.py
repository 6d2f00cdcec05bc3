"""Densities, entropies and divergences against the original's numbers and against NumPy."""
import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import group, load_arrays
from stable_baselines.common import distributions, tf_util
from stable_baselines.common.gym_compat import spaces

TYPES = {
    "categorical": lambda flat: distributions.CategoricalProbabilityDistributionType(flat.shape[1]),
    "multicategorical": lambda flat: distributions.MultiCategoricalProbabilityDistributionType([3, 2, 4]),
    "diaggaussian": lambda flat: distributions.DiagGaussianProbabilityDistributionType(flat.shape[1] // 2),
    "bernoulli": lambda flat: distributions.BernoulliProbabilityDistributionType(flat.shape[1]),
}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_against_the_original(name):
    arrays = load_arrays("dist_" + name)
    batch, expected = group(arrays, "batch/"), group(arrays, "out/")
    pdtype = TYPES[name](batch["flat1"])
    with tf_util.make_graph(0).as_default(), tf_util.make_session(1):
        flat1, flat2 = tf.constant(batch["flat1"]), tf.constant(batch["flat2"])
        dist1, dist2 = pdtype.proba_distribution_from_flat(flat1), pdtype.proba_distribution_from_flat(flat2)
        neglogp, kl, entropy = dist1.neglogp(batch["actions"]), dist1.kl(dist2), dist1.entropy()
        outputs = {
            "neglogp": neglogp, "logp": dist1.logp(batch["actions"]), "entropy": entropy, "kl_1_to_2": kl,
            "kl_2_to_1": dist2.kl(dist1), "mode": dist1.mode(),
            "grad_sum_neglogp": tf.gradients(tf.reduce_sum(neglogp), flat1)[0],
            "grad_sum_kl_1_to_2_wrt_2": tf.gradients(tf.reduce_sum(kl), flat2)[0],
            "grad_sum_entropy": tf.gradients(tf.reduce_sum(entropy), flat1)[0]}
        outputs = {key: tensor.eval() for key, tensor in outputs.items() if tensor is not None}
    for key, value in expected.items():
        np.testing.assert_allclose(outputs.get(key, 0 * value), value, atol=2e-5, rtol=2e-5, err_msg=key)


def sample(pdtype, flat, n_samples):
    """Draw samples from one distribution."""
    with tf_util.make_graph(3).as_default(), tf_util.make_session(1) as session:
        rows = np.repeat(np.asarray([flat], np.float32), n_samples, axis=0)
        return session.run(pdtype.proba_distribution_from_flat(tf.constant(rows)).sample())


def test_samples_follow_the_distribution():
    n_samples = 20000
    categories = sample(distributions.CategoricalProbabilityDistributionType(3), np.log([.2, .5, .3]), n_samples)
    np.testing.assert_allclose(np.bincount(categories) / n_samples, [.2, .5, .3], atol=.02)
    choices = sample(distributions.MultiCategoricalProbabilityDistributionType([2, 2]), np.log([.9, .1, .4, .6]),
                     n_samples)
    np.testing.assert_allclose(choices.mean(axis=0), [.1, .6], atol=.02)
    normals = sample(distributions.DiagGaussianProbabilityDistributionType(2), [1., -2., 0., np.log(3.)], n_samples)
    np.testing.assert_allclose(normals.mean(axis=0), [1., -2.], atol=.07)
    np.testing.assert_allclose(normals.std(axis=0), [1., 3.], atol=.07)
    bits = sample(distributions.BernoulliProbabilityDistributionType(1), [np.log(.7 / .3)], n_samples)
    np.testing.assert_allclose(bits.mean(axis=0), [.7], atol=.02)


def test_type_of_a_space():
    make = distributions.make_proba_dist_type
    discrete = make(spaces.Discrete(4))
    assert (discrete.param_shape(), discrete.sample_shape(), discrete.sample_dtype()) == ([4], [], tf.int64)
    multi = make(spaces.MultiDiscrete([3, 2]))
    assert (multi.param_shape(), multi.sample_shape(), multi.sample_dtype()) == ([5], [2], tf.int64)
    box = make(spaces.Box(low=-1, high=1, shape=(2,), dtype=np.float32))
    assert (box.param_shape(), box.sample_shape(), box.sample_dtype()) == ([4], [2], tf.float32)
    binary = make(spaces.MultiBinary(3))
    assert (binary.param_shape(), binary.sample_shape(), binary.sample_dtype()) == ([3], [3], tf.int32)
    for space in (spaces.Box(low=0, high=1, shape=(2, 2), dtype=np.float32),
                  spaces.Dict({"a": spaces.Discrete(2)})):
        with pytest.raises(TypeError, match="no probability distribution"):
            make(space)


def test_likelihood_in_numpy():
    likelihood = distributions.action_log_likelihood
    probabilities = np.array([[.2, .8], [1., 0.]], np.float32)
    np.testing.assert_allclose(likelihood(spaces.Discrete(2), probabilities, np.array([1, 0])), np.log([.8, 1.]),
                               rtol=1e-6)
    assert likelihood(spaces.Discrete(2), probabilities, np.array([1, 1]))[1] == -np.inf
    np.testing.assert_allclose(
        likelihood(spaces.MultiDiscrete([2, 2]), [probabilities, probabilities], np.array([[0, 1], [0, 0]])),
        np.log([.2 * .8, 1.]), rtol=1e-6)
    np.testing.assert_allclose(likelihood(spaces.MultiBinary(2), np.array([[.25, .5]]), np.array([[1, 0]])),
                               [np.log(.125)], rtol=1e-6)
    box = spaces.Box(low=-1, high=1, shape=(2,), dtype=np.float32)
    # log N(1; 0, 1) + log N(0; 0, 2)
    np.testing.assert_allclose(likelihood(box, [np.zeros((1, 2)), np.array([[1., 2.]])], np.array([[1., 0.]])),
                               [-.5 - np.log(np.sqrt(2 * np.pi)) - np.log(2 * np.sqrt(2 * np.pi))], rtol=1e-6)


def test_a_multicategorical_cannot_come_from_logits_alone():
    with pytest.raises(NotImplementedError, match="number of categories"):
        distributions.MultiCategoricalProbabilityDistribution.fromflat(None)
