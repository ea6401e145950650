"""Programs with inputs: scripts that read and write, and functions with arguments."""

from __future__ import annotations

import time

import pytest

from pytest_llmeval.scoring.metrics.outputs import output_problem
from pytest_llmeval.scoring.sandbox.base import Limits, Provider
from pytest_llmeval.scoring.sandbox.runner import Case, Cases, ProgramResult, run
from tests.support.sandboxes import PROVIDERS, why_skip

QUICK = Limits(seconds=3, memory_mb=512)
SUMS = [("1 2\n", "3"), ("4 5\n", "9")]


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request: pytest.FixtureRequest) -> Provider:
    chosen: Provider = request.param
    if (reason := why_skip(chosen)) is not None:
        pytest.skip(reason)
    return chosen


def script(code: str, provider: Provider, limits: Limits = QUICK) -> ProgramResult:
    cases = [Case(sent, lambda output, due=due: output_problem(output, due)) for sent, due in SUMS]
    return run(code, Cases(cases), limits, provider=provider)


def function(code: str, argument: object, expected: str, provider: Provider) -> ProgramResult:
    case = Case([argument], lambda output: None if output == expected else f"{output}")
    return run(code, Cases([case], "f"), QUICK, provider=provider)


@pytest.mark.parametrize(
    "code",
    [
        "print(sum(map(int, input().split())))",
        "import sys\nprint(sum(map(int, sys.stdin.read().split())))",
        "import sys\nprint(sum(map(int, sys.stdin.buffer.readline().split())), end='')",
        "print(sum(map(int, open(0).read().split())))",
        "def main():\n    print(sum(map(int, input().split())))\nif __name__ == '__main__':\n    main()",
        "print(sum(map(int, input().split())))\nexit()",
        "import threading\nthreading.Thread(target=lambda: print(sum(map(int, input().split())))).start()",
        "import atexit\natexit.register(lambda: print(total))\ntotal = sum(map(int, input().split()))",
        "print('\\n', sum(map(int, input().split())), '.0', sep='', end='\\n\\n')",
    ],
)
def test_scripts_that_pass(code: str, provider: Provider) -> None:
    assert script(code, provider) == ProgramResult(True)


@pytest.mark.parametrize(
    ("code", "case", "reason"),
    [
        ("print(3)", 1, "line 1 is '3', not '9'"),
        ("print(3)\nprint(3)", 0, "2 lines of output, not 1"),
        ("input()\ninput()", 0, "EOFError: EOF when reading a line"),
        ("import os\nos._exit(0)", 0, "line 1 is '', not '3'"),
        ("import os\nos.kill(os.getpid(), 9)", 0, "ended by signal 9"),
        ("def f(:", None, "before its tests: SyntaxError: invalid syntax (<answer>, line 1)"),
        ("while True: print('x' * 100)", 0, "more than 1,048,576 bytes of output"),
        ("x = bytearray(1 << 30)", 0, "MemoryError"),
        # state of one test does not reach the next one
        ("import os\nprint(9 if os.path.exists('seen') else 3)\nprint(end='')", 1, "line 1 is '3', not '9'"),
    ],
)
def test_scripts_that_fail(code: str, case: int | None, reason: str, provider: Provider) -> None:
    result = script(code, provider)
    assert (result.passed, result.reason, result.case) == (False, reason, case)


@pytest.mark.slow
@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.kill(os.getppid(), 9)",
        # it cannot write to the pipes of the process that reports its output
        'import os\nfor n in 3, 4, 5:\n    try: os.write(n, b\'{"output": "3"}\\n\')\n    except OSError: 0',
        "import os\nos.closerange(0, 64)",
        "import os\nos.execv('/usr/bin/true', ['true'])",
        "import sys\nsys.stdout = None",
    ],
)
def test_hostile_scripts(code: str, provider: Provider) -> None:
    assert not script(code, provider).passed


@pytest.mark.slow
def test_time_is_that_of_each_test(provider: Provider) -> None:
    slow = "import time\ntime.sleep(1.2)\nprint(sum(map(int, input().split())))"
    assert script(slow, provider, Limits(seconds=2)).passed
    started = time.monotonic()
    result = script("while True: pass", provider, Limits(seconds=1))
    assert (result.reason, result.case) == ("not done after 1 s", 0)
    assert time.monotonic() - started < 30


def test_long_inputs_and_outputs(provider: Provider) -> None:
    text = "é1234567\n" * 100_000
    case = Case(text, lambda output: None if output == text else "other", len(text.encode()))
    assert run(
        "import sys\nsys.stdout.write(sys.stdin.read())", Cases([case]), QUICK, provider=provider
    ).passed


def test_functions(provider: Provider) -> None:
    assert function("def f(x): return x + 1", 1, "2", provider).passed
    assert function("class Solution:\n    def f(self, x): return (x, [x])", 1, "[1, [1]]", provider).passed
    assert function(
        "def f(x):\n    print('noise')\n    return x", {"a": None}, '{"a": null}', provider
    ).passed
    nested = function("def f(x): return [(x,)]", 1, "[[1]]", provider)
    assert nested.reason == "TypeError: the result is not a value of JSON: [(1,)]"  # unequal in LiveCodeBench
    assert function("def g(x): return x", 1, "1", provider).reason == "KeyError: 'f'"
    assert (
        function("def f(x): return 1 / 0", 1, "1", provider).reason == "ZeroDivisionError: division by zero"
    )
    assert not function("import sys\nsys.exit()", 1, "1", provider).passed
