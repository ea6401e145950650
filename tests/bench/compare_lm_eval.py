"""Speed of and agreement with lm-evaluation-harness: same model, questions and machine, in turn.

    python tests/bench/compare_lm_eval.py --lm-eval-python=LM_EVAL_VENV/bin/python --model=FOLDER \\
        --data-dir=../shared/data --task=cmmlu --subjects=college_mathematics,philosophy --out=speed.json

lm-eval needs a virtual environment of its own, named by --lm-eval-python:
``pip install lm-eval==0.4.13 accelerate`` with the torch and transformers of this one. Each
measurement is a whole process from start to exit, on the CPU in fp32; both write what they found,
and from that the answers are compared question by question. --task may name several benchmarks;
--rounds=1 is enough for agreement.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import lm_eval_tasks
from timed import REPOSITORY, timed

PACKAGES = ("torch", "transformers", "tokenizers")
_TURN = re.compile(r"(?:\A|\n\n)\[(system|user|assistant)\]\n")
# tqdm's line: 40/40 [01:07<00:00, or with hours 1:01:07<
_ELAPSED = re.compile(r"Running \w+ requests: 100%.*?\[([\d:]+)<")

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Timing:
    """One process. ``answering_per_s`` is as each harness itself counts, and not quite alike.

    Ours includes loading the model; lm-eval's progress bar, in whole seconds, starts after it (and in
    logprob mode after tokenising). So its ratio is unfavourable to us; the whole process' is not.
    """

    wall_s: float
    cpu_s: float
    peak_mb: float
    questions_per_s: float
    answering_per_s: float | None


def main() -> None:
    """Measure, print, and write --out."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="compare-lm-eval-") as temporary:
        work = (options.work_dir or Path(temporary)).resolve()
        found = {"settings": _settings(options), "machine": _machine(options), "tasks": {}}
        print(json.dumps(found["machine"], ensure_ascii=False))
        for task in options.task:
            found["tasks"][task] = Comparison(task, options, work / task).run()
    compared = sum(one["agreement"]["compared"] for one in found["tasks"].values())
    same = sum(one["agreement"]["same"] for one in found["tasks"].values())
    print(f"\n{same} of {compared} questions agree ({same / max(1, compared):.2%})")
    if options.out:
        options.out.write_text(json.dumps(found, ensure_ascii=False, indent=1) + "\n", "utf-8")


class Comparison:
    """Both harnesses on one benchmark."""

    def __init__(self, task: str, options: argparse.Namespace, work: Path) -> None:
        self._task = task
        self._options = options
        self._work = work
        work.mkdir(parents=True)
        there = lm_eval_tasks.subjects(task, options.data_dir)
        self._subjects = [name for name in options.subjects or there if name in there]
        if missing := set(options.subjects) - set(there):
            sys.exit(f"{task}: no data for {', '.join(sorted(missing))} in {options.data_dir}")
        (work / "tasks").mkdir()
        self._tasks = lm_eval_tasks.write_tasks(
            task,
            options.mode,
            self._subjects,
            options.data_dir,
            work / "tasks",
            _package(options.lm_eval_python),
            options.max_tokens,
        )

    def run(self) -> dict[str, Any]:
        """All rounds; the last one's answers are compared."""
        rounds = []
        ours: dict[str, Row] = {}
        theirs: dict[str, Row] = {}
        for number in range(1, self._options.rounds + 1):
            own, ours = self._ours(self._work / f"ours-{number}")
            other, theirs = self._lm_eval(self._work / f"lm-eval-{number}")
            rounds.append({"ours": asdict(own), "lm_eval": asdict(other)})
            for name, timing in (("ours", own), ("lm-eval", other)):
                print(f"{self._task} round {number} {name:8}{_shown(timing)}", flush=True)
        medians = {
            side: {
                key: statistics.median(values)
                for key in Timing.__slots__
                if None not in (values := [one[side][key] for one in rounds])
            }
            for side in ("ours", "lm_eval")
        }
        ratios = {
            key: medians["ours"][key] / medians["lm_eval"][key]
            for key in ("questions_per_s", "answering_per_s")
            if all(key in median for median in medians.values())
        }
        for key, ratio in ratios.items():
            own, other = medians["ours"][key], medians["lm_eval"][key]
            print(f"{self._task} median {key}: {own:.3f} / {other:.3f} = {ratio:.2f} times lm-eval")
        compare = _scores_agree if self._options.mode == "logprob" else _texts_agree
        agreement = {
            "requested": len(ours.keys() | theirs.keys()),
            **compare(ours, theirs),
            "tokens": _tokens_agree(ours, theirs, self._options.model),
        }
        print(f"{self._task} agreement: {json.dumps(agreement, ensure_ascii=False, indent=1)}", flush=True)
        return {"rounds": rounds, "median": medians, "ratio": ratios, "agreement": agreement}

    def _ours(self, folder: Path) -> tuple[Timing, dict[str, Row]]:
        options = self._options
        benchmark = self._task
        if benchmark == "mmlu":
            place = self._work / "mmlu"
            benchmark = str(lm_eval_tasks.write_mmlu(place, self._subjects, options.data_dir))
        command = [
            *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
            f"--llm-model=hf:{options.model}",
            f"--llm-benchmark={benchmark}",
            f"--llm-mode={options.mode}",
            f"--llm-shots={options.shots}",
            *([f"--llm-limit={options.limit}"] if options.limit else []),
            f"--llm-max-tokens={options.max_tokens}",
            *("--llm-device=cpu", "--llm-dtype=float32"),
            f"--llm-data-dir={options.data_dir}",
            f"--llm-report-dir={folder}",
            "--llm-run-name=run",
            # nothing answered from an earlier round
            "--llm-no-cache",
            *("-k", " or ".join(f"[{subject}-" for subject in self._subjects)),
            *options.ours_args,
        ]
        wall, cpu, peak = _timed(command, folder)
        with (folder / "run/questions.jsonl").open(encoding="utf-8") as file:
            rows = [json.loads(line) for line in file]
        (result,) = json.loads((folder / "run/results.json").read_text("utf-8"))["results"]
        return (
            Timing(wall, cpu, peak, len(rows) / wall, result["questions_per_s"]),
            {row["id"]: row for row in rows},
        )

    def _lm_eval(self, folder: Path) -> tuple[Timing, dict[str, Row]]:
        options = self._options
        command = [
            *(options.lm_eval_python, "-m", "lm_eval", "run", "--model", "hf"),
            *("--model_args", f"pretrained={options.model},dtype=float32", "--device", "cpu"),
            *("--batch_size", str(options.batch_size), "--num_fewshot", str(options.shots)),
            *("--tasks", ",".join(self._tasks), "--include_path", str(self._work / "tasks")),
            *("--output_path", str(folder / "run"), "--log_samples"),
            *(["--limit", str(options.limit)] if options.limit else []),
            *(["--apply_chat_template", "--fewshot_as_multiturn"] if options.mode == "generate" else []),
        ]
        wall, cpu, peak = _timed(command, folder)
        rows: dict[str, Row] = {}
        for path in sorted((folder / "run").rglob("samples_*.jsonl")):
            with path.open(encoding="utf-8") as file:
                for row in map(json.loads, file):
                    rows[row["doc"]["llmeval_id"]] = row
        passed = _ELAPSED.findall((folder / "output.txt").read_text("utf-8", "replace"))
        seconds = sum(
            int(part) * 60**place
            for clock in passed[-1:]
            for place, part in enumerate(reversed(clock.split(":")))
        )
        return Timing(wall, cpu, peak, len(rows) / wall, len(rows) / seconds if seconds else None), rows


def _timed(command: Sequence[str], folder: Path) -> tuple[float, float, float]:
    """Run it to its end: wall seconds, CPU seconds, peak memory in MB."""
    home = str(folder.parent / "hf-home")
    env = {
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": home,
        "HF_DATASETS_CACHE": f"{home}/datasets",
        "TOKENIZERS_PARALLELISM": "false",
    }
    cost = timed(command, folder, env)
    return cost.wall_s, cost.cpu_s, cost.peak_mb


def turns(prompt: str) -> list[dict[str, str]]:
    """The chat turns of a recorded prompt; none for plain text."""
    parts = _TURN.split(prompt)
    return [
        {"role": role, "content": content} for role, content in zip(parts[1::2], parts[2::2], strict=True)
    ]


def _scores_agree(ours: Mapping[str, Row], theirs: Mapping[str, Row]) -> dict[str, Any]:
    """Choices and log-probabilities, question by question."""
    compared, largest, differences = 0, 0.0, []
    for id in sorted(ours.keys() & theirs.keys()):
        own = ours[id]["scores"]
        if not own:
            continue
        other = {
            label: float(answer[0])
            for label, answer in zip(lm_eval_tasks.LABELS, theirs[id]["filtered_resps"], strict=True)
        }
        compared += 1
        apart = max(abs(own[label] - other[label]) for label in other)
        largest = max(largest, apart)
        if max(own, key=own.__getitem__) != max(other, key=other.__getitem__):
            best = sorted(other.values())
            differences.append(
                {"id": id, "ours": own, "lm_eval": other, "apart": apart, "lead": best[-1] - best[-2]}
            )
    same = compared - len(differences)
    return {
        "compared": compared,
        "same": same,
        "share": same / max(1, compared),
        "largest_score_difference": largest,
        "differences": differences,
    }


def _texts_agree(ours: Mapping[str, Row], theirs: Mapping[str, Row]) -> dict[str, Any]:
    """Texts, question by question; ``at`` is the first character that differs."""
    compared, differences = 0, []
    for id in sorted(ours.keys() & theirs.keys()):
        if ours[id]["error"]:
            continue
        compared += 1
        own, other = ours[id]["text"], theirs[id]["filtered_resps"][0]
        if own != other:
            alike = (mine == its for mine, its in zip(own, other, strict=False))
            at = next((place for place, equal in enumerate(alike) if not equal), min(len(own), len(other)))
            differences.append({"id": id, "at": at, "ours": own, "lm_eval": other})
    same = compared - len(differences)
    return {"compared": compared, "same": same, "share": same / max(1, compared), "differences": differences}


def _tokens_agree(ours: Mapping[str, Row], theirs: Mapping[str, Row], model: str) -> dict[str, Any]:
    """Whether both read the same token ids, and as many as our record says.

    Ours are made anew from the recorded prompt, lm-eval's from its logged string, each as its
    harness does it.
    """
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(model)
    first = tokenizer.bos_token or tokenizer.eos_token
    same, total, differences = 0, 0, []
    both = sorted(ours.keys() & theirs.keys())
    for id in both:
        row, text = ours[id], theirs[id]["arguments"]["gen_args_0"]["arg_0"]
        messages = turns(row["prompt"])
        if messages:
            own = tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=True, return_dict=False
            )
        else:
            own = tokenizer.encode(row["prompt"])
        other = tokenizer.encode(text, add_special_tokens=not (first and text.startswith(first)))
        total += len(other)
        if own == other and row["prompt_tokens"] in (None, len(other)):
            same += 1
        else:
            counts = {"recorded": row["prompt_tokens"], "ours": len(own), "lm_eval": len(other)}
            differences.append({"id": id, **counts, "prompt": row["prompt"], "lm_eval_prompt": text})
    return {"same": same, "of": len(both), "mean": total / max(1, len(both)), "differences": differences[:5]}


def _shown(timing: Timing) -> str:
    answering = "" if timing.answering_per_s is None else f", answering {timing.answering_per_s:.3f}/s"
    return (
        f"{timing.wall_s:8.1f} s  {timing.questions_per_s:7.3f} questions/s{answering}, "
        f"CPU {timing.cpu_s:.0f} s, peak {timing.peak_mb:.0f} MB"
    )


def _package(python: str) -> Path:
    """Where that python has lm_eval."""
    code = "import importlib.util as u; print(u.find_spec('lm_eval').submodule_search_locations[0])"
    return Path(
        subprocess.run([python, "-c", code], check=True, capture_output=True, text=True).stdout.strip()
    )


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    return {
        key: str(value) if isinstance(value, Path) else value for key, value in sorted(vars(options).items())
    }


def _machine(options: argparse.Namespace) -> dict[str, Any]:
    names = (*PACKAGES, "lm-eval", "datasets", "accelerate")
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {names}}}))"
    theirs = subprocess.run(
        [options.lm_eval_python, "-c", code], check=True, capture_output=True, text=True
    ).stdout
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=REPOSITORY, capture_output=True, text=True
    ).stdout.strip()
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    return {
        "cpu": cpu[1] if cpu else "",
        "cores": len(os.sched_getaffinity(0)),
        "python": sys.version.split()[0],
        "ours": {"commit": commit, **{name: version(name) for name in PACKAGES}},
        "lm_eval": json.loads(theirs),
    }


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    add = parser.add_argument
    add("--lm-eval-python", required=True, metavar="PATH", help="python of the environment with lm-eval")
    add("--model", required=True, help="model folder, for both")
    add("--data-dir", required=True, type=lambda path: Path(path).resolve(), help="folder with ceval/, ...")
    add("--task", type=_names, default=["cmmlu"], help="ceval, cmmlu, mmlu; several with commas")
    add("--subjects", type=_names, default=[], help="subjects, with commas (default: all)")
    add("--mode", choices=("logprob", "generate"), default="logprob")
    add("--shots", type=int, default=5)
    add("--limit", type=int, help="questions of each subject (default: all)")
    add("--max-tokens", type=int, default=32, help="most tokens of an answer in generate mode")
    add("--batch-size", type=int, default=16, help="lm-eval's batch size")
    add("--rounds", type=int, default=3)
    add("--ours-args", type=str.split, default=[], help="more options for our side, in one text")
    add("--work-dir", type=Path, help="new folder that keeps what both wrote (default: a temporary one)")
    add("--out", type=Path, metavar="FILE.json", help="all figures")
    options = parser.parse_args()
    if unknown := set(options.task) - set(lm_eval_tasks.SOURCES):
        parser.error(f"--task: {', '.join(sorted(unknown))}: not among {', '.join(lm_eval_tasks.SOURCES)}")
    if options.mode == "generate" and "mmlu" in options.task:
        parser.error("--task=mmlu has no generate prompts here")
    options.model = str(Path(options.model).resolve())
    options.lm_eval_python = os.path.abspath(os.path.expanduser(options.lm_eval_python))
    return options


if __name__ == "__main__":
    main()
