"""Single lines for the terminal: progress of a run, errors by cause, verdicts of gates.

Each is one line whatever its length, so that a log can be searched.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_llmeval.analysis.gate import GateResult
from pytest_llmeval.report.table import GAP, Paint, plain
from pytest_llmeval.report.text import clean
from pytest_llmeval.results.activity import Activity

#: answers before a rate is shown: the first ones only measure how long the model took to load
_RATE_FROM = 8
#: seconds without an answer before this is worth saying
_QUIET_S = 3.0
_MAX_CAUSES = 20
_MAX_IDS = 3


def status_line(
    name: str,
    done: int,
    planned: int,
    correct: int,
    scored: int,
    elapsed: float,
    ready: int = 0,
    *,
    interval: tuple[float, float] | None = None,
    stored: int = 0,
    errors: int = 0,
) -> str:
    """The progress of a run: ``ceval 412/1346  acc 31.2% (26.9-35.9)  18.3 q/s  ETA 51 s  3 errors``.

    ``elapsed`` is in seconds; ``planned`` is 0 while unknown. ``ready`` answers have arrived but wait for
    their test; they count towards the rate. ``stored`` answers came from the store.
    """
    pieces = [f"{clean(name)} {done}/{planned or '?'}"]
    if scored:
        ends = "" if interval is None else f" ({interval[0] * 100:.1f}-{interval[1] * 100:.1f})"
        pieces.append(f"acc {correct / scored:.1%}{ends}")
    answered = done + ready
    if answered >= _RATE_FROM and elapsed > 0:
        rate = answered / elapsed
        pieces.append(f"{rate:.1f} q/s" if rate >= 0.95 else f"{1 / rate:.1f} s/q")
        if planned > answered:
            pieces.append(f"ETA {_duration((planned - answered) / rate)}")
    if stored:
        pieces.append(f"{stored} from the store")
    if errors:
        pieces.append("1 error" if errors == 1 else f"{errors} errors")
    return GAP.join(pieces)


def waiting_text(activity: Activity) -> str:
    """What a model does while a test waits: ``64 sent, 12 back  retrying ...  no answer for 20 s``."""
    quiet = _duration(activity.quiet_s)
    status = None if activity.status is None else clean(activity.status)
    if not activity.sent:
        return f"{status or 'starting'}, {quiet}"
    pieces = [f"{activity.sent} sent, {activity.back} back"]
    pieces += [] if status is None else [status]
    pieces += [f"no answer for {quiet}"] if activity.quiet_s >= _QUIET_S else []
    return GAP.join(pieces)


def error_groups(
    errors: Iterable[tuple[str, str]],
    unicode: bool = True,
    paint: Paint = plain,
    most: int = _MAX_CAUSES,
) -> list[str]:
    """A line for each of the ``most`` frequent causes of errors, given as (question id, message).

    Messages that differ only in numbers have the same cause.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for id, message in errors:
        text = clean(message, unicode=unicode) or "no message"
        groups.setdefault(cause_key(text), []).append((id, text))
    ordered = sorted(groups.values(), key=len, reverse=True)
    lines = []
    for group in ordered[:most]:
        ids = first_ids([id for id, _ in group], unicode)
        head = f"{len(group)} {'×' if unicode else 'x'} {group[0][1]}"
        lines.append(f"{paint(head, red=True)} ({ids})")
    rest = ordered[most:]
    if rest:
        lines.append(f"and {sum(map(len, rest))} more errors with {len(rest)} other causes")
    return lines


def cause_key(message: str) -> str:
    """The cause of an error: equal for messages that differ only in numbers."""
    return re.sub(r"0x[0-9a-fA-F]+|\d+", "#", message)


def first_ids(ids: Sequence[str], unicode: bool = True) -> str:
    """The first few ids of questions, with dots for the others."""
    more = ", ..." if len(ids) > _MAX_IDS else ""
    return ", ".join(clean(id, unicode=unicode) for id in ids[:_MAX_IDS]) + more


def gate_lines(verdicts: Iterable[GateResult], unicode: bool = True, paint: Paint = plain) -> list[str]:
    """A line for each verdict: red if it fails the run, green if the gate passed, yellow otherwise."""
    lines = []
    for verdict in verdicts:
        # a gate may apply to several benchmarks, or to several tests of one, so say which one this is
        is_named = "=" in verdict.expr and (verdict.benchmark or "") in verdict.expr
        benchmark = None if is_named else verdict.benchmark
        names = ", ".join(name for name in (benchmark, verdict.model) if name)
        word = verdict.verdict.replace("_", " ").upper()
        text = f"gate {verdict.expr}: {word}{f' [{names}]' if names else ''}: {verdict.reason}"
        colour = "red" if verdict.failed else "green" if verdict.verdict == "pass" else "yellow"
        lines.append(paint(clean(text, unicode=unicode), **{colour: True}))
    return lines


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes}:{rest:02} min" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02} h"
