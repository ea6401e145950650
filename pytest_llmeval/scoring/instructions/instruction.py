"""An instruction that a program can verify, and the arguments that a data set gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from pytest_llmeval.core.errors import one_line, unknown
from pytest_llmeval.scoring.instructions.reply import Reply

#: converts a value of a data set; raises ``ValueError`` with what it must be
Argument: TypeAlias = Callable[[object], object]
Need: TypeAlias = Literal["sentences", "tokens", "language"]
RELATIONS = ("less than", "at least")


def text(value: object) -> str:
    """A text with something in it."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("a text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """A list of texts."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise ValueError("a list of texts")
    return tuple(map(text, value))


def count(value: object) -> int:
    """A whole number from 0; data sets in columns have it as 3.0."""
    whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not whole or value < 0:
        raise ValueError("a whole number from 0")
    return int(value)


def position(value: object) -> int:
    """A whole number from 1."""
    if (number := count(value)) < 1:
        raise ValueError("a whole number from 1")
    return number


def relation(value: object) -> str:
    """One of ``RELATIONS``."""
    if value not in RELATIONS:
        raise ValueError(" or ".join(map(repr, RELATIONS)))
    return str(value)


def character(value: object) -> str:
    """One character."""
    if not isinstance(value, str) or len(value.strip()) != 1:
        raise ValueError("one character")
    return value.strip()


def holds(number: int, relation: str, threshold: int) -> bool:
    """Whether ``number`` is ``less than`` or ``at least`` the threshold."""
    return number < threshold if relation == "less than" else number >= threshold


@dataclass(frozen=True, slots=True)
class Instruction:
    """A kind of instruction: ``verify(reply, **arguments)`` says whether a reply follows it.

    ``arguments`` are all that ``verify`` takes, each with the function that converts and checks it. ``needs``
    are the methods of ``Linguistics`` that it calls.
    """

    verify: Callable[..., bool]
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()


@dataclass(frozen=True, slots=True)
class Check:
    """An instruction of one question, with its arguments."""

    id: str
    instruction: Instruction
    arguments: Mapping[str, object]

    def follows(self, reply: Reply) -> bool:
        """Whether a reply follows the instruction. A blank one follows none."""
        return bool(reply.text.strip()) and self.instruction.verify(reply, **self.arguments)


def parse(
    ids: Sequence[object], arguments: Sequence[object], instructions: Mapping[str, Instruction]
) -> tuple[Check, ...]:
    """The checks of a question from its instruction ids and their arguments (an object each).

    Arguments that are null are none: data sets in columns have all of them in each row. Raises
    ``ValueError`` with the problem in one line: an unknown id, or arguments that are missing or malformed.
    """
    if not ids:
        raise ValueError("the question has no instructions")
    if len(arguments) != len(ids):
        raise ValueError(f"the question has {len(ids)} instructions, but arguments for {len(arguments)}")
    return tuple(_check(name, values, instructions) for name, values in zip(ids, arguments, strict=True))


def _check(name: object, values: object, instructions: Mapping[str, Instruction]) -> Check:
    if not isinstance(name, str) or name not in instructions:
        raise ValueError(str(unknown("instruction", one_line(str(name), 80), instructions)))
    if not isinstance(values, dict):
        raise ValueError(f"{name}: its arguments are {one_line(repr(values), 60)}, not an object")
    expected = instructions[name].arguments
    given = {key: value for key, value in values.items() if value is not None}
    for key in given:
        if key not in expected:
            raise ValueError(str(unknown("argument", one_line(str(key), 40), expected, where=name)))
    converted = {}
    for key, convert in expected.items():
        if key not in given:
            raise ValueError(f"{name}: the argument {key} is missing")
        try:
            converted[key] = convert(given[key])
        except ValueError as error:
            shown = one_line(repr(given[key]), 60)
            raise ValueError(f"{name}: {key} is {shown}, but must be {error}") from None
    return Check(name, instructions[name], converted)
