"""Does the package still behave as it did? Record two trees, and compare the recordings.

    python golden.py record FOLDER [--tree TREE] [--only NAME...] [--jobs N] [--data-dir DIR]
    python golden.py compare FOLDER_A FOLDER_B
    python golden.py stores FOLDER [--tree TREE]

``record`` runs every scenario of scenarios.py as ``python -m pytest`` with the package of TREE, in a folder
of its own below FOLDER/work, and leaves a normalised picture of it in FOLDER/NAME.json. ``compare`` prints
each difference as one line and exits with 1 if there is any. ``stores`` runs the scenarios whose answers were
kept in FOLDER/stores again with another tree: each answer must come from that store, and no request may be
sent.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from picture import differences
from scenarios import SCENARIOS, STORED, Skipped
from work import Work

_HERE = Path(__file__).resolve().parent
#: what differs between an answer and the same answer read from the store
_FROM_STORE = frozenset(
    {"cached", "attempts", "latency_s", "queue_s", "batch_s", "first_token_s", "shared_tokens"}
)


def default_tree() -> Path:
    """The repository that holds this script, else the current folder."""
    for folder in _HERE.parents:
        if (folder / "pytest_llmeval").is_dir():
            return folder
    return Path.cwd()


def default_data(tree: Path) -> Path:
    """Real benchmark data: never part of the project, so not on every machine."""
    return Path(os.environ.get("LLMEVAL_TEST_DATA", tree.parent / "shared/data"))


def record(
    folder: Path, tree: Path, data: Path, only: Sequence[str], jobs: int, unpacked: Path | None
) -> int:
    """Run the scenarios and write their pictures; 1 if one of them could not be run."""
    if unknown := set(only) - set(SCENARIOS):
        raise SystemExit(f"no such scenario: {', '.join(sorted(unknown))}; there are {', '.join(SCENARIOS)}")
    folder.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        names = [name for name in SCENARIOS if not only or name in only]
        fine = list(pool.map(lambda name: _record_one(folder, tree, data, name, unpacked), names))
    print(f"{len(names)} scenarios in {time.monotonic() - began:.0f} s", flush=True)
    return 0 if all(fine) else 1


def _record_one(folder: Path, tree: Path, data: Path, name: str, unpacked: Path | None) -> bool:
    began = time.monotonic()
    target = folder / f"{name}.json"
    target.unlink(missing_ok=True)
    try:
        with Work(folder / "work" / name, tree, data, unpacked=unpacked) as work:
            SCENARIOS[name](work)
            content: dict[str, Any] = {"content": work.picture.content, "words": work.picture.words}
            if name in STORED:
                _keep_store(folder, name, work)
    except Skipped as why:
        content = {"skipped": str(why)}
        print(f"{name}: skipped, {why}", flush=True)
    except Exception as error:
        print(f"{name}: FAILED, {type(error).__name__}: {error}", flush=True)
        return False
    target.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    shutil.rmtree(folder / "work" / name / "cache/pytest-llmeval/models", ignore_errors=True)  # 0.5 GB
    print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    return True


def _keep_store(folder: Path, name: str, work: Work) -> None:
    """Copy a scenario's store, with the port that is part of its keys."""
    kept = folder / "stores" / name
    shutil.rmtree(kept, ignore_errors=True)
    kept.mkdir(parents=True)
    with sqlite3.connect(work.store) as source, sqlite3.connect(kept / work.store.name) as copy:
        source.backup(copy)
    (kept / "port.json").write_text(json.dumps(work.api.port))


def stores(folder: Path, tree: Path, data: Path) -> int:
    """Run the stored scenarios with another tree against the stores of ``folder``; 1 if anything is asked."""
    problems = 0
    for name in STORED:
        kept = folder / "stores" / name
        if not kept.is_dir():
            print(f"{name}: no store was recorded")
            problems += 1
            continue
        began = time.monotonic()
        port = json.loads((kept / "port.json").read_text())
        with Work(folder / "work" / f"{name}-from-store", tree, data, port=port) as work:
            work.store.parent.mkdir(parents=True)
            shutil.copy(kept / work.store.name, work.store)
            SCENARIOS[name](work)
            after = work.picture.content
        before = json.loads((folder / f"{name}.json").read_text("utf-8"))["content"]
        found = list(_not_stored(before, after, STORED[name]))
        problems += len(found)
        for line in found:
            print(f"{name}: {line}")
        print(f"{name}: {len(found)} problems, {time.monotonic() - began:.0f} s", flush=True)
    return 1 if problems else 0


def _not_stored(before: dict[str, Any], after: dict[str, Any], steps: Sequence[str]) -> Iterator[str]:
    """What was asked again, or came out of the store as something else."""
    for step in steps:
        one, other = before[step], after[step]
        if other.get("requests"):
            yield f"{step}: {other['requests']} requests were sent"
        if one["exit"] != other["exit"]:
            yield f"{step}: exit code {one['exit']} -> {other['exit']}"
        if "run" not in one or "run" not in other:
            yield f"{step}: there is no run"
            continue
        rows, again = (of["run"]["questions.jsonl"]["rows"] for of in (one, other))
        if rows.keys() != again.keys():
            yield f"{step}: other questions"
        for key in rows.keys() & again.keys():
            answers = [again[key], again[key].get("judgement"), *again[key].get("rotations", ())]
            if not all(answer["cached"] for answer in answers if answer):
                yield f"{step}: {key}: not from the store"
            for path, was, found in differences(_answers(rows[key]), _answers(again[key]), key):
                yield f"{step}: {path}: {was!r} -> {found!r}"


def _answers(row: Any) -> Any:
    """A row without what a stored answer does not have."""
    if isinstance(row, dict):
        return {key: _answers(value) for key, value in row.items() if key not in _FROM_STORE}
    return [_answers(one) for one in row] if isinstance(row, list) else row


def compare(before: Path, after: Path) -> int:
    """Print each difference between two recordings as a line; 1 if there is any but reworded messages."""
    names = sorted({path.stem for folder in (before, after) for path in folder.glob("*.json")})
    if not names:
        raise SystemExit(f"no recordings in {before} and {after}")
    found = reworded = compared = 0
    for name in names:
        pictures = [folder / f"{name}.json" for folder in (before, after)]
        if missing := [path for path in pictures if not path.is_file()]:
            print(f"{name}: {missing[0]} is missing")
            found += 1
            continue
        one, other = (json.loads(path.read_text("utf-8")) for path in pictures)
        if "skipped" in one or "skipped" in other:
            print(f"{name}: not compared, skipped: {one.get('skipped') or other.get('skipped')}")
            continue
        compared += 1
        for path, was, now in differences(one["content"], other["content"]):
            print(f"{name}: {path}: {_short(was)} -> {_short(now)}")
            found += 1
        for path, was, now in differences(one["words"], other["words"]):
            print(f"{name}: reworded: {path}: {_short(was)} -> {_short(now)}")
            reworded += 1
    print(f"{compared} scenarios compared: {found} differences, {reworded} reworded")
    return 1 if found else 0


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else f"{text[:300]}..."


def main() -> int:
    """Run a command; its exit code."""
    # started in the background by a shell this ignores SIGINT, and so would every run of pytest
    signal.signal(signal.SIGINT, signal.default_int_handler)
    parser = argparse.ArgumentParser(description="record what the package does, and compare recordings")
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record", help="run all scenarios and leave their pictures in a folder")
    storing = commands.add_parser(
        "stores", help="run stored scenarios again against the stores of a recording"
    )
    for command in (recording, storing):
        command.add_argument("folder", type=Path)
        command.add_argument("--tree", type=Path, default=default_tree(), help="repository to run")
        command.add_argument("--data-dir", type=Path, help="real data (default: ../shared/data of the tree)")
    recording.add_argument("--only", nargs="+", default=[], metavar="NAME", help="only these scenarios")
    recording.add_argument("--jobs", type=int, default=2, help="scenarios at once (default 2)")
    recording.add_argument(
        "--unpacked", type=Path, help="models folder of a cache that has the embedded model: saves a minute"
    )
    comparing = commands.add_parser("compare", help="print the differences between two recordings")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.command == "compare":
        return compare(given.before, given.after)
    folder, tree = given.folder.resolve(), given.tree.resolve()
    data = (given.data_dir or default_data(tree)).resolve()
    if given.command == "stores":
        return stores(folder, tree, data)
    return record(folder, tree, data, given.only, given.jobs, given.unpacked)


if __name__ == "__main__":
    sys.exit(main())
