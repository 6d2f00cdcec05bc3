from stable_baselines.common.noise import AdaptiveParamNoiseSpec, NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines.ddpg.ddpg import DDPG
from stable_baselines.ddpg.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy

__all__ = ['AdaptiveParamNoiseSpec', 'CnnPolicy', 'DDPG', 'LnCnnPolicy', 'LnMlpPolicy', 'MlpPolicy',
           'NormalActionNoise', 'OrnsteinUhlenbeckActionNoise']
