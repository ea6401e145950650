"""Where suites come from, by the prefix of a benchmark's name: ``lm-eval:arc_easy``.

A name without one of these prefixes means a benchmark's folder or a file of questions.
"""

from __future__ import annotations

#: prefix -> ``MODULE:CLASS`` of its source (``suites/source.py`` says what a source is)
SOURCES: dict[str, str] = {"lm-eval": "pytest_llmeval.lm_eval.suite:TaskSource"}
#: the source of all other names
FOLDERS = "pytest_llmeval.suites.folder_suite:FolderSource"


def prefix_of(benchmark: str) -> str:
    """The prefix of a benchmark's name; empty for a folder, a file or a packaged benchmark."""
    prefix, colon, _ = benchmark.partition(":")
    return prefix if colon and prefix in SOURCES else ""
