"""Jinja2 prompt templates: compiled once, sandboxed, and checked before any request is sent."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

import jinja2
import jinja2.meta
from jinja2.sandbox import SandboxedEnvironment

from pytest_llmeval.core.errors import UserError, one_line, unknown

# benchmarks, and with them their templates, may come from anyone
_ENVIRONMENT = SandboxedEnvironment(
    undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
)
_ENVIRONMENT.filters["regex_replace"] = lambda text, pattern, replacement="": re.sub(
    pattern, replacement, str(text)
)
_ENVIRONMENT.globals.clear()  # templates must not use them, and every render would copy them


def check_template(source: str, fields: Iterable[str], where: str) -> None:
    """Check that ``source`` is a valid template over ``fields``. Raises ``UserError``."""
    known = set(fields)
    try:
        used = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(source))
    except jinja2.TemplateError as error:
        raise UserError(f"{where}: not a valid template: {one_line(error)}") from None
    for name in sorted(used - known):
        raise unknown("field", name, known, where=where)


def template_names(source: str) -> set[str]:
    """The fields that a valid template uses."""
    return jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(source))


def evaluated(source: str, numbers: Mapping[str, float]) -> float | None:
    """The value of an expression over ``numbers``; None if it has none, as after a division by 0."""
    try:
        value = _ENVIRONMENT.compile_expression(source, undefined_to_none=False)(**numbers)
        number = float(value)  # type: ignore[arg-type]
    except (ArithmeticError, TypeError, ValueError, jinja2.TemplateError):
        return None
    return number if math.isfinite(number) else None


def check_expression(source: str, where: str) -> None:
    """Check that ``source`` is an expression. Raises ``UserError``."""
    try:
        _ENVIRONMENT.compile_expression(source)
    except jinja2.TemplateError as error:
        raise UserError(f"{where}: not a valid expression: {one_line(error)}") from None


def rendered(source: str, fields: Mapping[str, object]) -> str:
    """Fill a template with ``fields``. Raises whatever its expressions raise."""
    return compiled(source).render(fields)


@lru_cache(maxsize=256)
def compiled(source: str) -> jinja2.Template:
    """Compile a template."""
    return _ENVIRONMENT.from_string(source)
