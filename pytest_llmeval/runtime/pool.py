"""The ``llm`` fixture, and the session's models behind it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING

import pytest

from pytest_llmeval.config.models import JudgeConfig, ModelConfig
from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import Completion, Judgement
from pytest_llmeval.plugin.state import is_worker
from pytest_llmeval.runtime.llm import LLM, Key
from pytest_llmeval.runtime.replayed import ReplayedLLM

if TYPE_CHECKING:
    from pytest_llmeval.models.base import Model
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge
    from pytest_llmeval.runtime.store import Store
    from pytest_llmeval.suites.suite import Suite

_WHAT_IT_DOES = "a local model is loading, a server is thinking"


class Models:
    """The session's models by name; each is made when first wanted."""

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        make: Callable[[ModelConfig], Model],
        suites: Mapping[str, Suite],
        say: Callable[[str], None],
        note: Callable[[str], None],
        open_store: Callable[[], Store] | None = None,
        *,
        refresh: bool = False,
        earlier: Mapping[str, Mapping[Key, Completion]] | None = None,
        repeats: int = 1,
        judge: JudgeConfig | None = None,
        judgements: Mapping[str, Mapping[Key, Judgement]] | None = None,
        make_judge: Callable[[ModelConfig], Model] | None = None,
    ) -> None:
        """``earlier`` and ``judgements`` are an earlier run's, by model, question, repeat and rotation."""
        self.judge_config = judge
        self._make_judge = make_judge or make
        self._judgements = judgements or {}
        self._judge: tuple[Judge, Engine] | None = None
        self._earlier = earlier
        self._repeats = repeats
        self.configs = {config.name: config for config in configs}
        self._open_store = open_store
        self._store: Store | None = None
        self._refresh = refresh
        self._make = make
        self._suites = suites
        self._said: set[str] = set()
        self._write = say
        self._note = note
        self._open: dict[str, tuple[LLM, Engine]] = {}

    def get(self, name: str) -> LLM:
        """The model called ``name``."""
        if name not in self._open:
            from pytest_llmeval.runtime.engine import Engine

            config = self.configs[name]
            engine = Engine(self._make(config), name, self._stored(), refresh=self._refresh)
            judge = None if self.judge_config is None else self.judge
            if self._earlier is None:
                opened = LLM(config, engine, self._suites, self._say_waiting, self._repeats, judge)
            else:
                earlier = self._earlier.get(name, {})
                judgements = self._judgements.get(name, {})
                opened = ReplayedLLM(
                    config,
                    engine,
                    self._suites,
                    earlier,
                    self._say_waiting,
                    self._repeats,
                    judge,
                    judgements,
                )
            self._open[name] = opened, engine
        return self._open[name][0]

    def judge(self) -> Judge:
        """The judge, made when first wanted."""
        if self._judge is None:
            from pytest_llmeval.runtime.engine import Engine
            from pytest_llmeval.runtime.judge import Judge

            assert self.judge_config is not None
            config = self.judge_config.model
            engine = Engine(self._make_judge(config), config.name, self._stored(), refresh=self._refresh)
            self._judge = Judge(config, engine), engine
            self._judge[0].prepare()
        return self._judge[0]

    def check_judge(self) -> None:
        """Look whether the judge can answer at all. Raises ``UserError``."""
        if self.judge_config is not None:
            try:
                self._make_judge(self.judge_config.model).check()
            except UserError as error:
                raise UserError(f"the judge {self.judge_config.model.name}: {error}") from None

    def judge_identity(self) -> str:
        """What the judge's replies depend on, as it calls it."""
        assert self.judge_config is not None
        return self._make_judge(self.judge_config.model).identity()

    def check(self) -> None:
        """Look whether each model can answer at all, and open the store. Raises ``UserError``."""
        for config in self.configs.values():
            self._make(config).check()
        if self._open_store is not None and self._store is None:
            self._store = self._open_store()

    def _stored(self) -> Store | None:
        """The store, if there is one; what is wrong with it has been said by ``check``, if it was called."""
        if self._open_store is not None and self._store is None:
            try:
                self._store = self._open_store()
            except UserError as error:
                self._note(str(error))
                self._open_store = None
        return self._store

    def identity(self, name: str) -> str:
        """What the model's answers depend on, as it calls it."""
        return self._make(self.configs[name]).identity()

    def close(self, name: str | None = None) -> None:
        """Stop one model, or all and the store."""
        for one in [name] if name is not None else list(self._open):
            if one in self._open:
                engine = self._open.pop(one)[1]
                engine.close()
                for line in getattr(engine.model, "notes", ()):
                    self._note(line)
        if name is None and self._judge is not None:
            engine = self._judge[1]
            self._judge = None
            engine.close()
            for line in getattr(engine.model, "notes", ()):
                self._note(f"judge {engine.name}: {line}")
        if name is None and self._store is not None:
            self._store.close()
            self._store = self._open_store = None

    def _say_waiting(self, name: str) -> None:
        engine = self._open.get(name, self._judge or (None, None))[1]
        status = getattr(getattr(engine, "model", None), "status", None)
        line = f"{name}: {status}" if status else f"waiting for {name} ({_WHAT_IT_DOES})"
        if line not in self._said:
            self._said.add(line)
            self._write(f"llmeval: {line}")


def _without_model() -> LLM:
    """The model under evaluation: ``answer(question)``, ``complete``, ``generate``, ``choose``."""
    pytest.skip("needs a model: give --llm-model")


llm = pytest.fixture(scope="session", name="llm")(_without_model)


def set_up_llm(
    fixturedef: pytest.FixtureDef[object], request: pytest.FixtureRequest, models: Models
) -> LLM | None:
    """What ``pytest_fixture_setup`` gives for the ``llm`` fixture above; None for any other.

    A fixture that asked for ``request`` itself would cost each item twice what its own test does.
    """
    if fixturedef.func is not _without_model or not models.configs:
        return None
    name = getattr(request, "param", None)
    model = models.get(next(iter(models.configs)) if name is None else name)
    fixturedef.cached_result = (model, fixturedef.cache_key(request), None)  # type: ignore[arg-type]
    return model


def make_say(config: pytest.Config) -> Callable[[str], None]:
    """A way to write one line to the terminal between pytest's own; silent in a worker."""

    def say(line: str) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        capture = config.pluginmanager.get_plugin("capturemanager")
        if reporter is not None and not is_worker(config):
            with capture.global_and_fixture_disabled() if capture is not None else nullcontext():
                reporter.ensure_newline()
                if reporter._tw.width_of_current_line:  # letters of xdist's workers
                    reporter._tw.line()
                reporter.write_line(line)

    return say
