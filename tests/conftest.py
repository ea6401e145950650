"""For all tests: hypothesis without time limits, an answer store of its own, a tiny benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.tiny_benchmark import TOML

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
def fewer_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plugins that no test needs in a pytest of its own cost each of those half a second."""
    names = ("hypothesispytest", "benchmark", "anyio")
    monkeypatch.setenv("PYTEST_ADDOPTS", " ".join(f"-p no:{name}" for name in names))


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
