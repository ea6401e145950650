"""What a run left behind, normalised: numbers and names as they are, times and places taken out.

A picture has two parts. ``content`` is what must not change. ``words`` are messages for people (notes,
errors, reasons, sentences on stdout), by where they stand; rewording them is allowed, and only reported.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

#: clocks, and the machine: never the same twice. That there is none (null) is kept.
CLOCKS = frozenset(
    {
        *("latency_s", "queue_s", "batch_s", "first_token_s", "latency_p50_s", "questions_per_s"),
        *("duration_s", "started", "command", "versions", "machine", "llm_latency_s"),
    }
)
#: lists of questions that are in the order in which xdist's workers happened to report them
ARRIVING = frozenset({"fixed_questions", "broken_questions"})
#: free text for people
WORDS = frozenset({"notes", "error", "reason", "differences"})

_UNIT = r"(?:ms|s|min|h|seconds)"
_TIME = re.compile(rf"(?<![\w.,])[\d,]+(?:\.\d+)? {_UNIT}(?: \d+ {_UNIT})?(?!\w)")
_TOOK = re.compile(r"\bin \d+\.\d+s(?: \([\d:]+\))?")
_SPEED = re.compile(r"[\d.,]+ (?:questions/s|q/s|s/q|s (?:a|per) question)|<time> (?:a|per) question")
_DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_SIZE = re.compile(r"\b[\d.]+ [kM]B\b")
_STAMP = re.compile(r"\b\d{8}-\d{6}\b")
_URL = re.compile(r"http:\u200b?//(?:127\.0\.0\.1|localhost):\d+")
_BAR = re.compile(r"\s*[▏▎▍▌▋▊▉█]+\s*$")
_NAMES = re.compile(r" \([^()]*(?:::|\w/\w+/)[^()]*\)$")
_ERRORS = re.compile(r"(?:- )?\d+ × ")
_RULE = re.compile(r"=+ ?(.*?) ?=+")
_CELLS = re.compile(r"\s{2,}")


class Places:
    """Folders that differ between two recordings, and what stands for them in a picture."""

    def __init__(self, names: Mapping[Path, str], relative: Mapping[str, str] | None = None) -> None:
        pairs = {str(path.resolve()): name for path, name in names.items()}
        pairs |= {str(path.absolute()): name for path, name in names.items()}
        pairs |= relative or {}
        self._pairs = sorted(pairs.items(), key=lambda pair: -len(pair[0]))

    def text(self, text: str) -> str:
        """``text`` without folders, ports, times and dates of runs."""
        for path, name in self._pairs:
            text = text.replace(path, name)
        text = _URL.sub("http://<server>", text)
        return _STAMP.sub("<stamp>", text)

    def words(self, text: str) -> str:
        """A sentence for people, also without times and speeds."""
        text = _TIME.sub("<time>", _TOOK.sub("in <time>", self.text(text)))
        text = _SIZE.sub("<size>", _DATE.sub("<date>", _SPEED.sub("<speed>", text)))
        return _CELLS.sub("  ", _BAR.sub("", text)).rstrip()  # the width of columns hangs on times


class Picture:
    """The picture of one scenario, step by step."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.content: dict[str, Any] = {}
        self.words: dict[str, Any] = {}

    def value(self, value: Any, path: str, *, xdist: bool = False, key: str = "") -> Any:
        """A JSON value without clocks and places; its free texts go into ``words``."""
        if key in CLOCKS:
            return None if value is None else "<clock>"
        if xdist and key in ARRIVING:
            value = sorted(value, key=json.dumps)
        if key in WORDS and isinstance(value, (str, list)):
            texts = value if isinstance(value, list) else [value]
            if texts:
                self.words[path] = [self.places.words(str(text)) for text in texts]
            return f"<{len(texts)} texts>" if isinstance(value, list) else "<text>"
        if isinstance(value, dict):
            return {
                self.places.text(name): self.value(one, f"{path}.{name}", xdist=xdist, key=name)
                for name, one in value.items()
            }
        if isinstance(value, list):
            return [self.value(one, f"{path}[{at}]", xdist=xdist) for at, one in enumerate(value)]
        return self.places.text(value) if isinstance(value, str) else value

    def run(self, step: str, folder: Path, xdist: bool = False) -> dict[str, Any]:
        """All of a run's folder."""
        found: dict[str, Any] = {
            "folder": self.places.text(folder.name),
            "files": sorted(
                self.places.text(str(path.relative_to(folder)))
                for path in folder.rglob("*")
                if path.is_file()
            ),
        }
        for name, read in (("results.json", _json), ("questions.jsonl", _rows), ("summary.csv", _csv)):
            if (folder / name).is_file():
                found[name] = self.value(read(folder / name), f"{step}/{name}", xdist=xdist)
        if (folder / "summary.md").is_file():
            lines = (folder / "summary.md").read_text("utf-8").splitlines()
            found["summary.md"] = [
                [_cell(self.places, cell) for cell in line.strip("| ").split("|")]
                for line in lines
                if line.startswith("|") and not line.startswith("| ---")
            ]
            said = [self.places.words(line) for line in lines if line and not line.startswith("|")]
            self.words[f"{step}/summary.md"] = _ordered(said, xdist)
        for path in sorted(folder.glob("submission*.json")):
            found[path.name] = _json(path)
        return found

    def terminal(self, step: str, stdout: str, stderr: str, xdist: bool) -> dict[str, Any]:
        """The rows of tables, and how many lines say ERROR; the sentences go into ``words``."""
        section, sentences = "", []
        rows: list[list[str]] = []
        for line in stdout.splitlines():
            if rule := _RULE.fullmatch(line.strip()):
                section = rule[1]
                if re.search(r"\bin \d", section):  # the last line, with the counts of outcomes
                    sentences.append(self.places.words(section))
            elif section == "llmeval":
                cells = _CELLS.split(_BAR.sub("", line).strip())
                if sum(any(map(str.isdigit, cell)) for cell in cells[1:]) > 1:
                    rows.append([_cell(self.places, cell) for cell in cells])
                elif line.strip():
                    sentences.append(self.places.words(line))
            elif line.startswith("llmeval:"):
                sentences.append(self.places.words(line))
        errors = [line for line in (stdout + stderr).splitlines() if line.startswith("ERROR")]
        sentences += [self.places.words(line) for line in errors]
        sentences += [
            "usage: " + self.places.words(line) for line in stderr.splitlines() if "error: " in line
        ]
        self.words[f"{step}/terminal"] = _ordered(sentences, xdist)
        said_once = sum(line.startswith("ERROR: ") for line in errors)
        return {"tables": rows, "error_lines": said_once, "traceback": "Traceback (most" in stdout + stderr}

    def junit(self, path: Path, step: str) -> list[Any]:
        """The test cases of a JUnit file with their properties."""
        cases = []
        for case in ElementTree.parse(path).iter("testcase"):
            properties = {one.get("name", ""): one.get("value", "") for one in case.iter("property")}
            cases.append(
                {
                    "class": case.get("classname"),
                    "name": case.get("name"),
                    "ends": [one.tag for one in case if one.tag not in ("properties", "system-out")],
                    "properties": self.value(properties, f"{step}/{case.get('name')}"),
                }
            )
        return sorted(cases, key=json.dumps)


def _ordered(sentences: list[str], xdist: bool) -> list[str]:
    """Sentences name the first few of some questions, and with xdist these are the first to arrive.

    So with xdist such names are left out (all of them are in results.json and questions.jsonl), and kinds of
    errors, which come in the order of their first question, are sorted.
    """
    if not xdist:
        return sentences
    named = [line for line in sentences if not line.startswith("  ") or "::" not in line]
    lines = [_NAMES.sub(" (<questions>)", line) for line in named]
    kinds = iter(sorted(line for line in lines if _ERRORS.match(line)))
    return [next(kinds) if _ERRORS.match(line) else line for line in lines]


def _cell(places: Places, cell: str) -> str:
    return places.words(cell.strip())


def _json(path: Path) -> Any:
    return json.loads(path.read_text("utf-8"))


def _rows(path: Path) -> dict[str, Any]:
    """The lines of questions.jsonl by id, model and repeat, and the order they are in."""
    rows = {}
    for line in path.read_text("utf-8").splitlines():
        row = json.loads(line)
        key = f"{row['id']} {row['model']} {row.get('repeat', 0)}"
        rows[f"{key} (again)" if key in rows else key] = row
    return {"order": list(rows), "rows": rows}


def _csv(path: Path) -> dict[str, Any]:
    reader = csv.DictReader(io.StringIO(path.read_text("utf-8")))
    rows = [{name: _number(name, text) for name, text in row.items()} for row in reader]
    return {"columns": reader.fieldnames, "rows": rows}


def _number(name: str, text: str) -> Any:
    """A CSV cell as a number where it is one, so that it is compared with a tolerance."""
    if not text:
        return None
    try:
        return float(text) if name not in ("name", "name_en", "name_zh", "model", "benchmark") else text
    except ValueError:
        return text


def differences(before: Any, after: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """(path, before, after) of each value that differs; floats may do so by 1e-4, relative or absolute."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in dict.fromkeys([*before, *after]):
            here = f"{path}.{key}" if path else str(key)
            if key not in before or key not in after:
                yield here, before.get(key, "(missing)"), after.get(key, "(missing)")
            else:
                yield from differences(before[key], after[key], here)
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{path}.length", len(before), len(after)
        for at, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(one, other, f"{path}[{at}]")
    elif isinstance(before, float) and isinstance(after, float):
        if not math.isclose(before, after, rel_tol=1e-4, abs_tol=1e-4):
            yield path, before, after
    elif type(before) is not type(after) or before != after:
        yield path, before, after
