"""The bases of all algorithms; ``common.base_class`` has the public ones at their address in Stable Baselines 2.10."""
