"""``python -m pytest_llmeval``: commands that need no pytest session."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_llmeval.config.settings import default_cache_dir
from pytest_llmeval.config.starter import write_starter
from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.paths import expanded
from pytest_llmeval.runtime.store import FILE_NAME, Store

_DAY_S = 86_400


def _days(text: str) -> float:
    days = float(text)
    if not 0 <= days < float("inf"):
        raise ValueError
    return days


def _non_negative(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m pytest_llmeval", description="tools of pytest-llmeval")
    commands = parser.add_subparsers(dest="command", required=True)
    store = commands.add_parser("cache", help="show what answers are stored, or delete old ones")
    store.add_argument(
        "--cache-dir", type=Path, help="as given with --llm-cache-dir (default: ~/.cache/pytest-llmeval)"
    )
    store.add_argument(
        "--prune", type=_days, metavar="DAYS", help="delete answers older than so many days (0: all)"
    )
    diff = commands.add_parser(
        "compare", help="what changed between two finished runs, with its interval, question by question"
    )
    run_help = "its folder, results.json, name, or latest; RUN::MODEL for one of its models"
    diff.add_argument("before", metavar="A", help=f"the earlier run: {run_help}")
    diff.add_argument("after", metavar="B", help="the later run")
    diff.add_argument("--force", action="store_true", help="compare also what was asked in another way")
    diff.add_argument("--json", action="store_true", help="as JSON, with all questions")
    diff.add_argument(
        "--most", type=_non_negative, default=10, metavar="N", help="most questions fixed or broken to name"
    )
    diff.add_argument(
        "--report-dir", type=Path, default=Path("reports"), help="where runs are by name (default: reports)"
    )
    again = commands.add_parser(
        "reread", help="read the texts of a finished run again, and show which answers change"
    )
    again.add_argument("run", metavar="RUN", help="its folder, results.json, name, or latest")
    again.add_argument("--extractor", metavar="NAME", help="how to read (default: as the benchmark says now)")
    again.add_argument(
        "--benchmark", action="append", default=[], metavar="NAME", help="only this one (repeatable)"
    )
    again.add_argument("--data-dir", metavar="DIR", help="as given with --llm-data-dir")
    again.add_argument(
        "--most", type=_non_negative, default=10, metavar="N", help="most texts of each kind to show"
    )
    again.add_argument("--report-dir", default="reports", help="where runs are by name (default: reports)")
    commands.add_parser("init", help="write a llmeval.toml to start from, with every setting commented out")
    schemas = commands.add_parser("schema", help="print the JSON Schema of a configuration file, for editors")
    schemas.add_argument("file", choices=("llmeval", "benchmark"), help="llmeval.toml or benchmark.toml")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    args = _parser().parse_args(arguments)
    try:
        if args.command == "compare":
            lines = compare(args.before, args.after, args.report_dir, args.force, args.json, args.most)
        elif args.command == "reread":
            options = {"report_dir": args.report_dir, "data_dir": args.data_dir}
            lines = reread(args.run, args.extractor, args.benchmark, options, args.most)
        elif args.command == "init":
            lines = [f"wrote {write_starter(Path.cwd())}; remove the # of what you want to set"]
        elif args.command == "schema":
            lines = [schema(args.file)]
        else:
            folder = args.cache_dir or default_cache_dir(os.environ)
            lines = cache(expanded(folder), args.prune)
        for line in lines:
            print(line)
    except UserError as error:
        print(f"ERROR: {error}", file=sys.stderr)
        return 4
    return 0


def compare(before: str, after: str, reports_dir: Path, force: bool, as_json: bool, most: int) -> list[str]:
    """Compare two finished runs and return the lines to print. Raises ``UserError``."""
    from pytest_llmeval.report.comparison import comparison_lines
    from pytest_llmeval.report.text import can_draw
    from pytest_llmeval.results.comparison_json import comparison_json
    from pytest_llmeval.results.runs import compare_runs, read_run

    folder = expanded(reports_dir)
    runs = [read_run(run, folder, Path(), name) for run, name in ((before, "A"), (after, "B"))]
    comparisons, notes = compare_runs(runs[0], runs[1], force=force)
    if as_json:
        content = {"comparisons": [comparison_json(comparison) for comparison in comparisons], "notes": notes}
        return [json.dumps(content, ensure_ascii=True, indent=1)]
    fancy = can_draw(getattr(sys.stdout, "encoding", None))
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    out = [
        line
        for comparison in comparisons
        for line in [*comparison_lines(comparison, fancy, most=most, width=width), ""]
    ]
    return [*out[:-1], *(f"note: {one_line(line)}" for line in notes)]


def reread(
    run: str, extractor: str | None, benchmarks: Sequence[str], options: Mapping[str, object], most: int
) -> list[str]:
    """Read the texts of a run again and return the lines to print. Raises ``UserError``."""
    from pytest_llmeval.report.reread import reread_lines
    from pytest_llmeval.report.text import can_draw
    from pytest_llmeval.runtime.reread import reread as read_again

    fancy = can_draw(getattr(sys.stdout, "encoding", None))
    results = read_again(run, extractor, benchmarks, options, Path())
    return [line for result in results for line in reread_lines(result, most, fancy)]


def schema(file: str) -> str:
    """The JSON Schema of llmeval.toml or benchmark.toml; the package ships the same text in ``schemas/``."""
    if file == "llmeval":
        from pytest_llmeval.config.schema import schema as generate
    else:
        from pytest_llmeval.suites.benchmark import schema as generate
    return json.dumps(generate(), ensure_ascii=True, indent=2)


def cache(folder: Path, prune_days: float | None) -> list[str]:
    """Prune the store in ``folder`` if asked, and return lines on its content. Raises ``UserError``."""
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
        entries = store.usage()
    finally:
        store.close()
    lines.append(f"{path}: {sum(entry.number for entry in entries)} answers, {_size(path)}")
    lines += [
        f"  {entry.number:>9}  {_bytes(entry.size):>9}  {_date(entry.first)} to {_date(entry.last)}  "
        f"{one_line(entry.model, 120)}"
        for entry in entries
    ]
    return lines + problems


def _size(path: Path) -> str:
    """The size of the file and of SQLite's write-ahead log."""
    return _bytes(sum(part.stat().st_size for part in path.parent.glob(path.name + "*")))


def _bytes(number: float) -> str:
    return f"{number / 1e6:.1f} MB" if number >= 1e5 else f"{number / 1e3:.1f} kB"


def _date(moment: float) -> str:
    return time.strftime("%Y-%m-%d", time.localtime(moment))


if __name__ == "__main__":
    sys.exit(main())
