"""How many requests a server takes at once, learnt from how it answers.

Time goes in *rounds*: one is over when as many replies have come as requests may be in flight, and
only what was sent within it counts. So one overload is noticed once, however many replies tell of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

START = 16
MOST = 256
#: added a round, once the first doubling is over; a round takes about two round trips
_STEP = 2.0
#: what was gained is judged when the level has grown by so much ...
_JUDGED_AT = 1.5
#: ... and it is worth it when so much of that came out as throughput
_WORTH = 0.4
#: rounds without growth after one that was not worth it
_REST = 30


@dataclass(slots=True)
class Level:
    """The number of requests in flight: additive increase, multiplicative decrease.

    It doubles each round until the first trouble, and then grows slowly. A round in which some were
    refused for overload takes half of their share off: all refused halves it, a stray one of many is
    hardly felt. It also stops growing where latency grows as much as it does, for then the server
    only queues. Always from ``least`` to ``most``; both the same fix it.
    """

    level: float = START
    least: int = 1
    most: int = MOST
    in_flight: int = field(default=0, init=False)
    _round: int = field(default=0, init=False)
    _good: int = field(default=0, init=False)
    _refused: int = field(default=0, init=False)
    _seconds: float = field(default=0.0, init=False)
    _full: bool = field(default=False, init=False)
    _doubling: bool = field(default=True, init=False)
    _rest: int = field(default=0, init=False)
    #: a level, and the mean latency (seconds) at it
    _reference: tuple[float, float] | None = field(default=None, init=False)

    @property
    def limit(self) -> int:
        """How many may be in flight now."""
        return int(self.level)

    def sent(self) -> int:
        """One more is in flight; returns what to give back with its reply."""
        self.in_flight += 1
        self._full = self._full or self.in_flight >= self.limit
        return self._round

    def ended(self) -> None:
        """One less is in flight."""
        self.in_flight -= 1

    def good(self, sent: int, seconds: float) -> None:
        """What was ``sent`` then was answered after so many seconds."""
        if sent == self._round:
            self._good += 1
            self._seconds += seconds
            self._turn_if_over()

    def refused(self, sent: int) -> None:
        """What was ``sent`` then was refused because the server has too much to do."""
        if sent == self._round:
            self._refused += 1
            self._turn_if_over()

    def _turn_if_over(self) -> None:
        heard = self._good + self._refused
        if heard < self.limit:
            return
        if self._refused:
            self._set(self.level * (1 - self._refused / heard / 2))
            self._doubling, self._reference = False, None
        elif self._full:  # a level that was not reached says nothing of a higher one
            self._consider(max(self._seconds / self._good, 1e-9))
        self._round += 1
        self._good = self._refused = 0
        self._seconds, self._full = 0.0, False

    def _consider(self, latency: float) -> None:
        """Grow, unless the last growth was of no use."""
        if self._rest:
            self._rest -= 1
            if not self._rest:
                self._reference = None
            return
        if self._reference is None:
            self._reference = self.level, latency
        elif self.level >= _JUDGED_AT * self._reference[0]:
            before, latency_before = self._reference
            growth = self.level / before
            gain = growth * latency_before / latency  # of throughput, by Little's law
            if gain < 1 + _WORTH * (growth - 1):
                self._set(before)
                self._doubling, self._rest = False, _REST
                return
            self._reference = self.level, latency
        self._set(self.level * 2 if self._doubling else self.level + _STEP)

    def _set(self, level: float) -> None:
        self.level = min(max(level, float(self.least)), float(self.most))
