from stable_baselines.her.her import HER
from stable_baselines.her.replay_buffer import GoalSelectionStrategy, HindsightExperienceReplayWrapper
from stable_baselines.her.utils import HERGoalEnvWrapper

__all__ = ['GoalSelectionStrategy', 'HER', 'HERGoalEnvWrapper', 'HindsightExperienceReplayWrapper']
