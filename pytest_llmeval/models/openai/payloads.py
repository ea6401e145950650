"""What the calls need of one of a server's interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pytest_llmeval.core.types import Completion, Prompt, Request
from pytest_llmeval.models.openai.payload_options import PayloadOptions


class Payloads(Protocol):
    """One of a server's interfaces: builds request bodies and parses responses."""

    @property
    def path(self) -> str:
        """The path after the base URL."""

    @property
    def no_scores(self) -> str:
        """The error message for a model that cannot score choices, after the model's name."""

    @property
    def options(self) -> PayloadOptions:
        """The options to start with."""

    def parts(self, request: Request) -> tuple[str, ...]:
        """The names of the parts of ``request``, each of which is one HTTP request."""

    def build(
        self, request: Request, prompt: Prompt, part: str, model: str, options: PayloadOptions
    ) -> dict[str, Any]:
        """The JSON body for a part, with ``prompt`` instead of the request's prompt."""

    def parse(
        self, response: bytes, request: Request, prompt: Prompt, part: str, options: PayloadOptions
    ) -> Completion:
        """The completion in the response to a part. Raises ``NoCompletion`` and ``NoScores``."""


@dataclass(frozen=True, slots=True)
class Response:
    """The body of a response with status 200, and the seconds until a streamed answer began."""

    body: bytes
    first_token_s: float | None = None
