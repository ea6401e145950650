"""For all tests: hypothesis without time limits, an answer store of its own, a tiny benchmark."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.support.tiny_benchmark import TOML

WITHOUT_PLUGINS = "-p no:hypothesispytest -p no:benchmark -p no:anyio"

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
    """A pytest that a test starts loads no plugin that no test needs, and no source that is compiled already.

    Of 3 seconds that such a start cost, this saves 2.
    """
    monkeypatch.setenv("PYTEST_ADDOPTS", WITHOUT_PLUGINS)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """pytest's own fixture, which unsets the variable that ``quick_children`` sets."""
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
