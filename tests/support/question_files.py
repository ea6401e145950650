"""Small files of questions, and whole ones that hypothesis draws."""

from __future__ import annotations

import csv
import io
import tomllib
from collections.abc import Sequence
from pathlib import Path

from hypothesis import strategies as st

from pytest_llmeval.suites.spec import Benchmark, parse

HEADER = "id,question,A,B,C,D,answer"
ROW = "0,哪种鸟会游泳？,企鹅,麻雀,燕子,乌鸦,A"
_cells = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30)
#: the columns of ``HEADER`` after the id
ROWS = st.lists(st.tuples(*[_cells] * 6), min_size=1, max_size=6)


def benchmark(text: str = "", folder: Path = Path("/own")) -> Benchmark:
    return parse(tomllib.loads(text), folder / "benchmark.toml")


def lines(*rows: str) -> str:
    return "\n".join(rows) + "\n"


def tree(folder: Path, **files: str) -> None:
    """Writes files named as in ``val__birds``."""
    for name, text in files.items():
        place = folder / (name.replace("__", "/") + ".csv")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")


def written(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADER.split(","))
    writer.writerows([str(number), *row] for number, row in enumerate(rows))
    return text.getvalue().encode()
