"""Deep Q Network, with its extensions."""
from stable_baselines.common.atari_wrappers import wrap_deepmind
from stable_baselines.common.buffers import PrioritizedReplayBuffer, ReplayBuffer
from stable_baselines.common.gym_compat import Env
from stable_baselines.deepq.build_graph import build_act, build_train
from stable_baselines.deepq.dqn import DQN
from stable_baselines.deepq.policies import CnnPolicy, LnCnnPolicy, LnMlpPolicy, MlpPolicy

__all__ = ['DQN', 'CnnPolicy', 'LnCnnPolicy', 'LnMlpPolicy', 'MlpPolicy', 'PrioritizedReplayBuffer', 'ReplayBuffer',
           'build_act', 'build_train', 'wrap_atari_dqn']


def wrap_atari_dqn(env: Env) -> Env:
    """Wrap an Atari environment as for the DQN papers: scaled, clipped rewards, stacks of four frames."""
    return wrap_deepmind(env, frame_stack=True, scale=False)
