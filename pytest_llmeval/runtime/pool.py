"""The session's models: created at first use, and closed after their last question."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_llmeval.config.models import JudgeConfig, ModelConfig
from pytest_llmeval.core.errors import UserError, one_line

if TYPE_CHECKING:
    from pytest_llmeval.models.base import Model
    from pytest_llmeval.results.activity import Activity
    from pytest_llmeval.runtime.asker import Asker
    from pytest_llmeval.runtime.engine import Engine
    from pytest_llmeval.runtime.judge import Judge
    from pytest_llmeval.runtime.replay import Replay
    from pytest_llmeval.runtime.store import Store
    from pytest_llmeval.suites.suite import Suite


class ModelPool:
    """The session's models by name, their judge, and the store of their answers.

    ``make`` and ``make_judge`` create a backend. ``open_store`` opens the store (None: answers are not
    stored). ``note`` saves a line for the end of the run. With a ``replay``, answers come from an earlier
    run. ``on_wait``, which may be set, is called twice a second while a test waits for a model.
    """

    def __init__(
        self,
        configs: Sequence[ModelConfig],
        make: Callable[[ModelConfig], Model],
        suites: Mapping[str, Suite],
        note: Callable[[str], None],
        open_store: Callable[[], Store] | None = None,
        *,
        refresh: bool = False,
        replay: Replay | None = None,
        judge: JudgeConfig | None = None,
        make_judge: Callable[[ModelConfig], Model] | None = None,
    ) -> None:
        self.configs = {config.name: config for config in configs}
        self.judge_config = judge
        self.make = make
        self.make_judge = make_judge or make
        self._suites = suites
        self._note = note
        self._open_store = open_store
        self._store: Store | None = None
        self._refresh = refresh
        self._replay = replay
        self._askers: dict[str, tuple[Asker, Engine]] = {}
        self._judge: tuple[Judge, Engine] | None = None
        self.on_wait: Callable[[Activity], None] = lambda activity: None

    def get(self, name: str) -> Asker:
        """The asker of the model called ``name``, created at first use."""
        if name not in self._askers:
            from pytest_llmeval.runtime.asker import Asker

            config = self.configs[name]
            engine = self._engine(self.make(config), name)
            judge = None if self.judge_config is None else self.judge
            if self._replay is None:
                asker = Asker(config, engine, self._suites, self._report_waiting, judge)
            else:
                asker = self._replay.asker(config, engine, self._suites, self._report_waiting, judge)
            self._askers[name] = asker, engine
        return self._askers[name][0]

    def judge(self) -> Judge:
        """The judge, created at first use."""
        if self._judge is None:
            from pytest_llmeval.runtime.judge import Judge

            assert self.judge_config is not None
            config = self.judge_config.model
            engine = self._engine(self.make_judge(config), config.name)
            self._judge = Judge(config, engine), engine
            self._judge[0].prepare()
        return self._judge[0]

    def _engine(self, model: Model, name: str) -> Engine:
        from pytest_llmeval.runtime.engine import Engine

        return Engine(model, name, self._get_store(), refresh=self._refresh)

    def check(self) -> None:
        """Check that each model can answer, and open the store. Raises ``UserError``."""
        for config in self.configs.values():
            self.make(config).check()
        if self._open_store is not None and self._store is None:
            self._store = self._open_store()

    def check_judge(self) -> None:
        """Check that the judge can answer. Raises ``UserError``."""
        if self.judge_config is not None:
            try:
                self.make_judge(self.judge_config.model).check()
            except UserError as error:
                raise UserError(f"the judge {self.judge_config.model.name}: {error}") from None

    def identity(self, name: str) -> str:
        """The ``identity`` of a model's backend."""
        return self.make(self.configs[name]).identity()

    def judge_identity(self) -> str:
        """The ``identity`` of the judge's backend, with its system prompt."""
        assert self.judge_config is not None
        model = self.judge_config.model
        identity = self.make_judge(model).identity()
        return identity if model.system is None else f"{identity}, system {one_line(repr(model.system))}"

    def close(self, name: str | None = None) -> None:
        """Close one model; without a name, all models, the judge and the store."""
        for model_name in [name] if name is not None else list(self._askers):
            if model_name in self._askers:
                self._close(self._askers.pop(model_name)[1], "")
        if name is not None:
            return
        if self._judge is not None:
            engine = self._judge[1]
            self._judge = None
            self._close(engine, f"judge {engine.name}: ")
        if self._store is not None:
            self._store.close()
            self._store = self._open_store = None

    def _close(self, engine: Engine, prefix: str) -> None:
        engine.close()
        for line in engine.notes:
            self._note(prefix + line)

    def _get_store(self) -> Store | None:
        """The store, opened at first use; None if answers are not stored. Notes why it cannot be opened."""
        if self._open_store is not None and self._store is None:
            try:
                self._store = self._open_store()
            except UserError as error:
                self._note(str(error))
                self._open_store = None
        return self._store

    def _report_waiting(self, name: str) -> None:
        engine = self._askers.get(name, self._judge or (None, None))[1]
        if engine is not None:
            self.on_wait(replace(engine.activity, model=name))
