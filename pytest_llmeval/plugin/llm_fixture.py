"""The ``llm`` fixture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.plugin.pytest_internals import fixture_definitions, set_fixture_value, use_fixture

if TYPE_CHECKING:
    from pytest_llmeval.runtime.llm import LLM
    from pytest_llmeval.runtime.pool import ModelPool


def _without_model() -> LLM:
    """The model under evaluation: ``answer(question)``, ``complete``, ``generate``, ``choose``."""
    pytest.skip("needs a model: set --llm-model")


llm = pytest.fixture(scope="session", name="llm")(_without_model)


def has_llm(test: pytest.Metafunc | pytest.Item) -> bool:
    """Whether a test uses this plugin's ``llm``, and not a fixture of the project with the same name."""
    return "llm" in getattr(test, "fixturenames", ()) and _lead_to_ours(fixture_definitions(test, "llm"))


def use_own_llm(metafunc: pytest.Metafunc) -> None:
    """Give a test this plugin's ``llm``, even if the project has a fixture of its own with that name.

    A fixture of the project that requests ``llm`` extends this plugin's, and stays. Raises ``UserError`` for
    one with parameters, which pytest has already applied to the test.
    """
    definitions = fixture_definitions(metafunc, "llm")
    own = next(filter(_is_ours, definitions), None)
    if own is None or _lead_to_ours(definitions):
        return
    if definitions[-1].params is not None:
        raise UserError(
            f"{metafunc.definition.nodeid}: takes llmeval's fixture llm, but the project has one with "
            "parameters; give the project's another name"
        )
    use_fixture(metafunc, own)


def _is_ours(definition: pytest.FixtureDef[Any]) -> bool:
    return bool(definition.func is _without_model)


def _lead_to_ours(definitions: Sequence[pytest.FixtureDef[Any]]) -> bool:
    """Whether the last of ``definitions`` is this plugin's fixture or extends it."""
    for definition in reversed(definitions):  # each may request the one before it
        if _is_ours(definition):
            return True
        if "llm" not in definition.argnames:
            return False
    return False


def set_up_llm(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest, models: ModelPool
) -> LLM | None:
    """Set up the ``llm`` fixture for ``pytest_fixture_setup``; returns None for any other fixture.

    A fixture function that takes ``request`` would be slower: twice the cost of the test itself, per item.
    """
    if fixturedef.func is not _without_model or not models.configs:
        return None
    from pytest_llmeval.runtime.llm import LLM

    name = getattr(request, "param", None)
    model = LLM(models.get(next(iter(models.configs)) if name is None else name))
    set_fixture_value(fixturedef, request, model)
    return model
