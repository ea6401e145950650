"""The direction of imports, and what loading the plugin costs a project that does not use it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pytest_llmeval"
GROUND = {"types", "errors", "options", "config", "urls"}
PURE = {
    "benchmark",
    "catalog",
    "own",
    "scaffold",
    "data",
    "download",
    "prompt",
    "extract",
    "metrics",
    "kinds",
    "stats",
    "compare",
    "tolerance",
    "gate",
    "vote",
    "lm_eval",
    "slices",
    "permute",
    "sandbox",
    "jail",
}
MIDDLE = {"engine", "judging", "listing", "store", "replay", "__main__"}
PYTEST = {
    "plugin",
    "progress",
    "session",
    "recorder",
    "lookahead",
    "collect",
    "suite",
    "fixtures",
    "llm",
    "replayed",
    "showing",
    "xdist",
    "scheduler",
    "state",
    "hookspec",
    "selection",
    "tasksuite",
}
WITHOUT_TORCH = {
    "models.hf.passes",
    "models.hf.prefixes",
    "models.hf.batching",
    "models.hf.encoding",
    "models.hf.fingerprint",
}


def layer(module: str) -> int:
    first = module.split(".")[0]
    for level, names in enumerate((GROUND, PURE, {"models"}, MIDDLE | {"report"}, PYTEST)):
        if first in names:
            return level
    raise AssertionError(f"module {module} has no layer: put it in one, here and in ARCHITECTURE.md")


def imports(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


MODULES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py" and "benchmarks" not in p.parts)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_down(path: Path) -> None:
    module = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    own = layer(module)
    for name in imports(path):
        top = name.split(".")[0]
        if name.startswith("pytest_llmeval.") and name.count(".") >= 1:
            target = name.removeprefix("pytest_llmeval.")
            if target.split(".")[0] in GROUND | PURE | MIDDLE | PYTEST | {"models", "report"}:
                assert layer(target) <= own, f"{module} imports {target}"
        if top in ("pytest", "_pytest"):
            assert own == 4, f"{module} imports pytest"
        if top in ("torch", "transformers"):
            assert module.startswith("models.hf.") or module == "models.smollm2", f"{module} imports {top}"
            assert module not in WITHOUT_TORCH, f"{module} imports {top}"
        if top in ("openai", "httpx2"):
            assert module == "models.transport"
        if top == "lm_eval":
            assert module in ("lm_eval.tasks", "lm_eval.scores"), f"{module} imports {name}"
        if top == "ray":
            assert module == "models.cluster.driver"


def test_an_unrelated_project_loads_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    code = (
        "import sys, pytest\n"
        "status = pytest.main(['-q', '-p', 'no:cacheprovider', '-p', 'no:llmeval'] + sys.argv[1:])\n"
        "print('MODULES', *sorted({name.split('.')[0] for name in sys.modules}))\n"
        "sys.exit(status)\n"
    )

    def run(*args: str) -> tuple[set[str], str]:
        done = subprocess.run(
            [sys.executable, "-c", code, *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
            env={"PATH": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(PACKAGE.parent)},
        )
        before, _, modules = done.stdout.partition("MODULES")
        return set(modules.split()), before

    bare, _ = run()
    ours, output = run("-p", "pytest_llmeval.plugin")
    extra = {name for name in ours - bare if name not in sys.stdlib_module_names}
    assert extra == {"pytest_llmeval"}
    assert "llmeval" not in output
    assert [p.name for p in tmp_path.iterdir() if p.name != "__pycache__"] == ["test_it.py"]
