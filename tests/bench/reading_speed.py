"""How long the extractors take: the mean for texts of about 2,000 characters, and the worst hostile text.

    python tests/bench/reading_speed.py [FOLDER]

FOLDER has outputs of real models (default: ../shared/data/outputs/mmlu_pro); without it the texts are made
up. Run it on a quiet machine. The aims are 1 ms in the mean and 50 ms for 100 KB.
"""

from __future__ import annotations

import gzip
import json
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pytest_llmeval.scoring.extract import EXTRACTORS

_DEFAULT = Path(__file__).parents[3] / "shared/data/outputs/mmlu_pro"
_NAMES = ("choice", "choices", "number", "math", "text", "json", "code")
_SIZE = 100_000
_CHOICES = {label: f"some text {label}" for label in "ABCDEFGHIJ"}
_PIECES = (
    *(
        "so the answer may be A or not. ",
        "A ",
        "A. ",
        "A, ",
        "所以答案是",
        "so ",
        "\\boxed{",
        "Antwort: ",
        "svar ",
    ),
    *(
        "$A$ ",
        "<|",
        "<think>",
        "not ",
        "the answer is ",
        "&amp;",
        "<b>",
        "~~",
        "(",
        "{",
        "[",
        "```\n",
        '"""\n',
    ),
    *("1,", "1.2.", "\\frac{", "\n", " ", "是", "1/2 ", "- ", "def f(x):\n", "答案：A、", "}{", "`", "*"),
)


def texts(folder: Path) -> list[str]:
    """Texts of 1,500 to 2,600 characters."""
    found = []
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            found += [text for line in file if 1500 < len(text := json.loads(line)["text"]) < 2600]
    return found or ["Step by step: 2 + 2 = 4, so B fits. " * 55 + "The answer is (B)."] * 100


def seconds(read: Callable[[str, Mapping[str, str]], str | None], text: str) -> float:
    """The CPU time of one call."""
    began = time.process_time()
    read(text, _CHOICES)
    return time.process_time() - began


def main(folder: Path) -> None:
    """Print a line for each extractor."""
    samples = texts(folder)
    size = sum(map(len, samples)) / len(samples)
    print(
        f"{len(samples)} texts of {size:,.0f} characters in the mean; hostile texts of {_SIZE:,} characters"
    )
    for name in _NAMES:
        read = EXTRACTORS[name]
        for text in samples[:20]:
            read(text, _CHOICES)
        mean = sum(seconds(read, text) for text in samples) / len(samples)
        times = {piece: min(seconds(read, (piece * _SIZE)[:_SIZE]) for _ in range(2)) for piece in _PIECES}
        worst = sorted(times, key=times.__getitem__, reverse=True)[:3]
        shown = ", ".join(f"{piece!r} {1000 * times[piece]:.0f}" for piece in worst)
        print(f"{name:8} mean {1000 * mean:.2f} ms; hostile, ms: {shown}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _DEFAULT)
