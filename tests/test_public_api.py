"""The public names: which there are, that they are what their homes define, and that they are documented."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest

import pytest_llmeval

PUBLIC = [
    *("BenchmarkInfo", "EvalConditions"),
    *("ChatPrompt", "Completion", "DataMissing", "Extractor", "Grade", "Job", "Jobs", "Judgement", "LLM"),
    *("LLMEvalError", "Message", "Metric", "Model", "ModelConfig", "ModelUnusable", "Outcome", "Prompt"),
    *("Question", "Reasoned", "Record", "Request", "RequestFailed", "Score", "Scores", "Source"),
    *("Storable", "Suite"),
    *("TextPrompt", "UserError", "model_key", "run_batches", "run_concurrently"),
]


def test_the_list_of_public_names() -> None:
    assert sorted(pytest_llmeval.__all__) == sorted(PUBLIC)
    assert set(dir(pytest_llmeval)) == {*PUBLIC, "__version__"}


@pytest.mark.parametrize("name", PUBLIC)
def test_each_name_is_there_and_documented(name: str) -> None:
    value = getattr(pytest_llmeval, name)
    if name not in ("Prompt", "Extractor", "Score"):  # aliases of types
        assert value.__doc__ and value.__module__.startswith("pytest_llmeval.")
    if isinstance(value, type):
        methods = {key: member for key, member in vars(value).items() if callable(member)}
        assert not [key for key, member in methods.items() if not key.startswith("_") and not member.__doc__]


@pytest.mark.parametrize("name", [name for name in PUBLIC if name not in ("Prompt", "Extractor", "Score")])
def test_each_has_an_example(name: str) -> None:
    value = getattr(pytest_llmeval, name)
    assert ">>>" in value.__doc__ or "::" in value.__doc__ or "    def " in value.__doc__
    names = {**vars(sys.modules[value.__module__])}
    for test in doctest.DocTestFinder(recurse=False).find(value, name, globs=names):
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
        runner.run(test)
        assert runner.failures == 0, test.docstring


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Missing'"):
        pytest_llmeval.Missing  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys, pytest_llmeval; before = set(sys.modules); pytest_llmeval.Question;"
        "print(*sorted(name for name in before if name.startswith('pytest_llmeval')));"
        "print(*sorted({name.split('.')[0] for name in sys.modules} & {'torch', 'openai', 'jinja2'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["pytest_llmeval", ""]
