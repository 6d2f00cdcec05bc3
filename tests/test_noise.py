"""Noise against the original's numbers, and by hand."""
import numpy as np
import pytest

from helpers import load_arrays
from stable_baselines.common.noise import (
    ActionNoise,
    AdaptiveParamNoiseSpec,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
)

MEAN, SIGMA = np.array([.1, -.2]), np.array([.3, .5])


def draws(noise, count):
    return np.array([noise() for _ in range(count)])


def test_action_noise_of_the_original():
    arrays = load_arrays("action_noise")
    np.random.seed(3)
    np.testing.assert_allclose(draws(NormalActionNoise(MEAN, SIGMA), 6), arrays["out/normal"], atol=1e-9)
    np.random.seed(4)
    noise = OrnsteinUhlenbeckActionNoise(MEAN, SIGMA)
    np.testing.assert_allclose(draws(noise, 6), arrays["out/ou"], atol=1e-9)
    noise.reset()
    np.testing.assert_allclose(draws(noise, 3), arrays["out/ou_after_reset"], atol=1e-9)
    np.random.seed(5)
    noise = OrnsteinUhlenbeckActionNoise(np.zeros(2), .5, theta=.3, dt=.05, initial_noise=np.array([1., -1.]))
    np.testing.assert_allclose(draws(noise, 6), arrays["out/ou2"], atol=1e-9)


def test_drift_by_hand():
    # without diffusion: 4 -> 4 + 1/2 * (2 - 4) * 1/2 = 3.5 -> 3.5 + 1/4 * -1.5 = 3.125
    initial_noise = np.array([4.])
    noise = OrnsteinUhlenbeckActionNoise(np.array([2.]), 0., theta=.5, dt=.5, initial_noise=initial_noise)
    assert draws(noise, 2).tolist() == [[3.5], [3.125]]
    noise.reset()
    assert noise().tolist() == [3.5] and initial_noise.tolist() == [4.]


def test_reset_of_independent_noise_changes_nothing():
    noise = NormalActionNoise(np.zeros(2), np.zeros(2))
    noise.reset()
    assert noise().tolist() == [0., 0.]


def test_action_noise_is_abstract():
    with pytest.raises(TypeError, match="abstract"):
        ActionNoise()


def test_parameter_noise_of_the_original():
    arrays = load_arrays("action_noise")
    spec = AdaptiveParamNoiseSpec(initial_stddev=.2, desired_action_stddev=.1, adoption_coefficient=1.05)
    stddevs = []
    for distance in arrays["batch/distances"]:
        spec.adapt(distance)
        stddevs.append(spec.current_stddev)
    np.testing.assert_allclose(stddevs, arrays["out/adaptive_stddev"], atol=1e-9)
    assert spec.get_stats() == {"param_noise_stddev": spec.current_stddev}
    assert spec.initial_stddev == .2


@pytest.mark.parametrize("noise, text", [
    (NormalActionNoise(np.zeros(2), .1 * np.ones(2)), "NormalActionNoise(mu=[0. 0.], sigma=[0.1 0.1])"),
    (OrnsteinUhlenbeckActionNoise(np.zeros(2), .1), "OrnsteinUhlenbeckActionNoise(mu=[0. 0.], sigma=0.1)"),
    (AdaptiveParamNoiseSpec(),
     "AdaptiveParamNoiseSpec(initial_stddev=0.1, desired_action_stddev=0.1, adoption_coefficient=1.01)"),
])
def test_text_is_that_of_the_original(noise, text):
    assert repr(noise) == text


def test_attributes_are_those_of_the_originals_pickles():
    noise = OrnsteinUhlenbeckActionNoise.__new__(OrnsteinUhlenbeckActionNoise)
    vars(noise).update(_theta=.5, _mu=np.array([2.]), _sigma=0., _dt=.5, initial_noise=None, noise_prev=np.array([4.]))
    assert noise().tolist() == [3.5]
    assert set(vars(noise)) == set(vars(OrnsteinUhlenbeckActionNoise(MEAN, SIGMA)))
    assert set(vars(NormalActionNoise(MEAN, SIGMA))) == {"_mu", "_sigma"}
    assert set(vars(AdaptiveParamNoiseSpec())) == {
        "initial_stddev", "desired_action_stddev", "adoption_coefficient", "current_stddev"}
