"""For all tests: hypothesis without time limits, an answer store of its own, a tiny benchmark."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.paths import PACKAGE
from tests.support.tiny_benchmark import TOML

#: tiny models are slower with threads than without; torch reads this, here and in processes that tests start
os.environ.setdefault("OMP_NUM_THREADS", "1")
LARGE = tuple(f"pytest_llmeval.{name}" for name in ("__main__", "models.hf", "models.ray", "models.smollm2"))
WITHOUT_PLUGINS = " ".join(
    f"-p no:{name}"
    for name in ("hypothesispytest", "benchmark", "anyio", "timeout", "rerunfailures", "repeat")
)

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test: no answers stored by other tests or by this machine's user."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    return folder


@pytest.fixture(autouse=True)
def quick_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest that a test starts loads no plugin that no test needs, keeps compiled code and is no worker.

    Such a start with two workers takes 2.3 s of CPU time; with all of those plugins it took 5.
    """
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_PLUGINS)
    for name in ("PYTHONDONTWRITEBYTECODE", "PYTEST_XDIST_WORKER", "PYTEST_XDIST_WORKER_COUNT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def package_loaded() -> None:
    """All modules of the package that need no large library.

    pytester forgets modules that were first imported by a run in its process: each run would load them again.
    """
    for path in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__")
        if not name.startswith(LARGE):
            importlib.import_module(name)


@pytest.fixture
def pytester(
    package_loaded: None, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """pytest's own fixture, which unsets the variable that ``quick_children`` sets.

    ``runpytest`` runs pytest in this process, which takes a quarter of the time of a process of its own.
    A test needs ``runpytest_subprocess`` if its conftest changes a module or its run loads torch or numpy.
    """
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_PLUGINS)
    return pytester


@pytest.fixture
def tiny(pytester: pytest.Pytester) -> Path:
    """Eight questions in two subjects; echo always says A, which is right for a quarter."""
    folder = pytester.path / "tiny"
    for split, rows in (("dev", 1), ("val", 4)):
        (folder / "data" / split).mkdir(parents=True)
        for subject in ("birds", "logic"):
            lines = ["id,question,A,B,C,D,answer"]
            lines += [f"{n},{subject} question {n}?,one,two,three,four,{'ABCD'[n % 4]}" for n in range(rows)]
            (folder / "data" / split / f"{subject}_{split}.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "benchmark.toml").write_text(TOML, "utf-8")
    return folder
