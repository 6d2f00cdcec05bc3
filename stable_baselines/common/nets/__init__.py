"""What policies are made of; the public address of all this is ``stable_baselines.common.policies``."""
