"""Replicas of a local model on a Ray cluster, behind ``models/ray_model.py``."""
