"""The direction of imports, and what loading the plugin costs a project that does not use it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import PACKAGE

#: the folders of the package from the top down: each may import from those below it, never from those above
LAYERS = (
    "plugin",
    "runtime",
    "report",
    "lm_eval",
    "suites",
    "results",
    "models",
    "scoring",
    "analysis",
    "config",
    "core",
)
#: libraries that only some modules import, and always when first used
OWNERS = {
    "pytest": ("plugin",),
    "_pytest": ("plugin",),
    "xdist": ("plugin",),
    "torch": ("models.hf", "models.smollm2"),
    "transformers": ("models.hf", "models.smollm2"),
    "openai": ("models.openai.transport",),
    "httpx2": ("models.openai.transport",),
    "lm_eval": ("lm_eval.tasks", "lm_eval.scores"),
    "ray": ("models.ray.driver",),
}
#: modules of ``models.hf`` that plan, encode and decode without torch
WITHOUT_TORCH = {
    "models.hf.as_lm_eval",
    "models.hf.batching",
    "models.hf.detokenizer",
    "models.hf.encoded",
    "models.hf.encoding",
    "models.hf.planner",
    "models.hf.prefill",
    "models.hf.prefix_cache",
}
#: the only module that may use private names of pytest and xdist
INTERNALS = "plugin.pytest_internals"
#: those names, apart from whatever is in ``_pytest``
PRIVATE = {
    *("_code", "_fixtureinfo", "_getobj", "_reprcompare", "_tw", "ArgsSource", "args_source", "cache_key"),
    *("cached_result", "callspec", "global_and_fixture_disabled", "shouldfail", "shouldstop"),
    *("_check_nodes_have_same_collection", "_handlefailures", "dsession", "gateway", "nodemanager"),
    *("numprocesses", "torun", "workercount", "workerid", "workerinput", "workeroutput", "WorkerInteractor"),
}
MODULES = sorted(
    path.relative_to(PACKAGE)
    for path in PACKAGE.rglob("*.py")
    if len(path.relative_to(PACKAGE).parts) > 1 and "benchmarks" not in path.parts
)


def imports(path: Path) -> set[str]:
    """All modules and names that a file imports, at its top or inside of functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def dotted(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_imports_point_down(path: Path) -> None:
    module = dotted(path)
    own = LAYERS.index(path.parts[0])
    for name in imports(PACKAGE / path):
        if name.startswith("pytest_llmeval."):
            folder = name.split(".")[1]
            assert folder in LAYERS, f"{module} imports {name}, which is in no layer"
            assert LAYERS.index(folder) >= own, f"{module} imports {name}, which is above it"


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_each_library_has_its_owner(path: Path) -> None:
    module = dotted(path)
    for name in imports(PACKAGE / path):
        owners = OWNERS.get(name.split(".")[0])
        if owners is not None:
            assert any(f"{module}.".startswith(f"{owner}.") for owner in owners), f"{module} imports {name}"
            assert name.split(".")[0] != "torch" or module not in WITHOUT_TORCH


@pytest.mark.parametrize("path", MODULES, ids=str)
def test_one_module_uses_private_names_of_pytest_and_xdist(path: Path) -> None:
    if dotted(path) == INTERNALS:
        return
    used = {name for name in imports(PACKAGE / path) if name.split(".")[0] == "_pytest"}
    for node in ast.walk(ast.parse((PACKAGE / path).read_text("utf-8"))):
        match node:
            case (
                ast.Attribute(attr=str(name))
                | ast.Constant(value=str(name))
                | ast.FunctionDef(name=name)
                | ast.alias(name=name)
            ) if name in PRIVATE:
                used.add(name)
    assert not used, f"{dotted(path)} uses {', '.join(sorted(used))}: call {INTERNALS} instead"


def test_no_module_imports_itself_through_another() -> None:
    known = {dotted(path) for path in MODULES}
    graph = {dotted(path): imported_modules(PACKAGE / path, known) - {dotted(path)} for path in MODULES}
    while free := {module for module, names in graph.items() if not names}:
        graph = {module: names - free for module, names in graph.items() if module not in free}
    while unused := set(graph).difference(*graph.values()):  # only the circles themselves are left
        graph = {module: names for module, names in graph.items() if module not in unused}
    assert not graph, f"import circles among {', '.join(sorted(graph))}"


def imported_modules(path: Path, known: set[str]) -> set[str]:
    """The modules of this package that a file imports: a submodule rather than the folder it is in."""
    modules = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pytest_llmeval."):
            folder = (node.module or "").removeprefix("pytest_llmeval.")
            for alias in node.names:
                name = f"{folder}.{alias.name}"
                modules.add(name if name in known else folder)
    return modules & known


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
