"""What a wheel holds, and what installing it asks for."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_benchmarks_ship(wheel: zipfile.ZipFile) -> None:
    here = {
        f"pytest_llmeval/{path.relative_to(ROOT)}"
        for path in (ROOT / "benchmarks").rglob("*")
        if path.suffix in {".toml", ".csv", ".py"}
    }
    assert {path.rpartition("/")[2] for path in here} > {"benchmark.toml", "test_ceval.py"}
    assert here <= set(wheel.namelist())


def test_every_module_ships(wheel: zipfile.ZipFile) -> None:
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "pytest_llmeval").rglob("*.py")}
    assert here | {"pytest_llmeval/py.typed"} <= set(wheel.namelist())


def test_the_page_s_parts_ship(wheel: zipfile.ZipFile) -> None:
    here = {str(path.relative_to(ROOT)) for path in (ROOT / "pytest_llmeval/report/templates").iterdir()}
    assert {Path(name).suffix for name in here} == {".j2", ".css", ".js"}
    assert here <= set(wheel.namelist())


def test_the_core_needs_pytest_and_jinja2(wheel: zipfile.ZipFile) -> None:
    (name,) = (name for name in wheel.namelist() if name.endswith("METADATA"))
    needs = message_from_bytes(wheel.read(name)).get_all("Requires-Dist", [])
    assert sorted(need for need in needs if "extra" not in need) == ["jinja2>=3.1", "pytest<10,>=9"]
    (points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    assert "[pytest11]\nllmeval = pytest_llmeval.plugin" in wheel.read(points).decode()
