from stable_baselines.acer.acer_simple import ACER  # noqa: F401
