"""Scores of a continuation from the log-probabilities of an echoed prompt, which ends with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.models.openai.choice_scores import NoScores, log_probability
from pytest_llmeval.models.openai.token_texts import are_unreadable, end_with, is_token_id


@dataclass(frozen=True, slots=True)
class Echo:
    """A server's ``logprobs`` of an echoed prompt with ``continuation`` at its end, and the echoed ``text``.

    ``generated`` is the number of tokens after the echo. Methods raise ``NoScores`` also if the last echoed
    tokens are others than the continuation's: their log-probabilities would score all choices alike.
    """

    logprobs: object
    continuation: str
    text: str = ""

    def fits(self, generated: int) -> bool:
        """Whether the echo ends with the continuation, before so many generated tokens."""
        try:
            self._continuation(generated)
        except NoScores:
            return False
        return True

    def score(self, generated: int) -> float:
        """The log-probability of the continuation."""
        return float(sum(self._continuation(generated).values()))

    def greedy(self, generated: int) -> bool | None:
        """Whether greedy decoding yields the continuation; None if the server lists no alternative tokens."""
        values = self._continuation(generated)
        alternatives = self.logprobs.get("top_logprobs") if isinstance(self.logprobs, Mapping) else None
        if not isinstance(alternatives, list):
            return None
        for position, value in values.items():
            top = alternatives[position] if position < len(alternatives) else None
            listed = top.values() if isinstance(top, dict) else ()
            top_values = [other for other in listed if isinstance(other, int | float)]
            if not top_values:
                return None
            if value < max(top_values):
                return False
        return True

    def _continuation(self, generated: int) -> dict[int, float]:
        """The log-probabilities of the continuation, by position in the echo.

        Positions are found from the end, because a server may put a token before the prompt. A token that
        spans the border belongs to the continuation.
        """
        if not isinstance(self.logprobs, Mapping):
            raise NoScores
        tokens, values, offsets = (
            self.logprobs.get(key) for key in ("tokens", "token_logprobs", "text_offset")
        )
        if not (isinstance(tokens, list) and isinstance(values, list) and isinstance(offsets, list)):
            raise NoScores
        echoed = len(tokens) - generated
        if not 0 < echoed <= min(len(values), len(offsets)) or not all(
            isinstance(offset, int) for offset in offsets[:echoed]
        ):
            raise NoScores
        texts = [token if isinstance(token, str) else "" for token in tokens]
        ends = [*offsets[1:echoed], offsets[echoed - 1] + len(texts[echoed - 1])]
        border = ends[-1] - len(self.continuation)
        positions = [position for position, end in enumerate(ends[: len(values)]) if end > border]
        # the first token has none; at others null means NaN, unless there is no number at all
        if all(value is None for value in values[:echoed]) or (0 in positions and values[0] is None):
            raise NoScores
        scores = {at: number for at in positions if (number := log_probability(values[at])) is not None}
        if not positions or len(scores) < len(positions):
            raise NoScores
        self._check(texts[positions[0] : echoed], texts[echoed:])
        return scores

    def _check(self, tokens: Sequence[str], generated: Sequence[str]) -> None:
        """Raise ``NoScores`` unless the tokens end with the continuation."""
        if any(map(is_token_id, tokens)):
            raise NoScores(
                "returns numbers (token_id:...) instead of tokens; "
                "start it without --return-tokens-as-token-ids"
            )
        if end_with(tokens, self.continuation):
            return
        if are_unreadable(tokens) and end_with([self.text], self.continuation + "".join(generated)):
            return
        raise NoScores(
            f"echoes a prompt that ends with {one_line(repr(''.join(tokens)), 60)} instead of the choice "
            f"{one_line(repr(self.continuation), 60)}, so that its log-probabilities are not those of the "
            "choice; use --llm-mode=generate"
        )
