"""What plugins with their own metrics import; defined in ``pytest_llmeval.scoring.metrics``."""

from pytest_llmeval.scoring.metrics import Metric, Reasoned, Score, Scores

__all__ = ["Metric", "Reasoned", "Score", "Scores"]
