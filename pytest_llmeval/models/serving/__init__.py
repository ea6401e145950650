"""Inference servers that are started for a run: behind the door that is ``served.py``."""
