"""Which sandbox is used, and that there is no run without one."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.scoring.sandbox import runner, selection
from pytest_llmeval.scoring.sandbox.base import SandboxFailed
from pytest_llmeval.scoring.sandbox.bubblewrap import Bubblewrap
from pytest_llmeval.scoring.sandbox.containers import Container
from pytest_llmeval.scoring.sandbox.own import Own
from pytest_llmeval.scoring.sandbox.runner import ProgramResult


@pytest.fixture(autouse=True)
def nothing_cached(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(selection, "_selected", None)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr("shutil.which", lambda name: None if name == "podman" else f"/usr/bin/{name}")
    selection.why_not.cache_clear()
    yield
    selection.why_not.cache_clear()


def working(*classes: type) -> object:
    """A ``run`` in which only some providers work."""

    def run(code: str, tests: object, *, provider: object) -> ProgramResult:
        if isinstance(provider, classes):
            return ProgramResult(True)
        raise SandboxFailed("unshare: Operation not permitted")

    return run


def test_bubblewrap_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", working(Bubblewrap, Own))
    assert selection.select() == Bubblewrap() == selection.selected()
    assert selection.select("own") == Own() == selection.selected()


def test_own_where_bubblewrap_does_not_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", working(Own))
    assert selection.selected() == Own()
    with pytest.raises(UserError, match="safely here: bubblewrap: unshare: Operation not permitted"):
        selection.select("bubblewrap")


def test_containers_only_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", working(Container))
    assert selection.select("docker", "me/image:2") == Container("docker", "me/image:2")
    assert selection.selected().description == "docker (me/image:2)"
    with pytest.raises(UserError, match="podman is not installed"):
        selection.select("podman")
    with pytest.raises(UserError, match=r"bubblewrap: .*; own: "):
        selection.select("auto")


def test_containers_also_where_linux_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "run", working(Container, Own, Bubblewrap))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert isinstance(selection.select("docker"), Container)
    with pytest.raises(UserError, match="only Linux can"):
        selection.select()


def test_a_sandbox_whose_probe_fails_is_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = ProgramResult(False, "AssertionError: the network is reachable")
    monkeypatch.setattr(runner, "run", lambda *_, **__: failed)
    with pytest.raises(UserError, match="the network is reachable"):
        selection.selected()
