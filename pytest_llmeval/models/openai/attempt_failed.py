"""An attempt without an answer, and what it says about sending the request again."""

from __future__ import annotations

from pytest_llmeval.models.openai.failures import RETRYABLE
from pytest_llmeval.models.openai.known_failures import FailureKind

_REJECTED = (400, 413, 422)
#: seconds; a server that asks for a longer wait ends the run
MAX_WAIT_S = 300.0


class AttemptFailed(Exception):
    """An attempt without an answer; ``str()`` is the reason, and may contain secrets that the server echoed.

    ``status`` is the response's status, or 0 without a response; ``kind`` says what the failure means;
    ``codes`` are the error's codes and types in lower case; ``retry_after_s`` is the wait that the server
    requests. ``unreachable`` means that there was no connection; ``timed_out`` that there was one, but no
    response in time; ``html`` that the response is a web page. ``advice`` says what to do about a connection
    that never works. ``reported`` means that a 200 is an error report and nothing else.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        kind: FailureKind = FailureKind.TEMPORARY,
        codes: frozenset[str] = frozenset(),
        retry_after_s: float | None = None,
        unreachable: bool = False,
        timed_out: bool = False,
        html: bool = False,
        advice: str | None = None,
        reported: bool = False,
    ) -> None:
        super().__init__(f"status {status}: {message}" if status not in (0, 200) else message)
        self.message = message
        self.status = status
        self.kind = FailureKind.SLOW if timed_out else kind
        self.codes = codes
        self.retry_after_s = retry_after_s
        self.unreachable = unreachable
        self.timed_out = timed_out
        self.html = html
        self.advice = advice
        self.reported = reported

    @property
    def overloaded(self) -> bool:
        """Whether the server reports that it is overloaded."""
        return self.kind is FailureKind.OVERLOADED

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self.kind in RETRYABLE

    @property
    def rejected(self) -> bool:
        """Whether the server rejected the request itself, so that another one may be accepted."""
        return self.status in _REJECTED or self.kind is FailureKind.REFUSED

    @property
    def may_be_rejection(self) -> bool:
        """Whether the server may have rejected the request itself, if its words say so."""
        gateway_hides_status = self.kind in (FailureKind.TEMPORARY, FailureKind.FORBIDDEN)
        return self.rejected or (gateway_hides_status and (self.status >= 400 or self.reported))

    @property
    def asks_too_long(self) -> bool:
        """Whether the server asks for a wait that is too long to wait in a run."""
        return self.retryable and self.retry_after_s is not None and self.retry_after_s > MAX_WAIT_S
