from stable_baselines.common.noise import NormalActionNoise, OrnsteinUhlenbeckActionNoise
from stable_baselines.td3.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy
from stable_baselines.td3.td3 import TD3

__all__ = ['CnnPolicy', 'LnCnnPolicy', 'LnMlpPolicy', 'MlpPolicy', 'NormalActionNoise', 'OrnsteinUhlenbeckActionNoise',
           'TD3']
