"""Read the public outputs of MMLU-Pro: our accuracy beside the official one, and how long reading takes.

    python tests/bench/read_outputs.py [FOLDER]

FOLDER has the files of outputs (default: ../shared/data/outputs/mmlu_pro). Prints a table for
docs/reading.md: texts that plainly end in "The answer is (X)." but are unread or read as another letter; our
accuracy; that of the published predictions; and how many questions only one of them has right, by kind.
"""

from __future__ import annotations

import gzip
import json
import re
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from pytest_llmeval.scoring.extract import choice
from pytest_llmeval.scoring.extract.official import mmlu_pro

_DEFAULT = Path(__file__).parents[3] / "shared/data/outputs/mmlu_pro"
_PLAIN = re.compile(r"answer is \(?([A-J])\)?\.?\s*$")
_STATED = re.compile(r"answer is \(?[A-J]\)?")
_LABELS = "ABCDEFGHIJ"


def kind(text: str, ours: str | None, rule: str | None) -> str:
    """Why the two readings differ."""
    if rule is None:
        return "official rule read nothing (newer files then have a random letter)"
    if not _STATED.search(text):
        if ours is None:
            return "official rule took a letter that is no answer, such as the pronoun I"
        return "stated in other words"
    if ours is None:
        return "several letters, or a refusal"
    return "several statements: first or last"


def main(folder: Path) -> None:
    """Print the table."""
    print(
        "| outputs | plain finals | unread | another letter | ours | official | ms per text | differences |"
    )
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |")
    for path in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(path, "rt", encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        began = time.process_time()
        answers = [choice(row["text"], dict(zip(_LABELS, row["options"], strict=False))) for row in rows]
        seconds = time.process_time() - began
        plain = [
            (match[1], a)
            for row, a in zip(rows, answers, strict=True)
            if (match := _PLAIN.search(row["text"]))
        ]
        differences: Counter[str] = Counter()
        for row, answer in zip(rows, answers, strict=True):
            if (answer == row["answer"]) != (row["pred"] == row["answer"]):
                rule = mmlu_pro(row["text"], dict.fromkeys(_LABELS[: len(row["options"])], ""))
                sign = "+" if answer == row["answer"] else "-"
                differences[sign + kind(row["text"], answer, rule)] += 1
        cells = [
            path.name.removesuffix(".jsonl.gz"),
            str(len(plain)),
            str(sum(answer is None for _, answer in plain)),
            str(sum(answer not in (None, letter) for letter, answer in plain)),
            f"{sum(a == row['answer'] for row, a in zip(rows, answers, strict=True)) / len(rows):.1%}",
            f"{sum(row['pred'] == row['answer'] for row in rows) / len(rows):.1%}",
            f"{1000 * seconds / len(rows):.2f}",
            "; ".join(f"{name[0]}{number} {name[1:]}" for name, number in differences.most_common()),
        ]
        print(f"| {' | '.join(cells)} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else _DEFAULT)
