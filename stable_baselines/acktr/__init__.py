from stable_baselines.acktr.acktr import ACKTR  # noqa: F401
