"""The same questions for both harnesses: tasks for lm-eval 0.4.13, and MMLU as a benchmark folder for ours.

All is written at run time into a folder of the caller's; nothing of the data is part of the project.
In logprob mode a task includes lm-eval's own yaml of the subject, so that prompts are lm-eval's and
not our copy of them. In generate mode it asks with our templates, as chat turns.
"""

from __future__ import annotations

import csv
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
LABELS = "ABCD"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a benchmark's questions are, below the data folder and in lm-eval's package."""

    file: str
    split: str
    yaml: str
    header: bool = True

    def path(self, data_dir: Path, split: str, subject: str) -> Path:
        """The file of one subject."""
        return data_dir / self.file.format(split=split, subject=subject)


SOURCES: Mapping[str, Source] = {
    "ceval": Source(
        "ceval/formal_ceval/{split}/{subject}_{split}.csv", "val", "ceval/ceval-valid_{subject}.yaml"
    ),
    "cmmlu": Source("cmmlu/{split}/{subject}.csv", "test", "cmmlu/cmmlu_{subject}.yaml"),
    "mmlu": Source(
        "mmlu/{split}/{subject}_{split}.csv", "test", "mmlu/default/mmlu_{subject}.yaml", header=False
    ),
}


def subjects(task: str, data_dir: Path) -> list[str]:
    """The subjects of which ``data_dir`` has both questions and shots, by name."""
    source = SOURCES[task]
    pattern = source.path(data_dir, source.split, "*")
    ending = pattern.name.removeprefix("*")
    found = sorted(path.name.removesuffix(ending) for path in pattern.parent.glob(pattern.name))
    return [subject for subject in found if source.path(data_dir, "dev", subject).is_file()]


def write_tasks(
    task: str, mode: str, names: Sequence[str], data_dir: Path, folder: Path, package: Path, max_tokens: int
) -> list[str]:
    """Write an lm-eval task for each subject; returns the tasks' names.

    ``package`` is where lm-eval is installed. Each row carries our question's id in ``llmeval_id``.
    """
    source = SOURCES[task]
    tasks = []
    for subject in names:
        files = {}
        for split in (source.split, "dev"):
            rows = _rows(task, data_dir, split, subject)
            files[split] = str(folder / f"{task}-{subject}-{split}.jsonl")
            docs = [_doc(task, mode, subject, row) for row in rows]
            Path(files[split]).write_text(_lines(docs), "utf-8")
        config: dict[str, Any] = {
            "task": f"llmeval_{mode}_{task}_{subject}",
            # json and not csv: the csv loader would read "1.0", "None" or "NA" as something else than text
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": files},
        }
        if mode == "logprob":
            config["include"] = str(package / "tasks" / source.yaml.format(subject=subject))
        else:
            config |= _chat_task(task, source.split, max_tokens)
        # JSON is YAML
        (folder / f"{config['task']}.yaml").write_text(json.dumps(config, ensure_ascii=False), "utf-8")
        tasks.append(config["task"])
    return tasks


def _chat_task(task: str, split: str, max_tokens: int) -> dict[str, Any]:
    templates = _toml(task)["prompts"]["generate"]
    return {
        "test_split": split,
        "fewshot_split": "dev",
        "fewshot_config": {"sampler": "first_n"},
        "output_type": "generate_until",
        "doc_to_text": templates["user"],
        "doc_to_target": templates["assistant"],
        # without "until" lm-eval would stop at a blank line
        "generation_kwargs": {"max_gen_toks": max_tokens, "do_sample": False, "until": []},
        "metric_list": [{"metric": "bypass"}],
    }


def write_mmlu(folder: Path, names: Sequence[str], data_dir: Path) -> Path:
    """MMLU as a benchmark folder of ours, asked as lm-eval's tasks/mmlu does; returns the folder."""
    # literal strings: templates hold line breaks as they are
    toml = [
        'name = "mmlu"\nsplit = "test"\nsplits = ["test", "dev"]\nshots = 5\nshots_split = "dev"',
        '[data]\nformat = "jsonl"\nid = "id"\nids = "number"\nanswer = "letter"',
        '[prompts.logprob]\nanswer = " {{ answer }}"\nchoice = " {{ label }}"\nseparator = "\\n\\n"',
        'description = "The following are multiple choice questions (with answers) about '
        '{{ subject_name }}.\\n\\n"',
        'question = """\n{{ question | trim }}\n'
        + "".join(f"{label}. {{{{ {label} }}}}\n" for label in LABELS)
        + 'Answer:"""',
        "[subjects]",
        *(f'{subject} = {{ name = "{subject.replace("_", " ")}" }}' for subject in names),
    ]
    for split in ("test", "dev"):
        place = folder / "data" / split
        place.mkdir(parents=True, exist_ok=True)
        for subject in names:
            rows = _rows("mmlu", data_dir, split, subject)
            (place / f"{subject}.jsonl").write_text(_lines(rows), "utf-8")
    (folder / "benchmark.toml").write_text("\n".join(toml) + "\n", "utf-8")
    return folder


def _rows(task: str, data_dir: Path, split: str, subject: str) -> list[dict[str, str]]:
    """A file's rows: id, question, A, B, C, D and the answer's letter, all as they are written there."""
    source = SOURCES[task]
    with source.path(data_dir, split, subject).open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    lines = lines[1:] if source.header else [[str(number), *line] for number, line in enumerate(lines)]
    # C-Eval's dev rows have an explanation after these
    return [dict(zip(("id", "question", *LABELS, "letter"), line, strict=False)) for line in lines]


def _doc(task: str, mode: str, subject: str, row: Mapping[str, str]) -> dict[str, Any]:
    """A row under the names that lm-eval's yaml, or our templates in generate mode, know."""
    doc: dict[str, Any] = {**row, "llmeval_id": f"{task}/{subject}/{row['id']}", "answer": row["letter"]}
    if mode == "generate":
        doc["subject_zh"] = _toml(task)["subjects"][subject]["zh"]
    elif task == "cmmlu":
        doc |= {"Question": row["question"], "Answer": row["letter"]}
    elif task == "mmlu":
        doc |= {"choices": [row[label] for label in LABELS], "answer": LABELS.index(row["letter"])}
    return doc


def _toml(task: str) -> dict[str, Any]:
    return tomllib.loads((BENCHMARKS / task / "benchmark.toml").read_text("utf-8"))


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
