"""Find benchmarks by name or path and load them: packaged ones, and a user's folders and files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.suites import infer, variants
from pytest_llmeval.suites.formats import format_of
from pytest_llmeval.suites.spec import FILE_NAME, Benchmark, check_keys, parse
from pytest_llmeval.suites.tables import SUFFIXES, is_table, tables_in

#: a file's time of change in nanoseconds, and its size in bytes
_Stamp: TypeAlias = tuple[int, int]
_tables: dict[tuple[Path, str | None], tuple[_Stamp, dict[str, Any]]] = {}
#: by path, metric and variant: the benchmark, and the keys and stamps of the files that it was made from
_loaded: dict[tuple[Path, str | None, str | None], tuple[list[object], Benchmark]] = {}


def load(folder: Path, metric: str | None = None, variant: str | None = None) -> Benchmark:
    """Load the benchmark in ``folder``, or a variant of it; the result is cached until a file of it changes.

    ``folder`` may also be the path of a benchmark.toml or of a file of questions, or a folder of such files
    without a benchmark.toml, each of which is a subject. A benchmark.toml next to
    a file of questions describes that file. ``metric`` is the name of the metric, unless a benchmark.toml
    sets one, instead of the inferred one. Raises ``UserError`` with the file, the key and a fix.
    """
    path, table, files = _sources(folder, variant)
    state: list[object] = [table, *(_stamp(one) for file in files for one in (file, *tables_in(file)))]
    key = path, metric, variant
    if key in _loaded and _loaded[key][0] == state:
        return _loaded[key][1]
    if files:
        table = infer.complete(_with_metric(table, metric), files)
    benchmark = parse(table, path, variant)
    _loaded[key] = state, benchmark
    if variant is None:
        for name in benchmark.variants:  # a mistake in one is found before it is asked for
            load(folder, metric, name)
    return benchmark


def _sources(folder: Path, variant: str | None) -> tuple[Path, dict[str, Any], list[Path]]:
    """The path of a benchmark.toml, its content, and its files of questions, if they can be read here.

    The path is that of the file of questions if the benchmark is found by that. Raises ``UserError``.
    """
    if not is_table(folder) and (_is_benchmark(folder) or not tables_in(folder)):
        path = folder if folder.name == FILE_NAME else folder / FILE_NAME
        return path, *infer.locate(_table(path, variant), path.parent)
    if _is_benchmark(folder.parent) and not folder.is_dir():
        table = _table(folder.with_name(FILE_NAME), variant)
        name = folder.name.replace("{", "{{").replace("}", "}}")
        return folder, {**table, "data": {**table.get("data", {}), "paths": [name]}}, [folder]
    if variant is not None:
        raise UserError(f"{folder} has no variant {variant!r}: it has no {FILE_NAME} that declares any")
    return folder, {}, [folder]


def _stamp(path: Path) -> _Stamp:
    """Raises ``UserError``."""
    try:
        stat = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    return stat.st_mtime_ns, stat.st_size


def _table(path: Path, variant: str | None) -> dict[str, Any]:
    """Read a benchmark.toml, or a variant of it, and check its keys; cached until the file changes.

    Raises ``UserError``.
    """
    stamp, key = _stamp(path), (path, variant)
    if key not in _tables or _tables[key][0] != stamp:
        table = variants.apply(_parsed(path), variant, path)
        check_keys(table, path, variant)
        _tables[key] = stamp, table
    return _tables[key][1]


def _parsed(path: Path) -> dict[str, Any]:
    """Raises ``UserError``."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {one_line(error)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _with_metric(table: Mapping[str, Any], metric: str | None) -> dict[str, Any]:
    """``table`` with the metric, if there is one and the table sets neither metric nor extractor."""
    return {"metric": metric, **table} if metric is not None and "extractor" not in table else dict(table)


def packaged_dir() -> Path:
    """The folder of packaged benchmarks: inside the package in a wheel, next to it in the repository."""
    package = Path(__file__).parents[1]
    inside = package / "benchmarks"
    return inside if inside.is_dir() else package.parent / "benchmarks"


def _folders(parent: Path) -> dict[str, Path]:
    return {file.parent.name: file.parent for file in sorted(parent.glob(f"*/{FILE_NAME}"))}


def packaged() -> dict[str, Path]:
    """Map the names of packaged benchmarks to their folders."""
    return _folders(packaged_dir())


def _is_benchmark(folder: Path) -> bool:
    # os.path, because Path.is_file raises for names that are too long or contain NUL
    return os.path.isfile(folder / FILE_NAME)


def is_path(text: str, near: Path) -> bool:
    """Whether a benchmark's name is a path that exists, relative to ``near``."""
    return os.path.exists(near / os.path.expanduser(text))


def find(name: str, near: Path) -> Path:
    """Find a benchmark's folder or file of questions; a folder may also hold several files and nothing else.

    ``name`` is a path relative to ``near``, the name of a benchmark in ``near`` or ``near/benchmarks``, or
    the name of a packaged benchmark. Raises ``UserError`` that suggests the closest name.
    """
    path = near / os.path.expanduser(name)
    if path.name == FILE_NAME:
        path = path.parent
    # not resolved: the name and the suffix of a link in a cache are those that the user knows
    absolute = Path(os.path.abspath(path))
    if _is_benchmark(path) or is_table(path):
        return absolute
    for folder in (near, near / "benchmarks" / name):
        if _is_benchmark(folder) and load(folder).name == name:
            return folder
    folders = packaged()
    if name in folders:
        return folders[name]
    if os.path.isdir(path):
        tables = tables_in(absolute)
        if not tables:
            raise UserError(
                f"{path}: the folder has neither a {FILE_NAME} nor a file of questions ({SUFFIXES})"
            )
        return tables[0] if len(tables) == 1 else absolute
    if os.path.isfile(path):
        hint = "; save it as CSV (UTF-8)" if path.suffix.lower() in (".xlsx", ".xls", ".ods") else ""
        raise UserError(f"{path}: not a file of questions ({SUFFIXES}){hint}")
    if path.suffix.lower() == ".zip" or format_of(path) is not None:
        raise UserError(
            f"--llm-benchmark={one_line(name, 120)}: no such file (looked for {one_line(path, 200)})"
        )
    raise unknown("benchmark", name, folders)


def load_all(start: Path, names: Iterable[str], paths: Iterable[str]) -> dict[str, Benchmark]:
    """Load every benchmark that a session may refer to, with its variants, by their names in results.

    These are the packaged benchmarks, those under ``start``, those in ``names``, and those at or next to
    ``paths``.
    """
    folders = [
        *packaged().values(),
        *_folders(start / "benchmarks").values(),
        *_folders(start).values(),
        start,
    ]
    named = [find(name, start) for name in names]
    for path in paths:
        test_path = start / path.partition("::")[0]
        folders += [test_path, test_path.parent]
    benchmarks = {}
    for folder in (*folders, *named):
        if folder in named or _is_benchmark(folder) or is_table(folder):
            benchmark = load(folder)
            for item in (benchmark, *(load(folder, variant=name) for name in benchmark.variants)):
                benchmarks[item.result_name] = item
    return benchmarks
