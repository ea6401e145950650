"""The tiny benchmark with variants, whose gold answers are A and B in turns."""

from __future__ import annotations

from pathlib import Path

from tests.support.tiny_benchmark import TOML

ECHO = ("--llm-model=echo", "--llm-cache-dir=cache")
VARIANTS = """
[variants.bare]
shots = 0
prompts.generate.user = "{{ question }}"

[variants.length]
metric = {name = "exact", threshold = 0.5}
max_tokens = 7
"""
HEADER = "question,A,B,C,D,answer\n"


def write_variants(folder: Path, toml: str = TOML + VARIANTS) -> None:
    """A benchmark of eight questions in two subjects; the gold answers are A and B in turns."""
    for split, count in (("dev", 1), ("val", 4)):
        for subject in ("birds", "logic"):
            path = folder / f"data/{split}/{subject}_{split}.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            rows = [f"{subject} {split} {row}?,p,q,r,s,{'AB'[row % 2]}\n" for row in range(count)]
            path.write_text(HEADER + "".join(rows))
    (folder / "benchmark.toml").write_text(toml, "utf-8")
