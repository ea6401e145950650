"""Adaptive concurrency: how many requests a server can take at once, learned from its responses.

Responses are counted in *rounds*. A round ends when as many responses have arrived as may be in flight,
and only requests sent in that round count. One overload is therefore handled once, however many
responses report it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

INITIAL = 16
MAXIMUM = 256
#: added each round once the first doubling is over; a round takes about two round trips
_STEP = 2.0
#: growth is assessed when the limit has grown by this factor ...
_ASSESSED_AT = 1.5
#: ... and continues if at least this share of it turned into throughput
_MIN_GAIN = 0.4
#: rounds without growth after growth that brought too little
_PAUSE_ROUNDS = 30


@dataclass(slots=True)
class ConcurrencyControl:
    """Limits the requests in flight: additive increase, multiplicative decrease.

    The limit doubles each round until the first overload, then grows slowly. A round with overload
    responses lowers it by half of their share: if all were refused, it is halved; a single refusal
    among many changes little. It also stops growing where latency grows in proportion, because then
    the server only queues. It stays between ``minimum`` and ``maximum``; equal bounds fix it.
    """

    target: float = INITIAL
    minimum: int = 1
    maximum: int = MAXIMUM
    in_flight: int = field(default=0, init=False)
    _round: int = field(default=0, init=False)
    _successes: int = field(default=0, init=False)
    _overloads: int = field(default=0, init=False)
    _latency_sum_s: float = field(default=0.0, init=False)
    _limit_reached: bool = field(default=False, init=False)
    _doubling: bool = field(default=True, init=False)
    _paused_rounds: int = field(default=0, init=False)
    #: an earlier target, and the mean latency (seconds) at it
    _reference: tuple[float, float] | None = field(default=None, init=False)

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return int(self.target)

    def start(self) -> int:
        """Count a request as in flight; returns its round, to be passed to the ``record_`` methods."""
        self.in_flight += 1
        self._limit_reached = self._limit_reached or self.in_flight >= self.limit
        return self._round

    def finish(self) -> None:
        """Count a request as no longer in flight."""
        self.in_flight -= 1

    def record_success(self, round_: int, latency_s: float) -> None:
        """A request of this round was answered after ``latency_s`` seconds."""
        if round_ == self._round:
            self._successes += 1
            self._latency_sum_s += latency_s
            self._end_round_if_complete()

    def record_overload(self, round_: int) -> None:
        """A request of this round was refused because the server is overloaded."""
        if round_ == self._round:
            self._overloads += 1
            self._end_round_if_complete()

    def _end_round_if_complete(self) -> None:
        responses = self._successes + self._overloads
        if responses < self.limit:
            return
        if self._overloads:
            self._set_target(self.target * (1 - self._overloads / responses / 2))
            self._doubling, self._reference = False, None
        elif self._limit_reached:  # an unused limit gives no evidence for a higher one
            self._consider_growth(max(self._latency_sum_s / self._successes, 1e-9))
        self._round += 1
        self._successes = self._overloads = 0
        self._latency_sum_s, self._limit_reached = 0.0, False

    def _consider_growth(self, latency_s: float) -> None:
        """Raise the target, unless the last increase brought too little throughput."""
        if self._paused_rounds:
            self._paused_rounds -= 1
            if not self._paused_rounds:
                self._reference = None
            return
        if self._reference is None:
            self._reference = self.target, latency_s
        elif self.target >= _ASSESSED_AT * self._reference[0]:
            previous, previous_latency_s = self._reference
            growth = self.target / previous
            gain = growth * previous_latency_s / latency_s  # of throughput, by Little's law
            if gain < 1 + _MIN_GAIN * (growth - 1):
                self._set_target(previous)
                self._doubling, self._paused_rounds = False, _PAUSE_ROUNDS
                return
            self._reference = self.target, latency_s
        self._set_target(self.target * 2 if self._doubling else self.target + _STEP)

    def _set_target(self, target: float) -> None:
        self.target = min(max(target, float(self.minimum)), float(self.maximum))
