"""Which kind of failure is this answer? Who is to blame decides whether to send again, fail or stop.

Statuses say little: a 403 may mean the key, an empty account, the model, a filter or a firewall, and a 429
may never pass. So codes and words (``known_failures.py``) come before the status.
"""

from __future__ import annotations

import re

from pytest_llmeval.models.openai import known_failures as known
from pytest_llmeval.models.openai.error_bodies import Evidence
from pytest_llmeval.models.openai.known_failures import FailureKind

RETRYABLE = frozenset([FailureKind.TEMPORARY, FailureKind.OVERLOADED, FailureKind.SLOW])

#: numbers that other servers use for other things count only with these statuses
_NUMBER_STATUSES = frozenset([200, 400, 401, 402, 403, 404, 429, 434])
#: where the words of a filter count: elsewhere they are a server's name for something else
_MODERATED_STATUSES = frozenset([200, 400, 403, 406, 422, 451])
_TEMPORARY_STATUSES = frozenset([200, 408, 409, 424, 425, 499])
_OVERLOADED_STATUSES = frozenset([429, 498, 503, 529])
_SLOW_STATUSES = frozenset([504, 524])


def classify(found: Evidence, wait_s: float | None = None) -> FailureKind:
    """The kind of the failure that an answer reports; ``wait_s`` is the wait (seconds) that it asks for."""
    status, words = found.status, found.words
    codes = _code_kinds(found)
    if known.ADDRESS.search(words):
        return FailureKind.ADDRESS
    if _is_quota(found, codes, wait_s):
        return FailureKind.QUOTA
    if _is_moderation(found, codes):
        return FailureKind.MODERATED
    if known.UNSUPPORTED.search(words) or (status == 403 and known.TOO_LONG.search(words)):
        return FailureKind.REFUSED
    if status in (200, 400, 401, 403, 429) and _is_model(found, codes):
        return FailureKind.MODEL
    if status == 401 or (status in (400, 403, 200) and (FailureKind.KEY in codes or known.KEY.search(words))):
        return FailureKind.KEY
    if status in (404, 405):
        return FailureKind.MODEL
    if status == 400 and known.RELOADING.search(words):
        return FailureKind.TEMPORARY
    if status in (400, 413, 422) or (status == 429 and known.TOO_LARGE.search(words)):
        return FailureKind.REFUSED
    if _is_overload(found, codes, wait_s):
        return FailureKind.OVERLOADED
    if status in _SLOW_STATUSES or (status == 408 and known.TIMED_OUT.search(words)):
        return FailureKind.SLOW
    if status in _TEMPORARY_STATUSES or status >= 500:
        return FailureKind.TEMPORARY
    # the page of a firewall, which may have blocked this question only
    return FailureKind.FORBIDDEN if status == 403 and not found.html else FailureKind.REFUSED


def _is_quota(found: Evidence, codes: frozenset[FailureKind], wait_s: float | None) -> bool:
    if found.html or known.BUSY.search(found.words):
        return False
    text = " ".join((found.words, *found.codes))
    if FailureKind.QUOTA in codes or known.QUOTA.search(found.words):
        return True
    if found.status == 429 and known.NEVER_TODAY.search(text):
        return True
    if wait_s is not None or found.status not in (200, 400, 401, 402, 403, 429):
        return False
    return found.status == 402 or known.UNCLEAR_QUOTA.search(text) is not None


def _is_moderation(found: Evidence, codes: frozenset[FailureKind]) -> bool:
    if FailureKind.MODERATED in codes or found.status == 451:
        return True
    if found.html or not codes.isdisjoint((FailureKind.KEY, FailureKind.MODEL)):
        return False
    return found.status in _MODERATED_STATUSES and known.MODERATED.search(found.words) is not None


def _is_model(found: Evidence, codes: frozenset[FailureKind]) -> bool:
    if FailureKind.MODEL in codes:
        return True
    if found.html or FailureKind.KEY in codes:
        return False
    if found.status == 429:  # words about the model name the one whose limit is reached
        return False
    return known.MODEL.search(found.words) is not None or (
        found.status in (401, 403) and known.MODEL_ACCESS.search(found.words) is not None
    )


def _is_overload(found: Evidence, codes: frozenset[FailureKind], wait_s: float | None) -> bool:
    status = found.status
    if FailureKind.OVERLOADED in codes or status in _OVERLOADED_STATUSES:
        return True
    if wait_s is not None and (status == 402 or status >= 500):
        return True
    return status in (200, 402, 403) and known.OVERLOADED.search(found.words) is not None


def _code_kinds(found: Evidence) -> frozenset[FailureKind]:
    numbers_count = found.status in _NUMBER_STATUSES
    codes = {code for code in found.codes if numbers_count or not code.isdigit()}
    kinds = {kind for kind, names in known.CODES.items() if not names.isdisjoint(codes)}
    kinds |= {
        kind for prefix, kind in known.CODE_PREFIXES.items() for code in codes if code.startswith(prefix)
    }
    return frozenset(kinds)


_IDS = re.compile(r"(?<![\w.:/+-])(?=[\w.:/+-]*\d)[\w.:/+-]{8,80}(?![\w.:/+-])")


def alike(reason: str) -> str:
    """A reason without request ids, times and other long tokens with digits, to compare refusals.

    >>> alike("not allowed (request id: 2025010212abc)") == alike("not allowed (request id: 2025010399xyz)")
    True
    """
    return _IDS.sub("#", reason)
