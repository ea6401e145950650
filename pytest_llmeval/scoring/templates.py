"""Jinja2 templates of prompts: compiled once, sandboxed, and checked before anything is sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

import jinja2
import jinja2.meta
from jinja2.sandbox import SandboxedEnvironment

from pytest_llmeval.core.errors import UserError, one_line, unknown

# templates come with benchmarks that anybody may have written
_ENVIRONMENT = SandboxedEnvironment(
    undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False
)
_ENVIRONMENT.globals.clear()  # no template may name them, and each render would copy them


def check_template(source: str, fields: Iterable[str], where: str) -> None:
    """Look whether ``source`` is a template of ``fields``. Raises ``UserError``."""
    known = set(fields)
    try:
        named = jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(source))
    except jinja2.TemplateError as error:
        raise UserError(f"{where}: not a valid template: {one_line(error)}") from None
    for name in sorted(named - known):
        raise unknown("field", name, known, where=where)


def template_names(source: str) -> set[str]:
    """The fields that a template names, which is known to be one."""
    return jinja2.meta.find_undeclared_variables(_ENVIRONMENT.parse(source))


def rendered(source: str, fields: Mapping[str, object]) -> str:
    """A template filled with ``fields``. Raises whatever its expressions may."""
    return compiled(source).render(fields)


@lru_cache(maxsize=256)
def compiled(source: str) -> jinja2.Template:
    return _ENVIRONMENT.from_string(source)
