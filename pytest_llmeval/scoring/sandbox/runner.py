"""Run a program that a model wrote, with the tests it must pass, in a sandbox.

A *provider* starts ``guest.py`` isolated from network, files, processes, environment and privileges; this
module sends it the program and judges what comes back.

Tests in Python run in the process of the program. It reports success with a token that it receives together
with the tests, after the program itself has run: a program that ends the process earlier does not pass. Tests
with inputs are decided here: the sandbox receives inputs only, and returns outputs.
"""

from __future__ import annotations

import os
import secrets
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pytest_llmeval.core.errors import one_line
from pytest_llmeval.scoring.sandbox.base import START_S, Guest, Limits, Provider, SandboxFailed
from pytest_llmeval.scoring.sandbox.conversation import Conversation, number_of, parsed, text_of

__all__ = ["Case", "Cases", "Limits", "ProgramResult", "PythonTests", "SandboxFailed", "run"]

#: the longest output of a test in bytes, unless twice the expected one is longer
_LEAST_OUTPUT = 1 << 20


@dataclass(frozen=True, slots=True)
class PythonTests:
    """Tests that are Python code, run in the namespace of the program.

    ``modules`` are the packages that they import.
    """

    code: str
    modules: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One input: a text for standard input, or a list of arguments.

    ``problem(output)`` says on one line what is wrong with an output, or returns None. ``longest`` is the
    length of the expected output in bytes.
    """

    input: str | list[object]
    problem: Callable[[str], str | None]
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Cases:
    """Tests with inputs, each of which runs the program anew.

    Without a ``function`` the program is a script. With one its result, as JSON, is the output; a class
    ``Solution`` may have it as a method.
    """

    cases: Sequence[Case]
    function: str | None = None


@dataclass(frozen=True, slots=True)
class ProgramResult:
    """Whether the program passed its tests, and if not why, on one line.

    ``line`` is the line of the tests in Python that failed, ``case`` the index of the failed case.
    """

    passed: bool
    reason: str = ""
    line: int | None = field(default=None, compare=False)
    case: int | None = field(default=None, compare=False)


def run(
    code: str, tests: PythonTests | Cases, limits: Limits | None = None, *, provider: Provider
) -> ProgramResult:
    """Run ``code`` and its tests. Raises ``SandboxFailed``.

    A program that searches the memory of its own Python for the token can find it: see docs/code.md.
    """
    limits = limits or Limits()
    if isinstance(tests, Cases):
        guest = Guest(limits, runs=max(1, len(tests.cases)))
    else:
        guest = Guest(limits, modules=tests.modules)
    with provider.start(guest) as process:
        conversation = Conversation(process)
        _begin(process, conversation)
        if isinstance(tests, Cases):
            return _run_cases(conversation, code, tests, limits)
        return _run_tests(conversation, code, tests, limits)


def _begin(process: subprocess.Popen[bytes], conversation: Conversation) -> None:
    """Wait until the sandbox is ready; the program has not been sent, so its replies can be trusted."""
    line = conversation.line(time.monotonic() + START_S)
    if line == b"begun":
        return
    reason = text_of(parsed(line), "problem") or _complaint(process)
    if line is None:
        reason = f"not started within {START_S:g} s"
    raise SandboxFailed(one_line(reason or "Python does not start in the sandbox", 300))


def _complaint(process: subprocess.Popen[bytes]) -> str:
    """Why a process did not start, from its standard error: its own message, else the last line."""
    assert process.stderr is not None
    os.set_blocking(process.stderr.fileno(), False)
    try:
        text = os.read(process.stderr.fileno(), 65_536).decode(errors="replace")
    except BlockingIOError:
        return ""
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    program = str(process.args[0]) if isinstance(process.args, list) else ""
    own = [line.removeprefix(f"{program}: ") for line in lines if line.startswith(f"{program}: ")]
    return (own or lines[-1:] or [""])[0]


def _run_tests(conversation: Conversation, code: str, tests: PythonTests, limits: Limits) -> ProgramResult:
    token = secrets.token_hex(32)
    conversation.send({"kind": "tests", "code": code})
    until = time.monotonic() + limits.seconds
    line = conversation.line(until)
    if line == b"ready":
        conversation.send({"tests": tests.code, "word": token})
        line = conversation.line(until)
    if line is None:
        return ProgramResult(False, f"not done after {limits.seconds:g} s")
    message = parsed(line)
    if secrets.compare_digest(text_of(message, "passed").encode(), token.encode()):
        return ProgramResult(True)
    if failed := text_of(message, "failed"):
        if message.get("where") == "tests":
            return ProgramResult(False, one_line(failed, 200), line=number_of(message, "line"))
        return ProgramResult(False, "before its tests: " + one_line(failed, 200))
    return ProgramResult(False, "it ended before its tests did")


def _run_cases(conversation: Conversation, code: str, tests: Cases, limits: Limits) -> ProgramResult:
    conversation.send({"kind": "cases", "code": code, "function": tests.function})
    for index, case in enumerate(tests.cases):
        most = max(_LEAST_OUTPUT, 2 * case.longest)
        conversation.send({"input": case.input, "most": most, "cpu_s": limits.cpu_s})
        # a control character takes six bytes in JSON
        line = conversation.line(time.monotonic() + limits.seconds, 6 * most + 65_536)
        message = parsed(line)
        if failed := text_of(message, "failed"):
            return ProgramResult(False, "before its tests: " + one_line(failed, 200))
        if line is None:
            reason: str | None = f"not done after {limits.seconds:g} s"
        elif message.get("too_long"):
            reason = f"more than {most:,} bytes of output"
        elif error := text_of(message, "error"):
            reason = one_line(error, 200)
        elif signal := number_of(message, "signal"):
            reason = f"ended by signal {signal}"
        elif "output" not in message:
            reason = "it ended before its tests did"
        else:
            reason = case.problem(text_of(message, "output"))
        if reason is not None:
            return ProgramResult(False, reason, case=index)
    return ProgramResult(True)
