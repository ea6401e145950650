"""The failures of tests: which of them judge the model's answer, and which are errors.

A test judges an answer by an assertion of its own. Everything else that fails says nothing about the answer:
a time limit of another plugin, a bug in a metric, a broken fixture, a hook of another plugin. It is an error
of the question, in its own words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import CodeType, FrameType, TracebackType

import pytest

from pytest_llmeval.core.errors import LLMEvalError, ModelUnusable, RequestFailed, one_line

#: raised to skip a test or to end the session, so not failures
_CONTROL = (
    pytest.skip.Exception,
    pytest.xfail.Exception,
    pytest.exit.Exception,
    KeyboardInterrupt,
    GeneratorExit,
)
_PACKAGE = __name__.partition(".")[0] + "."


def is_failure(error: BaseException) -> bool:
    """Whether an exception is a failure, rather than a skip, an expected failure or an interruption."""
    return not isinstance(error, _CONTROL)


def judges_answer(error: BaseException, function: Callable[..., object]) -> bool:
    """Whether an exception is an assertion of the test ``function`` on the model's answer.

    It must come from the function or from what it calls. An exception from code of this package (a metric
    or extractor at work) does not judge the answer, nor does one from a signal handler, which may interrupt
    the test anywhere.
    """
    if not isinstance(error, (AssertionError, pytest.fail.Exception)):
        return False
    codes = set(_codes(function))
    inside = False
    for frame in _frames(error.__traceback__):
        if inside and (_is_ours(frame) or _is_signal_handler(frame)):
            return False
        inside = inside or frame.f_code in codes
    return inside


def _codes(function: Callable[..., object] | None) -> Iterator[CodeType]:
    """The code of a function, and of those that it wraps."""
    while function is not None:
        code = getattr(function, "__code__", None)
        if isinstance(code, CodeType):
            yield code
        function = getattr(function, "__wrapped__", None)


def _frames(traceback: TracebackType | None) -> Iterator[FrameType]:
    while traceback is not None:
        yield traceback.tb_frame
        traceback = traceback.tb_next


def _is_ours(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__")).startswith(_PACKAGE)


def _is_signal_handler(frame: FrameType) -> bool:
    """Whether a frame is a signal handler's: its caller, the interrupted frame, is one of its arguments."""
    caller = frame.f_back
    count = frame.f_code.co_argcount
    return (
        caller is not None
        and count > 1
        and any(frame.f_locals.get(name) is caller for name in frame.f_code.co_varnames[:count])
    )


def cause(error: BaseException) -> str:
    """A failure in its own words, on one line."""
    if isinstance(error, (LLMEvalError, pytest.fail.Exception)):
        return one_line(error)
    return one_line(f"{type(error).__name__}: {error}")


def describe(error: BaseException) -> str:
    """A failure of a test, as the error of its question."""
    verb = "failed:" if isinstance(error, (LLMEvalError, pytest.fail.Exception)) else "raised"
    return f"the test {verb} {cause(error)}"


def cause_of_report(report: pytest.TestReport) -> str:
    """The words of a failed report whose exception is unknown."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = report.longreprtext if crash is None else crash.message
    lines = [line for line in text.splitlines() if line.strip()]
    return one_line(lines[0 if crash is not None else -1]) if lines else "no message"


class ErrorCapture:
    """A context manager that catches a failure of a test function."""

    __slots__ = ("error", "function", "unexpected")

    def __init__(self, function: Callable[..., object]) -> None:
        self.function = function
        self.error: BaseException | None = None
        #: whether ``error`` is neither a failed request nor an assertion on the answer
        self.unexpected = False

    def __enter__(self) -> ErrorCapture:
        return self

    def __exit__(self, kind: object, error: BaseException | None, where: object) -> bool:
        if error is None or not is_failure(error):
            return False
        self.error = error
        self.unexpected = not (
            isinstance(error, (ModelUnusable, RequestFailed)) or judges_answer(error, self.function)
        )
        if not self.unexpected:
            # the traceback is never shown, and its frames would be a reference cycle
            error.with_traceback(None)
        return True
