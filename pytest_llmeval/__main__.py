"""``python -m pytest_llmeval``: what needs no pytest session."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pytest_llmeval.config.settings import default_cache_dir
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.runtime.store import FILE_NAME, Store

_DAY_S = 86_400


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < float("inf"):
        raise ValueError
    return days


def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_llmeval", description="tools of pytest-llmeval")
    commands = parser.add_subparsers(dest="command", required=True)
    cache = commands.add_parser("cache", help="show what answers are stored, or delete old ones")
    cache.add_argument(
        "--cache-dir", type=Path, help="as given with --llm-cache-dir (default: ~/.cache/pytest-llmeval)"
    )
    cache.add_argument(
        "--prune", type=_days, metavar="DAYS", help="delete answers older than so many days (0: all)"
    )
    compared = commands.add_parser(
        "compare", help="what changed between two finished runs, with its interval, question by question"
    )
    named = "its folder, results.json, name, or latest; RUN::MODEL for one of its models"
    compared.add_argument("before", metavar="A", help=f"the earlier run: {named}")
    compared.add_argument("after", metavar="B", help="the later run")
    compared.add_argument("--force", action="store_true", help="compare also what was asked in another way")
    compared.add_argument("--json", action="store_true", help="as JSON, with all questions")
    compared.add_argument(
        "--most", type=_whole, default=10, metavar="N", help="most questions fixed or broken to name"
    )
    compared.add_argument(
        "--report-dir", type=Path, default=Path("reports"), help="where runs are by name (default: reports)"
    )
    shown = commands.add_parser("schema", help="print the JSON Schema of a configuration file, for editors")
    shown.add_argument("file", choices=("llmeval", "benchmark"), help="llmeval.toml or benchmark.toml")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; its exit code."""
    given = _parser().parse_args(arguments)
    try:
        if given.command == "compare":
            found = compare(given.before, given.after, given.report_dir, given.force, given.json, given.most)
        elif given.command == "schema":
            found = [schema(given.file)]
        else:
            folder = given.cache_dir or default_cache_dir(os.environ)
            found = cache(folder.expanduser(), given.prune)
        for line in found:
            print(line)
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 4
    return 0


def compare(before: str, after: str, reports_dir: Path, force: bool, as_json: bool, most: int) -> list[str]:
    """Lines on what changed from one finished run to another. Raises ``UserError``."""
    from pytest_llmeval.report.comparison import comparison_lines
    from pytest_llmeval.report.text import can_draw
    from pytest_llmeval.results.comparison_json import comparison_json
    from pytest_llmeval.results.runs import compare_runs, read_run

    folder = reports_dir.expanduser()
    runs = [read_run(given, folder, Path(), name) for given, name in ((before, "A"), (after, "B"))]
    comparisons, notes = compare_runs(runs[0], runs[1], force=force)
    if as_json:
        found = {"comparisons": [comparison_json(one) for one in comparisons], "notes": notes}
        return [json.dumps(found, ensure_ascii=True, indent=1)]
    fancy = can_draw(getattr(sys.stdout, "encoding", None))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    out = [
        line for one in comparisons for line in [*comparison_lines(one, fancy, most=most, width=width), ""]
    ]
    return [*out[:-1], *(f"note: {one_line(line)}" for line in notes)]


def schema(file: str) -> str:
    """The JSON Schema of llmeval.toml or benchmark.toml, as ``schemas/`` of this package has it."""
    if file == "llmeval":
        from pytest_llmeval.config.schema import schema as generate
    else:
        from pytest_llmeval.suites.benchmark import schema as generate
    return json.dumps(generate(), ensure_ascii=True, indent=2)


def cache(folder: Path, prune_days: float | None) -> list[str]:
    """Lines on what the store in ``folder`` holds, after pruning it. Raises ``UserError``."""
    path = folder / FILE_NAME
    if not path.is_file():
        return [f"{path}: no answers are stored"]
    problems: list[str] = []
    store = Store(path, problems.append)
    lines = []
    try:
        if prune_days is not None:
            number = store.prune(time.time() - prune_days * _DAY_S)
            lines.append(f"deleted {number} answers older than {prune_days:g} days")
        held = store.held()
    finally:
        store.close()
    lines.append(f"{path}: {sum(one.number for one in held)} answers, {_size(path)}")
    lines += [
        f"  {one.number:>9}  {_bytes(one.size):>9}  {_date(one.first)} to {_date(one.last)}  "
        f"{one_line(one.model, 120)}"
        for one in held
    ]
    return lines + problems


def _size(path: Path) -> str:
    """Of the file and of what SQLite has not yet written into it."""
    return _bytes(sum(part.stat().st_size for part in path.parent.glob(path.name + "*")))


def _bytes(number: float) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e5 else f"{number / 1e3:.1f} kB"


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


if __name__ == "__main__":
    sys.exit(main())
