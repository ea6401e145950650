"""Where benchmarks are: found by name or path, and loaded; packaged ones, a user's folders and files."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line, unknown
from pytest_llmeval.suites import infer
from pytest_llmeval.suites.formats import FORMATS
from pytest_llmeval.suites.spec import FILE_NAME, Benchmark, parse

_loaded: dict[Path, tuple[tuple[int, int], Benchmark]] = {}


def load(folder: Path) -> Benchmark:
    """The benchmark in ``folder`` (or whose benchmark.toml this is); read again only when it changed.

    It may also be a file of questions; a benchmark.toml beside it is then about that file. Raises
    ``UserError`` naming file, key and mend.
    """
    if infer.is_table(folder):
        return _load_table(folder)
    path = folder if folder.name == FILE_NAME else folder / FILE_NAME
    try:
        stat = path.stat()
        stamp = stat.st_mtime_ns, stat.st_size
        if path in _loaded and _loaded[path][0] == stamp:
            return _loaded[path][1]
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    benchmark = parse(_open_columns(_table(path), path), path)
    _loaded[path] = stamp, benchmark
    return benchmark


def _table(path: Path) -> dict[str, Any]:
    """The content of a benchmark.toml. Raises ``UserError``."""
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not UTF-8; save the file as UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {one_line(error)}") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None


def _load_table(file: Path) -> Benchmark:
    """The benchmark that is one file of questions. Raises ``UserError``."""
    beside = file.with_name(FILE_NAME)
    table: dict[str, Any] = {}
    try:
        stat = file.stat()
        changed = [stat.st_mtime_ns, stat.st_size]
        if _is_benchmark(file.parent):
            changed.append(beside.stat().st_mtime_ns)
            table = _table(beside)
            data = table.get("data", {})
            table["data"] = {**data, "paths": [file.name]} if isinstance(data, dict) else data
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from None
    stamp = changed[0], sum(changed[1:])
    if file in _loaded and _loaded[file][0] == stamp:
        return _loaded[file][1]
    benchmark = parse(infer.completed(table, file), file)
    _loaded[file] = stamp, benchmark
    return benchmark


def _open_columns(table: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a benchmark.toml leaves open, filled from its one table of questions, where it has one."""
    data = table.get("data", {})
    if (
        not isinstance(data, dict)
        or {"question", "messages", "choices", "answer", "hub", "header"} & data.keys()
    ):
        return table
    named = [data["paths"]] if isinstance(data.get("paths"), str) else data.get("paths")
    if named is None:
        found = infer.table_in(path.parent)
    elif isinstance(named, list) and len(named) == 1 and isinstance(named[0], str) and "{" not in named[0]:
        found = path.parent / named[0]
    else:
        return table
    if found is None or not infer.is_table(found):
        return table
    table.setdefault("name", path.parent.name)
    return infer.completed(table, found)


def packaged_dir() -> Path:
    """Where the benchmarks of this package are: in the wheel inside it, in the repository beside it."""
    package = Path(__file__).parents[1]
    inside = package / "benchmarks"
    return inside if inside.is_dir() else package.parent / "benchmarks"


def _folders(parent: Path) -> dict[str, Path]:
    return {file.parent.name: file.parent for file in sorted(parent.glob(f"*/{FILE_NAME}"))}


def packaged() -> dict[str, Path]:
    """The packaged benchmarks: name to folder."""
    return _folders(packaged_dir())


def _is_benchmark(folder: Path) -> bool:
    # os.path: Path.is_file raises for a name that is too long or holds a NUL
    return os.path.isfile(folder / FILE_NAME)


def find(name: str, near: Path) -> Path:
    """The folder of a benchmark, or its file of questions: a path, ``near`` itself, or a packaged one's name.

    Raises ``UserError`` with the nearest name.
    """
    given = near / os.path.expanduser(name)
    if given.name == FILE_NAME:
        given = given.parent
    if _is_benchmark(given):
        return given.resolve()
    if infer.is_table(given):
        return given.resolve()
    for folder in (near, near / "benchmarks" / name):
        if _is_benchmark(folder) and load(folder).name == name:
            return folder
    folders = packaged()
    if name in folders:
        return folders[name]
    if os.path.isdir(given):
        table = infer.table_in(given)
        if table is not None:
            return table.resolve()
        raise UserError(f"{given}: no {FILE_NAME} in this folder, and no file of questions")
    if os.path.isfile(given):
        raise UserError(f"{given}: no file of questions; they are .csv, .jsonl or .parquet")
    if given.suffix.lower().removeprefix(".") in FORMATS:
        raise UserError(
            f"--llm-benchmark={one_line(name, 120)}: no such file (looked for {one_line(given, 200)})"
        )
    raise unknown("benchmark", name, folders)


def known(start: Path, given: Iterable[str], paths: Iterable[str]) -> dict[str, Benchmark]:
    """All benchmarks that a session may mean: packaged, under ``start``, given, or along ``paths``."""
    folders = [
        *packaged().values(),
        *_folders(start / "benchmarks").values(),
        *_folders(start).values(),
        start,
    ]
    folders += [find(name, start) for name in given]
    for path in paths:
        place = start / path.partition("::")[0]
        folders += [place, place.parent]
    found = {}
    for folder in folders:
        if _is_benchmark(folder) or infer.is_table(folder):
            benchmark = load(folder)
            found[benchmark.name] = benchmark
    return found
