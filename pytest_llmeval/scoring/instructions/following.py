"""Whether a reply follows its instructions, strictly and loosely, as IFEval counts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llmeval.scoring.instructions.instruction import Check
from pytest_llmeval.scoring.instructions.reply import Linguistics, Reply


@dataclass(frozen=True, slots=True)
class Followed:
    """Whether each instruction of a question was followed, in their order."""

    strict: tuple[bool, ...]
    loose: tuple[bool, ...]


def follow(text: str, checks: Sequence[Check], linguistics: Linguistics) -> Followed:
    """Check a reply. An instruction is loosely followed if one of the reply's ``variants`` follows it."""
    replies = [Reply(variant, linguistics) for variant in variants(text)]
    strict = tuple(check.follows(replies[0]) for check in checks)
    loose = tuple(
        followed or any(map(check.follows, replies[1:]))
        for followed, check in zip(strict, checks, strict=True)
    )
    return Followed(strict, loose)


def variants(text: str) -> tuple[str, ...]:
    """The eight texts that IFEval checks loosely, the reply itself first.

    They are the reply, and the reply without its first line, its last line, and both; each with its stars
    and without them, which are markup more often than not.
    """
    lines = text.split("\n")
    shorter = ("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))
    whole = (text, *shorter)
    return (*whole, *(variant.replace("*", "") for variant in whole))
