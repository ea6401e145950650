"""The process behind ``worker.Worker``. A script, started with the path of a job and imported by nobody.

It reads JSON, one message a line: first ``sys.path`` of the parent, then requests such as
``{"seconds": 5, "request": {...}}``. Each gets one line back; ``null`` if it took too long.

Time is limited by the kernel. A first timer interrupts Python code, and C code that looks for signals, as the
matching of patterns does; arithmetic with huge integers does not notice it, and a second timer, which no
handler catches, ends the process.
"""

from __future__ import annotations

import json
import runpy
import signal
import sys
from types import FrameType


class _TooSlow(BaseException):
    """Libraries catch ``Exception`` in many places, so this is none."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise _TooSlow


def _limit(seconds: float) -> None:
    """Interrupt what runs after ``seconds`` of processor time, end the process a second later; 0: never."""
    if hasattr(signal, "setitimer"):  # not on Windows, where the parent waits and kills
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        signal.setitimer(signal.ITIMER_PROF, seconds + 1 if seconds else 0)


def main() -> None:
    """Answer requests until the input ends."""
    job = runpy.run_path(sys.argv[1])
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGVTALRM, _interrupt)
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to end
    job["prepare"](json.loads(sys.stdin.readline()))
    print("{}", flush=True)
    for line in sys.stdin:
        message = json.loads(line)
        reply: object
        try:
            _limit(message["seconds"])
            reply = job["answer"](message["request"])
        except _TooSlow:
            reply = None
        except Exception as error:
            reply = {"error": type(error).__name__}
        finally:
            _limit(0)
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
