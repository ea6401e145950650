r"""The job of the process that compares formulas with math-verify; run by ``worker_main``, never imported.

A request is ``{"gold": LaTeX, "answer": LaTeX}``, the answer ``{"equal": true, "gold": "0.5", "answer":
"0.5"}``: the numbers are those of formulas with a real value.

Model text is never evaluated as Python. math-verify has two parsers: that of plain expressions hands text to
sympy's ``parse_expr``, which is ``eval``, and is not used here; that of LaTeX is a grammar, but hands the
digits of numbers to ``eval`` as well, so they are read here. As a second wall, an audit hook refuses to
compile or execute text, to open files for writing, to start processes, and to connect.
"""

from __future__ import annotations

import logging
import os
import sys
from fractions import Fraction
from functools import cache
from types import FrameType
from typing import Any

#: of the address space, so that a huge power cannot fill the machine
_MEMORY_BYTES = 4 << 30
_DIGITS = 30
#: sympy's own generator of functions, whose source depends on a number of variables alone, not on any text
_GENERATOR = os.path.join("sympy", "polys", "monomials.py")
#: audit events that no comparison needs
_REFUSED: tuple[str, ...] = (
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "subprocess.Popen",
)
_REFUSED += (
    "socket.connect",
    "socket.bind",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "shutil.rmtree",
    "ctypes.dlopen",
)


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse what would evaluate text as Python, or touch anything outside of this process."""
    if event == "compile" or (event == "exec" and str(arguments[0].co_filename).startswith("<")):
        frame: FrameType | None = sys._getframe(1)
        if frame is not None and frame.f_code.co_filename.endswith(_GENERATOR):
            return
        while frame is not None:  # an import of sympy compiles the module's own source
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                return
            frame = frame.f_back
        raise RuntimeError("a comparison of formulas never evaluates text as Python")
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        raise RuntimeError("a comparison of formulas writes no files")
    if event in _REFUSED:
        raise RuntimeError(f"a comparison of formulas does not need {event}")


@cache
def _converter() -> Any:
    """math-verify's parser of LaTeX, but with exact numbers that no ``eval`` has read.

    Its own ``parse_number`` calls ``sympy.Number(text)``, which evaluates the digits as Python.
    """
    from latex2sympy2_extended import latex2sympy2
    from sympy import Integer, Rational

    def number(text: str) -> Any:
        digits = text.replace(",", "")
        return Rational(*Fraction(digits).as_integer_ratio()) if "." in digits else Integer(int(digits))

    class Converter(latex2sympy2._Latex2Sympy):  # type: ignore[misc]
        def parse_number(self, text: str) -> Any:
            return number(text)

    latex2sympy2.convert_number = number
    config = latex2sympy2.ConversionConfig(lowercase_symbols=False)
    return lambda real: Converter(None, real, False, config)


def _parsed(latex: str, real: bool) -> Any:
    """The sympy object of LaTeX. Raises any exception of the parser."""
    return _converter()(real).parse(latex)


def _number(formula: Any) -> str | None:
    """The decimals of a formula with a real value."""
    try:
        if formula.free_symbols:
            return None
        number = formula.evalf(_DIGITS)
        return str(number) if number.is_Float or number.is_Integer else None
    except Exception:
        return None


def _is_undefined(formula: Any) -> bool:
    """Whether a formula divides by 0, or has another part without a value."""
    from sympy import nan, zoo

    return bool(getattr(formula, "has", lambda *_: False)(nan, zoo))


def _compared(gold: str, answer: str) -> dict[str, Any]:
    from math_verify.grader import should_treat_as_complex, verify

    real = not (should_treat_as_complex(gold) or should_treat_as_complex(answer))
    try:
        formulas = _parsed(gold, real), _parsed(answer, real)
    except Exception:
        return {"equal": False, "problem": "not a formula that math-verify reads"}
    if any(_is_undefined(one) for one in formulas):  # infinities of all kinds are equal to each other
        return {"equal": False, "problem": "not defined"}
    equal = verify(*formulas, timeout_seconds=None, numeric_precision=50)
    if equal:
        return {"equal": True}
    return {"equal": False, "gold": _number(formulas[0]), "answer": _number(formulas[1])}


def prepare(path: list[str]) -> None:
    """Load the libraries from the parent's ``sys.path``, limit memory, and put up the second wall."""
    sys.path[:] = path
    logging.disable(logging.CRITICAL)
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(10_000)
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, ValueError, OSError):
        pass  # not on Windows
    # the parser's tables are built by use
    _compared(r"\frac{\sqrt{2}}{2}+x^{2}", r"x^{2}+\frac{1}{\sqrt{2}}")
    sys.addaudithook(_refuse)


def answer(request: dict[str, str]) -> dict[str, Any]:
    """Compare two formulas. Raises RecursionError, MemoryError and whatever else sympy raises."""
    return _compared(request["gold"], request["answer"])
