"""Which files of a data set's repository on the Hugging Face hub hold a split of a configuration.

The rules are those of the library ``datasets`` (its documentation: "Structure your repository"): the
``configs`` of the README's metadata name files by patterns; without them, folders and file names tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.suites.formats import FORMATS, data_suffix

#: the branch to which the hub converts data sets, as CONFIG/SPLIT/0000.parquet
CONVERTED = "refs/convert/parquet"
#: the configuration of a data set that names none
DEFAULT = "default"
#: names of splits in file names, besides the split's own
_ALIASES = {
    "train": ("training",),
    "validation": ("valid", "val", "dev"),
    "test": ("testing", "eval", "evaluation"),
}
_PREFERRED = ("parquet", "jsonl", "json", "csv", "tsv")
assert set(_PREFERRED) == set(FORMATS)


def split_files(
    paths: Sequence[str], configs: Sequence[Mapping[str, object]], config: str | None, split: str
) -> tuple[str, ...]:
    """The files of a split, in order; several are its parts.

    ``paths`` are the files of the repository, ``configs`` those of its README's metadata. Without a
    ``config`` the data set's default one is used. Raises ``ValueError`` that says what there is.
    """
    entry = _entry(configs, config)
    tables = [path for path in paths if data_suffix(path) is not None]
    if entry is not None and entry.get("data_files"):
        files = _declared(tables, entry, split)
    else:
        files = _by_name(tables, _folders(entry, config), split)
    if not files:
        raise ValueError(_absent(tables, configs, config, split))
    return _one_kind(files)


def _entry(configs: Sequence[Mapping[str, object]], config: str | None) -> Mapping[str, object] | None:
    """The README's entry for a configuration; None if it has none. Raises ``ValueError``."""
    named = {_name(entry): entry for entry in configs}
    if not named or config is not None:
        return named.get(config or DEFAULT)
    default = next((entry for entry in named.values() if entry.get("default") is True), named.get(DEFAULT))
    if default is None and len(named) > 1:
        raise ValueError(f"it has several configurations ({_listed(named)}); name one of them as config")
    return default or next(iter(named.values()))


def _name(entry: Mapping[str, object]) -> str:
    return str(entry.get("config_name", DEFAULT))


def _declared(tables: Sequence[str], entry: Mapping[str, object], split: str) -> list[str]:
    """The files that an entry's ``data_files`` name: patterns, of the train split or by split."""
    declared = entry["data_files"]
    items = declared if isinstance(declared, list) else [declared]
    patterns: list[str] = []
    for item in items:
        if isinstance(item, Mapping):
            if item.get("split", "train") == split:
                patterns += _texts(item.get("path"))
        elif split == "train":
            patterns += _texts(item)
    folder = _data_dir(entry)
    found: dict[str, None] = {}
    for pattern in patterns:
        matches = _glob(f"{folder}/{pattern}" if folder else pattern)
        found.update(dict.fromkeys(path for path in tables if matches.fullmatch(path)))
    return list(found)


def _data_dir(entry: Mapping[str, object]) -> str:
    return str(entry.get("data_dir") or "").removeprefix("./").strip("/")


def _texts(value: object) -> list[str]:
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, str)]


def _glob(pattern: str) -> re.Pattern[str]:
    """A pattern of paths in which ``**/`` is any folders, and ``*`` and ``?`` stay within a name."""
    pattern = re.sub(r"^\./", "", pattern)
    source = ""
    for part in re.findall(r"\*\*/|\*\*|\*|\?|\[[^]/]+\]|.", pattern, re.DOTALL):
        match part:
            case "**/":
                source += "(?:.*/)?"
            case "**":
                source += ".*"
            case "*":
                source += "[^/]*"
            case "?":
                source += "[^/]"
            case _ if len(part) > 1:
                source += "[" + part[1:-1].replace("\\", r"\\").replace("[", r"\[") + "]"
            case _:
                source += re.escape(part)
    try:
        return re.compile(source)
    except re.error:
        return re.compile(re.escape(pattern))


def _folders(entry: Mapping[str, object] | None, config: str | None) -> list[str]:
    """The folders in which a configuration's files may be; "" is the repository's own."""
    if entry is not None and (folder := _data_dir(entry)):
        return [folder]
    name = _name(entry) if entry is not None else config or DEFAULT
    return [name] if config is not None and name != DEFAULT else [name, "data", ""]


def _by_name(tables: Sequence[str], folders: Sequence[str], split: str) -> list[str]:
    """The files whose names tell the split; if no name tells any, all files are of the train split."""
    of_split = _named_after((split, *_ALIASES.get(split, ())))
    of_any = _named_after([name for known, others in _ALIASES.items() for name in (known, *others)])
    for folder in folders:
        start = f"{folder}/" if folder else ""
        inside = {path: path[len(start) :] for path in tables if path.startswith(start)}
        found = [path for path, name in inside.items() if of_split.fullmatch(name)]
        if not found and split == "train" and not any(map(of_any.fullmatch, inside.values())):
            found = list(inside)
        if found:
            return sorted(found)
    return []


def _named_after(splits: Sequence[str]) -> re.Pattern[str]:
    """Paths of a split's files: ``test.csv``, ``data/test-00000-of-00002.parquet``, ``test/0000.parquet``."""
    names = "|".join(map(re.escape, splits))
    return re.compile(rf"(?:data/)?(?:{names})(?:[-_.][^/]*|/[^/]+)", re.IGNORECASE)


def _one_kind(files: Iterable[str]) -> tuple[str, ...]:
    """The files of the preferred format, if a split is there in several."""
    by_format: dict[str, list[str]] = {}
    for path in files:
        suffix = data_suffix(path)
        assert suffix is not None
        by_format.setdefault(suffix.removesuffix(".gz").removeprefix("."), []).append(path)
    first = min(by_format, key=lambda name: _PREFERRED.index(name) if name in _PREFERRED else len(_PREFERRED))
    return tuple(by_format[first])


def _absent(
    tables: Sequence[str], configs: Sequence[Mapping[str, object]], config: str | None, split: str
) -> str:
    names = list(map(_name, configs))
    if config is not None and names and config not in names:
        return f"it has no configuration {config!r}; there are {_listed(names)}"
    of = "" if config is None else f" in configuration {config!r}"
    shown = f"its tables are {_listed(tables)}" if tables else f"it has no tables ({', '.join(_PREFERRED)})"
    return f"no files of split {split!r}{of}; {shown}"


def _listed(names: Iterable[str]) -> str:
    ordered = list(names)
    return one_line(", ".join(ordered[:8]) + (", ..." if len(ordered) > 8 else ""), 200)
