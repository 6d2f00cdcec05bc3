"""Reinforcement learning algorithms with one simple interface."""
from pathlib import Path
from typing import TYPE_CHECKING

from stable_baselines.common import lazy

# A new algorithm takes two lines: its import here, and its name in __all__.
if TYPE_CHECKING:
    from stable_baselines import bench as bench
    from stable_baselines import common as common
    from stable_baselines import logger as logger
    from stable_baselines import results_plotter as results_plotter
    from stable_baselines.a2c import A2C
    from stable_baselines.acer import ACER
    from stable_baselines.acktr import ACKTR
    from stable_baselines.ddpg import DDPG
    from stable_baselines.deepq import DQN
    from stable_baselines.gail import GAIL
    from stable_baselines.her import HER
    from stable_baselines.ppo1 import PPO1
    from stable_baselines.ppo2 import PPO2
    from stable_baselines.sac import SAC
    from stable_baselines.td3 import TD3
    from stable_baselines.trpo_mpi import TRPO

__all__ = ['A2C', 'ACER', 'ACKTR', 'DDPG', 'DQN', 'GAIL', 'HER', 'PPO1', 'PPO2', 'SAC', 'TD3', 'TRPO']

# algorithm -> package that has it
_ALGORITHMS = dict(A2C='a2c', ACER='acer', ACKTR='acktr', DDPG='ddpg', DQN='deepq', GAIL='gail', HER='her', PPO1='ppo1',
                   PPO2='ppo2', SAC='sac', TD3='td3', TRPO='trpo_mpi')
_ABSENT = dict(PPO="that is its name in Stable-Baselines3; here it is PPO2")

__version__ = Path(__file__).with_name('version.txt').read_text().strip()

lazy.offer(__name__, {name: _ALGORITHMS[name] for name in __all__}, _ABSENT)
