"""Tasks of lm-evaluation-harness, run by itself and by this plugin with the same model: both numbers.

    pip install -e .[hf,lm-eval]
    python tests/bench/compare_lm_eval_tasks.py --model=FOLDER

The tasks are those of ``tests/support/lm_eval_tasks.py``, of every kind that is asked differently.
lm-evaluation-harness runs by ``lm_eval.simple_evaluate`` with its model ``hf``; both on the CPU.
Compared are the aggregated numbers with their standard errors, of groups too, and then the prompt and the
metrics of each single document. With --context both have the same small context, so that what is too long
must be cut the same way. Exits 1 where anything differs by more than --tolerance (of 1, or of a larger
number itself): both add up the same probabilities, but not in the same order. That the rest is rounding
is seen with --dtype=float64, where it all but vanishes.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
sys.path.insert(0, str(REPOSITORY))

from tests.support import lm_eval_packaged as packaged_tasks  # noqa: E402
from tests.support import lm_eval_tasks as harness_tasks  # noqa: E402

_DRAWS = 1000
_THEIRS = """
import json, sys
import lm_eval
from lm_eval.api.registry import get_model
from lm_eval.tasks import TaskManager
from pytest_llmeval.lm_eval.values import pack

asked = json.loads(sys.argv[1])
manager = TaskManager(include_path=asked["tasks"], include_defaults=False)
model = get_model("hf").create_from_arg_obj(asked["model"], {"batch_size": asked["batch"], "device": "cpu"})
found = {}
for name in asked["names"]:
    result = lm_eval.simple_evaluate(
        model=model, tasks=[name], task_manager=manager, bootstrap_iters=asked["draws"],
        num_fewshot=asked["shots"], limit=asked["limit"], apply_chat_template=asked["chat"],
        fewshot_as_multiturn=asked["chat"], system_instruction=asked["system"],
        gen_kwargs=None if asked["max_tokens"] is None else f"max_gen_toks={asked['max_tokens']}",
    )
    samples = {}
    for task, rows in result["samples"].items():
        for row in rows:
            metrics = {key: pack(row[key]) for key in row["metrics"]}
            of_document = samples.setdefault(task, {}).setdefault(str(row["doc_id"]), {})
            of_document[row["filter"]] = metrics
            of_document["prompts"] = list(dict.fromkeys(given[0] for given in row["arguments"]))
    numbers = {
        task: {key: float(value) for key, value in of.items() if "," in key and value != "N/A"}
        for task, of in result["results"].items()
    }
    found[name] = {"numbers": numbers, "samples": samples}
with open(asked["out"], "w") as file:
    json.dump(found, file)
"""


def main() -> None:
    """Run both, print, and exit with 1 where they differ."""
    options = _options()
    with tempfile.TemporaryDirectory(prefix="compare-lm-eval-tasks-") as temporary:
        work = (options.work_dir or Path(temporary)).resolve()
        kind = packaged_tasks if options.packaged else harness_tasks
        names = kind.write(work / "tasks")
        names = [name for name in names if name in (options.task or names)]
        theirs = _lm_eval(options, names, work)
        ours = _ours(options, names, work)
    worst = 0.0
    head = f"{'asked for':22}{'task or group':22}{'metric,filter':34}"
    print(f"{head}{'lm-eval':>14}{'ours':>14}{'differs by':>12}")
    for name in names:
        for task, key, their, our in _numbers(theirs[name]["numbers"], ours[name]["numbers"]):
            off = _off(their, our)
            worst = max(worst, off)
            mark = "" if off <= options.tolerance else "  <-- differs"
            print(f"{name:22}{task:22}{key:34}{_shown(their):>14}{_shown(our):>14}{off:12.1e}{mark}")
    documents = [
        (name, task, number, _off(their, our))
        for name in names
        for task, number, their, our in _documents(theirs[name]["samples"], ours[name]["samples"])
    ]
    differing = [one for one in documents if one[3] > options.tolerance]
    worst = max([worst, *(off for *_, off in documents)])
    same = len(documents) - len(differing)
    print(f"{same} of {len(documents)} documents have the same prompts and the same metrics")
    for name, task, number, off in differing:
        print(f"  {name} {task} {number}: differs by {off:.1e}")
    print(f"largest difference: {worst:.1e}")
    sys.exit(worst > options.tolerance)


def _lm_eval(options: argparse.Namespace, names: Sequence[str], work: Path) -> Any:
    model = {"pretrained": str(options.model), "dtype": options.dtype}
    if options.context:
        model["max_length"] = options.context
    out = work / "theirs.json"
    asked = {
        "tasks": str(work / "tasks"),
        "names": list(names),
        "model": model,
        "batch": options.batch_size,
        "draws": _DRAWS,
        "shots": options.shots,
        "limit": options.limit,
        "chat": options.chat,
        "system": options.system,
        "max_tokens": options.max_tokens,
        "out": str(out),
    }
    _run([sys.executable, "-c", _THEIRS, json.dumps(asked)], work)
    return json.loads(out.read_text("utf-8"))


def _ours(options: argparse.Namespace, names: Sequence[str], work: Path) -> dict[str, Any]:
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={work}"),
        f"--llm-model=hf:{options.model}",
        *(f"--llm-benchmark=lm-eval:{name}" for name in names),
        f"--llm-lm-eval-path={work / 'tasks'}",
        *("--llm-device=cpu", f"--llm-dtype={options.dtype}", "--llm-no-cache"),
        *(f"--llm-report-dir={work / 'reports'}", "--llm-run-name=run"),
        *([f"--llm-context={options.context}"] if options.context else []),
        *([] if options.shots is None else [f"--llm-shots={options.shots}"]),
        *([] if options.limit is None else [f"--llm-limit={options.limit}"]),
        *(["--llm-lm-eval-chat"] if options.chat else []),
        *([] if options.max_tokens is None else [f"--llm-max-tokens={options.max_tokens}"]),
        *([] if options.system is None else [f"--llm-system={options.system}"]),
        *options.ours_args,
    ]
    _run(command, work)
    folder = work / "reports/run"
    results = json.loads((folder / "results.json").read_text("utf-8"))["results"]
    found: dict[str, Any] = {}
    for result in results:
        told = result["lm_eval"]
        numbers = {
            name: {key: value for key, value in of.items() if "," in key and value is not None}
            for name, of in (told["tasks"] | told["groups"]).items()
        }
        found[result["benchmark"].removeprefix("lm-eval:")] = {"numbers": numbers, "samples": {}}
    for line in (folder / "questions.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        samples = found[row["benchmark"].removeprefix("lm-eval:")]["samples"]
        prompts = dict.fromkeys(part["prompt"] for part in row.get("parts", [row]))
        of_document = {**row.get("metrics", {}), "prompts": list(prompts)}
        samples.setdefault(row["subject"], {})[row["id"].rpartition("/")[2]] = of_document
    return found


def _run(command: Sequence[str], work: Path) -> None:
    """Run it without a network; what it says is shown where it fails."""
    env = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep),
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": str(work / "hf-home"),
        "TOKENIZERS_PARALLELISM": "false",
        "DISABLE_MULTIPROC": "1",
    }
    done = subprocess.run(command, cwd=work, env=env, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}\n{command[0]} ended with {done.returncode}")


def _numbers(
    theirs: Mapping[str, Any], ours: Mapping[str, Any]
) -> Iterator[tuple[str, str, float | None, float | None]]:
    for task in dict.fromkeys((*theirs, *ours)):
        their, our = theirs.get(task, {}), ours.get(task, {})
        for key in dict.fromkeys((*their, *our)):
            yield task, key, their.get(key), our.get(key)


def _documents(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> Iterator[tuple[str, str, Any, Any]]:
    for task in dict.fromkeys((*theirs, *ours)):
        their, our = theirs.get(task, {}), ours.get(task, {})
        for number in dict.fromkeys((*their, *our)):
            yield task, number, their.get(number), our.get(number)


def _off(one: Any, other: Any) -> float:
    """The largest difference of two values of the same shape; infinite where shapes or texts differ."""
    if isinstance(one, bool | int | float) and isinstance(other, bool | int | float):
        return abs(one - other) / max(1, abs(one), abs(other))
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        return max([_off(one[key], other[key]) for key in one], default=0.0)
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return max([_off(*pair) for pair in zip(one, other, strict=True)], default=0.0)
    return 0.0 if one == other else math.inf


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, help="folder of a saved model")
    parser.add_argument("--task", action="append", default=[], help="only these (default: all)")
    parser.add_argument(
        "--packaged",
        action="store_true",
        help="60 tasks of the library's own, with made-up rows in their layouts",
    )
    parser.add_argument("--context", type=int, help="most tokens of prompt and answer together")
    parser.add_argument("--shots", type=int, help="as many for all tasks")
    parser.add_argument("--limit", type=int, help="so many documents of each task")
    parser.add_argument("--chat", action="store_true", help="as chat turns, each shot a turn")
    parser.add_argument("--system", help="system instruction")
    parser.add_argument("--max-tokens", type=int, help="most tokens of each generated text")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--batch-size", type=int, default=1, help="lm-eval's")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--work-dir", type=Path, help="keep what was written here")
    parser.add_argument("ours_args", nargs="*", help="more arguments for pytest, after --")
    options = parser.parse_args()
    options.model = options.model.resolve()
    return options


if __name__ == "__main__":
    main()
