"""Adds the metric ``brevity``."""

from pytest_llmeval import Metric, Reasoned, UserError


def make_brevity(options, where):
    """Score answers by their number of words; ``words`` is how many are allowed."""
    allowed = options.get("words", 20)
    if not isinstance(allowed, int) or allowed < 1:
        raise UserError(f"{where}: words must be a whole number above 0, not {allowed!r}")

    def score(answer, question):
        words = len(answer.split())
        return Reasoned(min(1.0, allowed / max(words, 1)), f"{words} words, {allowed} allowed")

    return score


def pytest_llmeval_metrics():
    return {"brevity": Metric(make_brevity, extractor="text", graded=True, threshold=1.0)}
