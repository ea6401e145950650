"""All options of a session. ``Settings`` declares them; ``OPTIONS`` lists them for the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pytest_llmeval.config.benchmark_suites import BenchmarkSuite
from pytest_llmeval.config.declare import option, options_of, parameters_of
from pytest_llmeval.config.kinds import (
    COUNT,
    DROPS,
    FLAG,
    FOLDER,
    FOLDER_NAME,
    FOLDERS,
    LIMIT,
    MODE,
    PLOT_FOLDER,
    POLICY,
    POSITIVE,
    SVG_FILE,
    TEXT,
    TEXTS,
    Limit,
    matching,
    one_of,
)
from pytest_llmeval.config.models import JudgeConfig, ModelConfig
from pytest_llmeval.core.types import Mode, Policy

FILE_NAME = "llmeval.toml"
SANDBOXES = ("auto", "bubblewrap", "docker", "podman", "own")
IMAGE = matching(re.compile(r"[A-Za-z0-9][\w./:@-]*"), "the name of a container image")


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of a session; ``resolve`` makes them.

    ``specs`` are the model specs, one for each of ``models``. ``badge`` and ``plot`` are None for no badge
    or charts, and "" for their default place in the run's folder. ``resolve`` computes ``named`` and the
    fields after it: ``benchmarks`` has those of ``suites``, ``named`` only what the user named.
    """

    specs: tuple[str, ...] = option(
        (),
        TEXTS,
        "model to evaluate (repeatable): a name from [models.NAME]; hf:PATH_OR_ID; openai:NAME; "
        "serve:PRESET:PATH; smollm2 (embedded); echo (always answers with the first choice)",
        metavar="SPEC",
        key="model",
        plural="models",
    )
    benchmarks: tuple[str, ...] = option(
        (),
        TEXTS,
        "benchmark to run (repeatable): a packaged one; your own folder or file of questions (csv, jsonl, "
        "parquet); lm-eval:TASK for a task or group of lm-evaluation-harness; suite:NAME for several. "
        "NAME@VARIANT asks in another way, NAME:PART a group or subject",
        metavar="NAME_OR_PATH",
        key="benchmark",
        plural="benchmarks",
    )
    judge_spec: str | None = option(
        None,
        TEXT,
        "model that judges answers for benchmarks with metric judge: a SPEC as for --llm-model "
        "(set its parameters in [judge] of llmeval.toml)",
        metavar="SPEC",
        key="judge",
    )
    judge_labels: str | None = option(
        None,
        TEXT,
        "measure how well the judge (or the given models) agrees with human labels: a file or folder with "
        "the columns question, response, label",
        metavar="FILE",
    )
    lm_eval_path: tuple[Path, ...] = option(
        (),
        FOLDERS,
        "folder with additional YAML tasks for lm-eval:TASK (repeatable; lm-eval's --include_path)",
        metavar="DIR",
    )
    lm_eval_chat: bool = option(
        False,
        FLAG,
        "ask tasks of lm-evaluation-harness as chat turns, each shot a turn (lm-eval's --apply_chat_template "
        "--fewshot_as_multiturn)",
    )
    run: str | None = option(
        None, TEXT, "use the settings of [runs.NAME] in llmeval.toml", metavar="NAME", in_file=False
    )
    mode: Mode = option(
        "generate",
        MODE,
        "generate (let the model write, then extract the answer; default) or logprob (score the choices)",
        metavar="MODE",
    )
    metric: str | None = option(
        None,
        TEXT,
        "metric for files of questions, such as exact, contains, number or judge (default: inferred from the "
        "gold answers); a benchmark.toml sets its own",
        metavar="NAME",
    )
    shots: int | None = option(
        None, COUNT, "number of few-shot examples (default: set by the benchmark)", metavar="N"
    )
    split: str | None = option(
        None, TEXT, "split of the benchmark to use (default: set by the benchmark)", metavar="NAME"
    )
    limit: Limit | None = option(
        None, LIMIT, "questions per subject: a count (5) or a slice (10:20)", metavar="N"
    )
    seed: int | None = option(
        None, COUNT, "with --llm-limit=N: sample N questions with this seed, not the first N", metavar="N"
    )
    repeats: int | None = option(
        None,
        POSITIVE,
        "ask each question N times; reports the mean, pass@k, the majority vote and unstable questions "
        "(default: set by the benchmark)",
        metavar="N",
    )
    circular: bool = option(
        False,
        FLAG,
        "ask each question once per rotation of its choices; it is correct if all rotations are "
        "(CircularEval)",
    )
    shuffle_choices: int | None = option(
        None, COUNT, "shuffle the choices of each question with this seed", metavar="SEED"
    )
    models: tuple[ModelConfig, ...] = parameters_of(ModelConfig)
    data_dir: Path | None = option(
        None,
        FOLDER,
        "folder with benchmark data (default: the environment variable LLMEVAL_DATA)",
        metavar="DIR",
    )
    cache_dir: Path = option(
        Path(),
        FOLDER,
        "folder for stored answers, downloaded data and the unpacked embedded model "
        "(default: ~/.cache/pytest-llmeval)",
        metavar="DIR",
    )
    no_cache: bool = option(False, FLAG, "do not read or write stored answers")
    replay: str | None = option(
        None,
        TEXT,
        "score answers again, without a model: an earlier run's folder or name, latest, or a JSONL file of "
        "id and text",
        metavar="RUN",
    )
    refresh: bool = option(False, FLAG, "ignore stored answers and replace them with new ones")
    fail_under: tuple[str, ...] = option(
        (),
        TEXTS,
        "fail (exit code 1) if accuracy is below this (repeatable): 0.55, ceval=0.55, ceval:stem=0.4; "
        "append @95%% to require it of the lower bound of the 95%% interval",
        metavar="EXPR",
    )
    baseline: str | None = option(
        None,
        TEXT,
        "earlier run to compare with: its folder, results.json, name, or latest (RUN::MODEL for one of its "
        "models); none ignores the baseline in llmeval.toml",
        metavar="RUN",
    )
    baseline_force: bool = option(
        False, FLAG, "compare with the baseline even if the questions were asked differently"
    )
    max_drop: tuple[str, ...] = option(
        (),
        DROPS,
        "fail if accuracy drops more than this below the baseline (repeatable): 0.02, ceval=0.02",
        metavar="EXPR",
    )
    inconclusive: Policy = option(
        "pass",
        POLICY,
        "result of a gate with too few questions to decide: pass (default, with a warning) or fail",
        metavar="WHAT",
    )
    gate_partial: bool = option(
        False, FLAG, "apply gates even if -k or --llm-limit selects only some of the questions"
    )
    strict: bool = option(False, FLAG, "report wrong and unparsed answers as test failures")
    allow_errors: int = option(
        0,
        COUNT,
        "count the run as complete with up to N questions that have an error, in whatever repeat",
        metavar="N",
    )
    allow_code: bool = option(
        False,
        FLAG,
        "run programs written by the model against their tests, in a sandbox without network (docs/code.md)",
    )
    sandbox: str = option(
        "auto",
        one_of(SANDBOXES),
        "where programs run: bubblewrap, docker, podman or own; auto (default) is bubblewrap where it works, "
        "otherwise own",
        metavar="NAME",
    )
    sandbox_image: str | None = option(
        None,
        IMAGE,
        "image with Python 3 for --llm-sandbox=docker or podman, pulled before (default: python:X.Y-slim)",
        metavar="IMAGE",
    )
    report_dir: Path = option(
        Path("reports"), FOLDER, "folder for the run folders (default: reports)", metavar="DIR"
    )
    run_name: str | None = option(
        None, FOLDER_NAME, "name of this run's folder (default: time and model)", metavar="NAME"
    )
    badge: str | None = option(
        None,
        SVG_FILE,
        "write an SVG badge with the accuracy (default: badge.svg in the run's folder)",
        metavar="FILE",
        bare=True,
    )
    plot: str | None = option(
        None,
        PLOT_FOLDER,
        "write SVG charts for a paper or slides (default: plots/ in the run's folder)",
        metavar="DIR",
        bare=True,
    )
    questions_csv: bool = option(
        False, FLAG, "write questions.csv, a spreadsheet of all questions and answers, in the run's folder"
    )
    show_prompts: bool = option(
        False, FLAG, "print the prompts of the selected questions without sending them, and exit"
    )
    named: tuple[str, ...] = ()
    suites: tuple[BenchmarkSuite, ...] = ()
    judge: JudgeConfig | None = None
    file_gates: Mapping[str, float | str] = field(default_factory=dict)
    max_drop_from_file: bool = False
    config_file: str = FILE_NAME


#: every option of the command line, in the order of ``--help``
OPTIONS = tuple(option for option in options_of(Settings) if option.on_command_line)

#: the sections of ``--help``: title, and the key of the first option
SECTIONS = (
    ("what to ask", "model"),
    ("answers of the model", "max_tokens"),
    ("models behind an API", "base_url"),
    ("local weights", "device"),
    ("data and stored answers", "data_dir"),
    ("gates and failures", "fail_under"),
    ("reports", "report_dir"),
)
