"""What plugins with their own extractors import; defined in ``pytest_llmeval.scoring.extract``."""

from pytest_llmeval.scoring.extract import Extractor

__all__ = ["Extractor"]
