"""The keys of subjects that a column names in words: ``Intermediate Algebra`` is ``intermediate_algebra``."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

from pytest_llmeval.suites.benchmark import Subject

_LONGEST = 70
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}")


def subject_keys(values: Iterable[str], declared: Mapping[str, Subject]) -> dict[str, str]:
    """The key of each subject that a column names; values that are blank have none.

    A value names a declared subject by its key or by its name in English or Chinese. A value that is a key
    stays as it is. Others become one: words joined by underscores, or a short hash where no ASCII letter or
    digit is left, which does not depend on the other values.
    """
    names = {
        name.casefold(): key
        for key, subject in declared.items()
        for name in (subject.zh, subject.name, key)
        if name
    }
    stripped = {value: text for value in values if (text := value.strip())}
    keys: dict[str, str] = {}
    used = set(declared)
    for text in dict.fromkeys(stripped.values()):
        key = names.get(text.casefold())
        if key is None:
            key = text if _KEY.fullmatch(text) else _slug(text)
            if key in used:  # "A B" and "A-B"
                key = f"{key}_{_hash(text)}"
        used.add(key)
        keys[text] = key
    return {value: keys[text] for value, text in stripped.items()}


def _slug(text: str) -> str:
    words = "_".join(re.findall(r"[A-Za-z0-9]+", text)).lower()[:_LONGEST]
    return words or f"subject_{_hash(text)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:6]
