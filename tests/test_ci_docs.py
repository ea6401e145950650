"""docs/ci.md: its files are YAML of the right form, and their commands say what pytest understands.

``tests/bench/run_ci_recipes.py`` runs them.
"""

from __future__ import annotations

import re
import shlex

import pytest

from pytest_llmeval.analysis.gate_expressions import parse
from pytest_llmeval.config.options import OPTIONS
from tests.support import ci_recipes as ci_recipes

KNOWN = {f"--llm-{option.name}": option for option in OPTIONS}
COMMANDS = [
    pytest.param(line, id=f"{path}-{job}-{number}")
    for path, content in ci_recipes.files().items()
    for job, steps in ci_recipes.jobs(content)
    for number, line in enumerate(step["run"] for step in steps if "run" in step)
]


def test_every_block_of_yaml_is_a_whole_file() -> None:
    text = ci_recipes.RECIPES.read_text("utf-8")
    assert len(ci_recipes.files()) == text.count("```yaml") == 4
    assert [path for path in ci_recipes.files() if "gitlab" in path] == [".gitlab-ci.yml"]


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_name_options_that_there_are(line: str) -> None:
    assert "\n" not in line  # a line that YAML broke would be several commands
    words = shlex.split(line)
    assert words[0] in ("pip", "pytest", "python")
    for word in words:
        if word.startswith("--llm-"):
            name, _, value = word.partition("=")
            assert name in KNOWN
            if name == "--llm-fail-under":
                parse(value)


def test_what_is_kept_is_kept_whatever_the_gate_says() -> None:
    for content in ci_recipes.files().values():
        for _, steps in ci_recipes.jobs(content):
            for step in steps:
                if re.search("upload|cache/save", step.get("uses", "")):
                    assert step["if"] == "always()"
                assert "actions/cache@" not in step.get("uses", "")  # saves nothing of a job that failed
