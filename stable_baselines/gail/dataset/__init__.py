"""Recorded trajectories of an expert."""
