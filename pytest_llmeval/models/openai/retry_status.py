"""The requests of a run that are being sent again, and why, as a text for people who wait."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class RetryStatus:
    """Which requests failed and are sent again, up to ``retries`` times.

    ``text`` may be read by another thread than the one that calls the other methods.
    """

    retries: int
    _failures: dict[object, int] = field(default_factory=dict)
    _reason: str = ""

    def failed(self, request: object, failures: int, reason: str) -> None:
        """``request``, which failed ``failures`` times, will be sent again."""
        self._reason = reason
        self._failures[request] = failures

    def ended(self, request: object) -> None:
        """``request`` was answered, or is given up."""
        self._failures.pop(request, None)

    def text(self, paused_s: float = 0.0) -> str | None:
        """``retrying 3 requests, attempt 2 of 6: status 500: overloaded``; None if none is sent again.

        ``paused_s`` is for how many seconds the server has asked to wait.
        """
        failures = list(self._failures.values())
        if not failures:
            return None
        requests = "1 request" if len(failures) == 1 else f"{len(failures)} requests"
        attempt = f"attempt {min(max(failures), self.retries) + 1} of {self.retries + 1}"
        wait = f"; the server asks to wait {paused_s:.0f} s" if paused_s >= 1 else ""
        return f"retrying {requests}, {attempt}: {self._reason}{wait}"
