"""The noises of ``stable_baselines.common.noise``, under the path where they once were."""
from stable_baselines.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise

__all__ = ['AdaptiveParamNoiseSpec', 'NormalActionNoise', 'OrnsteinUhlenbeckActionNoise']
