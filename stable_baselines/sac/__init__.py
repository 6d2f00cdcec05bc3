from stable_baselines.sac.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy
from stable_baselines.sac.sac import SAC

__all__ = ['CnnPolicy', 'LnCnnPolicy', 'LnMlpPolicy', 'MlpPolicy', 'SAC']
