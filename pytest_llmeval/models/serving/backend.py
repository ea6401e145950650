"""``--llm-model=serve:PRESET:PATH``: start an inference server, send requests to it, and stop it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from pytest_llmeval.config.declare import answer_parameters
from pytest_llmeval.config.models import HFOptions, ModelConfig
from pytest_llmeval.core.errors import ModelUnusable, one_line
from pytest_llmeval.models import fingerprint
from pytest_llmeval.models.base import Jobs, model_key
from pytest_llmeval.models.hf import load
from pytest_llmeval.models.hf.checkpoint import check_whole
from pytest_llmeval.models.openai.backend import OpenAIModel, answer_settings
from pytest_llmeval.models.openai.transport import require_sdk
from pytest_llmeval.models.serving import presets
from pytest_llmeval.models.serving.process import Server, ServerHandle, free_port

START_TIMEOUT_S = 1800.0
#: longer than for remote APIs: a local server may be slow, but its requests are not lost
_TIMEOUT_S = 600.0


class ServedModel:
    """Uses ``server``, or starts one whose log goes to ``folder``.

    ``status`` describes the start-up until the server can answer, then that of its requests.
    """

    def __init__(
        self, config: ModelConfig, folder: Callable[[], Path], server: ServerHandle | None = None
    ) -> None:
        self.config = config
        self._start_status: str | None = None
        self._folder = folder
        self._server = server
        self._api = OpenAIModel(_as_api(config, ""))

    @property
    def status(self) -> str | None:
        """What the model is waiting for, besides answers."""
        return self._start_status or self._api.status

    @property
    def window(self) -> int:
        """The window of the API backend."""
        return self._api.window

    @property
    def notes(self) -> tuple[str, ...]:
        """What the model's answers taught, for the end of the run."""
        return self._api.notes

    def check(self) -> None:
        """Check preset, command and path without starting anything. Raises ``ModelUnusable``."""
        require_sdk()
        command = presets.command(self.config, 0)
        presets.executable(self.config, command[0])
        if self.config.target:
            source = self._source()
            if source.gguf_file is None and Path(source.path).is_dir():
                check_whole(Path(source.path), f"model {self.config.name}")

    def identity(self) -> str:
        """The preset or command, the model served, and the settings of requests."""
        server = self.config.preset if self.config.command is None else one_line(self.config.command, 200)
        return f"serve:{server}:{self.config.target}{self._api.parameters()}"

    def store_key(self, digest: Callable[[Path], str]) -> str | None:
        """A hash of the weights, command and settings; None if the weights are unknown."""
        if not self.config.target:
            return None
        source = load.pin_revision(self._source())
        if source.revision is None and not Path(source.path).is_dir():
            return None
        package = presets.PRESETS[self.config.preset].package if self.config.preset else ""
        version = ""
        with suppress(metadata.PackageNotFoundError, ValueError):
            version = metadata.version(package.partition("[")[0])
        command = presets.template(self.config)
        weights = fingerprint.weights(source, digest)
        hardware = list(answer_parameters(self.config, HFOptions).values())
        return model_key(
            {**answer_settings(self.config), "serve": [command, version], "weights": weights, "on": hardware}
        )

    def run(self, jobs: Jobs) -> None:
        """Start a server unless there is one, answer jobs, and stop the server that was started here."""
        handle = self._server
        if handle is not None:
            self._answer_jobs(jobs, handle, lambda: handle.ended)
            return
        server = self.launch()
        try:
            if self.await_ready(server, self._set_status, lambda: jobs.closed):
                self._start_status = None
                self._answer_jobs(jobs, server.handle, lambda: server.ended)
        finally:
            server.stop()

    def _source(self) -> load.Source:
        return load.find(self.config.target, f"serve:{self.config.preset or 'command'}")

    def launch(self) -> Server:
        """Start the server, without waiting for it. Raises ``UserError``."""
        port = free_port()
        command = presets.command(self.config, port)
        command[0] = presets.executable(self.config, command[0])
        log = self._folder() / f"server-{re.sub(r'[^A-Za-z0-9._-]+', '_', self.config.name)}.log"
        try:
            server = Server(command, port, log)
        except OSError as error:
            raise ModelUnusable(
                f"the server of model {self.config.name} cannot be started: {error}"
            ) from None
        self._start_status = f"starting {one_line(shlex.join(command), 160)} (its log: {log})"
        return server

    def await_ready(
        self, server: Server, report: Callable[[str], None], cancelled: Callable[[], bool] = lambda: False
    ) -> bool:
        """``Server.wait_until_ready`` with this model's ``start_timeout``."""
        timeout = self.config.start_timeout or START_TIMEOUT_S
        return server.wait_until_ready(self.config.name, timeout, report, cancelled)

    def _set_status(self, line: str) -> None:
        self._start_status = line

    def _answer_jobs(self, jobs: Jobs, handle: ServerHandle, ended: Callable[[], bool]) -> None:
        def server_exit() -> ModelUnusable | None:
            return handle.why_ended(self.config.name) if ended() else None

        self._api = OpenAIModel(_as_api(self.config, handle.url), server_exit=server_exit)
        self._api.run(jobs)


def _as_api(config: ModelConfig, url: str) -> ModelConfig:
    return replace(
        config,
        backend="openai",
        target=presets.model_name(config) if config.command or config.preset in presets.PRESETS else "",
        base_url=url,
        timeout=config.timeout or _TIMEOUT_S,
    )
