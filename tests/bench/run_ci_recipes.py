"""Run the steps of the workflow files in docs/ci.md, in order, as far as this goes without GitHub and GitLab.

    python tests/bench/run_ci_recipes.py DATA

``DATA`` holds C-Eval (``ceval/formal_ceval``). A made-up project is checked out anew for each job. ``pip
install`` runs as it is written, in a fresh environment, and finds this checkout's wheel; caches and artifacts
are folders; both models are a server on the loopback that gives the right answer to a share of the questions.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.support import ci_recipes as ci_recipes
from tests.support.api_server import Reply, Server, completion

ROOT = Path(__file__).parents[2]
KEYS = {"INTERNLM_API_KEY": "key", "DASHSCOPE_API_KEY": "key"}
TOML = "".join(
    f'[models.{name}]\nbackend = "openai"\nmodel = "{name}"\nbase_url = "URL"\napi_key_env = "{key}"\n'
    for name, key in zip(("puyu", "qwen"), KEYS, strict=True)
)


class Examinee(Server):
    """Right by ``skill``; ``worse`` is the share of questions that it lost since."""

    def __init__(self, data: Path) -> None:
        super().__init__(key="key")
        self.gold: dict[str, str] = {}
        self.skill = {"puyu": 0.8, "qwen": 0.6}
        self.worse = 0.0
        for path in (data / "ceval/formal_ceval/val").glob("*.csv"):
            with path.open(encoding="utf-8") as file:
                self.gold |= {_bare(row["question"]): row["answer"] for row in csv.DictReader(file)}

    def _reply(self, method: str, path: str, headers: Mapping[str, str], sent: bytes) -> Reply:
        found = super()._reply(method, path, headers, sent)
        if method != "POST" or found.status != 200:
            return found
        body = json.loads(sent)
        asked = _bare(body["messages"][-1]["content"].split("\n", 1)[1].rsplit("\nA. ", 1)[0])
        gold = self.gold[asked]
        draw = int.from_bytes(hashlib.sha256(asked.encode()).digest()[:4], "big") / 2**32
        right = self.worse <= draw < self.skill[body["model"]]
        return Reply(completion(gold if right else "ABCD"["ABCD".index(gold) - 1]))


def _bare(text: str) -> str:
    return "".join(text.split())


class Runner:
    """One machine on which jobs run after one another."""

    def __init__(self, work: Path, data: Path, url: str) -> None:
        self.work = work
        self.cache = work / "cache"
        self.project = work / "project"
        self.environment = {
            "PATH": f"{work}/venv/bin:/usr/bin:/bin",
            "HOME": str(work),
            "CI": "true",
            "LLMEVAL_DATA": str(data),
            "PIP_FIND_LINKS": str(work / "dist"),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "CI_PROJECT_DIR": str(work / "checkout"),
        }
        wheel = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(work / "dist"), str(ROOT)]
        subprocess.run(wheel, check=True)
        self.project.mkdir()
        (self.project / "llmeval.toml").write_text(TOML.replace("URL", url))
        self.commit()

    def commit(self) -> None:
        """Everything in the project is what a job checks out."""
        git = ("git", "-C", str(self.project), "-c", "user.name=n", "-c", "user.email=e@localhost")
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "project")):
            subprocess.run([*git, *words], check=True)

    def job(self, title: str, steps: list[dict[str, Any]], keys: Mapping[str, str] = KEYS) -> list[int]:
        """Run the steps; after one that failed only those that always run. Returns their exit codes."""
        checkout = self.work / "checkout"
        summary = self.work / "summary.md"
        summary.unlink(missing_ok=True)
        print(f"\n{title}", flush=True)
        codes: list[int] = []
        for step in steps:
            if any(codes) and step.get("if") != "always()":
                print(f"  skipped: {step.get('run', step.get('uses'))}")
                continue
            if "run" in step:
                own = {key: value for key, value in step.get("env", {}).items() if key not in KEYS}
                own |= {key: keys.get(key, "") for key in step.get("env", {}) if key in KEYS}
                secrets = keys if title.startswith(".gitlab") else {}
                own = {k: v.replace("$CI_PROJECT_DIR", str(checkout)) for k, v in own.items()}
                github = {} if title.startswith(".gitlab") else {"GITHUB_STEP_SUMMARY": str(summary)}
                given = self.environment | secrets | own | github
                start = time.monotonic()
                done = subprocess.run(
                    ["bash", "-e", "-c", step["run"]],
                    cwd=checkout, env=given, capture_output=True, text=True, check=False,
                )  # fmt: skip
                codes.append(done.returncode)
                print(f"  exit {done.returncode}, {time.monotonic() - start:.1f} s: {step['run']}")
                told = (
                    line for line in done.stdout.splitlines() + done.stderr.splitlines()
                    if line.startswith(("gate", "ERROR", "results:")) or "from the store" in line
                    or (line.startswith("=") and " in " in line)
                )  # fmt: skip
                print("".join(f"    {line}\n" for line in told), end="", flush=True)
            else:
                self._use(step["uses"], step.get("with", {}).get("path", ""), checkout)
        if summary.exists():
            print(f"  step summary: {summary.stat().st_size} bytes")
        return codes

    def _use(self, action: str, path: str, checkout: Path) -> None:
        """What an action of GitHub's does, with folders."""
        if "checkout" in action:
            shutil.rmtree(checkout, ignore_errors=True)
            subprocess.run(["git", "clone", "-q", str(self.project), str(checkout)], check=True)
        elif "setup-python" in action:
            if not (self.work / "venv").exists():
                subprocess.run([sys.executable, "-m", "venv", str(self.work / "venv")], check=True)
        elif "cache" in action:
            pairs = [(self.cache / one, checkout / one) for one in path.split()]
            for saved, here in pairs:
                source, target = (saved, here) if "restore" in action else (here, saved)
                if source.is_dir():
                    shutil.copytree(source, target, dirs_exist_ok=True)
        elif "upload" in action:
            files = [
                file
                for one in path.split()
                for file in [checkout / one, *(checkout / one).rglob("*")]
                if file.is_file()
            ]
            size = sum(file.stat().st_size for file in files)
            print(f"  kept: {', '.join(sorted({file.name for file in files}))} ({size / 1e6:.1f} MB)")
        else:
            raise SystemExit(f"{action}: what is this?")


def main() -> None:
    """Run everything, twice where a cache or another model makes a difference."""
    data = Path(sys.argv[1]).resolve()
    jobs = {path: list(ci_recipes.jobs(content)) for path, content in ci_recipes.files().items()}
    pull, night, several, gitlab = jobs
    with tempfile.TemporaryDirectory() as folder, Examinee(data) as server:
        runner = Runner(Path(folder), data, server.url)
        (_, steps) = jobs[pull][0]
        wanted = {"first": [0, 0], "again, from the cache": [0, 0]}
        for title, codes in wanted.items():
            assert runner.job(f"{pull}: {title}", steps) == codes
        assert runner.job(f"{pull}: from a fork, without the secret", steps, {}) == [0, 4]
        shutil.rmtree(runner.cache)
        server.worse = 0.4
        assert runner.job(f"{pull}: a worse model, no cache", steps) == [0, 1]
        assert (runner.cache / ".llmeval-cache").is_dir(), "what a failed job paid for is kept"
        shutil.rmtree(runner.cache)
        server.worse = 0.0
        for name, steps in jobs[several]:
            assert runner.job(f"{several}: {name}", steps) == [0, 0]
        (_, steps) = jobs[night][0]
        baseline = runner.project / "baseline"
        first = [step for step in steps if "compare" not in step.get("run", "")]
        first = [
            {**step, "run": step["run"].split(" --llm-baseline")[0]}
            if "pytest " in step.get("run", "")
            else step
            for step in first
        ]
        assert runner.job(f"{night}: the run that becomes the baseline", first) == [0, 0]
        baseline.mkdir()
        for name in ("results.json", "questions.jsonl"):
            shutil.copy(runner.work / "checkout/reports/tonight" / name, baseline)
        runner.commit()
        for title, worse, code in (("as good", 0.0, 0), ("5 points lost", 0.05, 1)):
            server.worse = worse
            shutil.rmtree(runner.work / ".cache", ignore_errors=True)
            assert runner.job(f"{night}: {title}", steps) == [0, code, 0]
        server.worse = 0.0
        for title in ("first", "again, from the cache"):
            ((_, steps),) = jobs[gitlab]
            assert runner.job(f"{gitlab}: {title}", steps) == [0, 0]


if __name__ == "__main__":
    main()
