from stable_baselines.acktr.acktr import ACKTR

__all__ = ['ACKTR']
