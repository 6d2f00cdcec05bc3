from stable_baselines.gail.dataset.dataset import DataLoader, ExpertDataset
from stable_baselines.gail.dataset.record_expert import generate_expert_traj
from stable_baselines.gail.model import GAIL

__all__ = ['DataLoader', 'ExpertDataset', 'GAIL', 'generate_expert_traj']
