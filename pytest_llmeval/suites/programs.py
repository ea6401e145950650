"""Whether a session may run the programs that a model wrote, and in which sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.scoring.sandbox import selection

if TYPE_CHECKING:
    from pytest_llmeval.config.settings import Settings


def sandbox_condition(benchmark: str, settings: Settings) -> dict[str, object]:
    """The sandbox of a benchmark's programs, as a condition of scoring; empty if nothing is asked.

    Raises ``UserError`` unless such programs are allowed and a sandbox is available.
    """
    if not settings.models or settings.show_prompts:
        return {}
    if not settings.allow_code:
        raise UserError(
            f"{benchmark}: its answers are programs, which run only with --llm-allow-code "
            "(in a sandbox without network: docs/code.md)"
        )
    try:
        return {"sandbox": selection.select(settings.sandbox, settings.sandbox_image).description}
    except UserError as error:
        raise UserError(f"{benchmark}: {error}") from None
