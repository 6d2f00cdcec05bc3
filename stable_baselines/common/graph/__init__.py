"""Work with TensorFlow graphs; the public address of all this is ``stable_baselines.common.tf_util``."""
