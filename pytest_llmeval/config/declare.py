"""Declare settings once, as fields of dataclasses.

    mode: Mode = option("generate", MODE, "how to ask", metavar="MODE")   # --llm-mode, and mode = ...
    api: Api = toml_key("chat", API, "which API to use")                  # api = ... in a file only

``options_of`` lists a dataclass's declarations: pytest's command line, the readers of llmeval.toml and
benchmark.toml, and their JSON Schemas are generated from these.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from pytest_llmeval.config.kinds import TABLE, Kind
from pytest_llmeval.core.errors import UserError, one_line, unknown

T = TypeVar("T")
D = TypeVar("D")

#: instead of a default: the key is required
REQUIRED: Final[Any] = object()
#: instead of a default: the value depends on other keys, and the code that makes the object computes it
COMPUTED: Final[Any] = object()
_DECLARED = "llmeval"


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: ``--llm-NAME`` on the command line, and a key in the file with underscores.

    ``attribute`` is the dataclass field for its value, ``plural`` another spelling of the key. The value of
    a ``secret`` option is never printed. A ``bare`` option may be given without a value, and is then True.
    ``model`` marks parameters of a model, ``changes_answers`` those that may change its answers to the same
    request and are therefore part of the store's key. ``backends`` are those of this package that a model's
    option is for; empty for all of them.
    """

    key: str
    kind: Kind[Any]
    help: str
    default: object = None
    attribute: str = ""
    metavar: str | None = None
    plural: str | None = None
    bare: bool = False
    secret: bool = False
    on_command_line: bool = True
    in_file: bool = True
    model: bool = False
    changes_answers: bool = False
    backends: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The command line's name, without ``--llm-``."""
        return self.key.replace("_", "-")

    @property
    def dest(self) -> str:
        """The option's attribute in pytest's ``config.option``; no other plugin's ``--llm-NAME`` has it."""
        return "llmeval_" + self.key

    @property
    def many(self) -> bool:
        """Whether the option may be repeated."""
        return self.kind.many

    @property
    def flag(self) -> bool:
        """Whether the option takes no value."""
        return self.kind.flag

    def read(self, value: object, where: str) -> Any:
        """Convert a value. Raises ``UserError`` with a message that begins with ``where``."""
        try:
            return self.kind.convert(value)
        except ValueError as error:
            cause = value
            if self.many and isinstance(value, list) and len(value) == 1 and isinstance(value[0], str):
                cause = value[0]
            text = "this" if self.secret else one_line(repr(cause), 80)
            raise UserError(f"{where}: {text} is not {error}") from None


def option(
    default: D,
    kind: Kind[T],
    help: str,
    *,
    metavar: str | None = None,
    key: str = "",
    plural: str | None = None,
    bare: bool = False,
    in_file: bool = True,
    changes_answers: bool = False,
    backends: tuple[str, ...] = (),
    repr: bool = True,
) -> D | T:
    """A field that is set on the command line or in the file. ``key`` defaults to the field's name."""
    declaration = Option(
        key,
        kind,
        help,
        default,
        metavar=metavar,
        plural=plural,
        bare=bare,
        in_file=in_file,
        changes_answers=changes_answers,
        backends=backends,
    )
    new_field: D | T = _field(declaration, repr)
    return new_field


def toml_key(
    default: D,
    kind: Kind[T],
    help: str,
    *,
    key: str = "",
    secret: bool = False,
    changes_answers: bool = False,
) -> D | T:
    """A field that is set in the file only. ``key`` defaults to the field's name."""
    declaration = Option(
        key, kind, help, default, secret=secret, on_command_line=False, changes_answers=changes_answers
    )
    new_field: D | T = _field(declaration, repr=not secret)
    return new_field


def _field(declaration: Option, repr: bool) -> Any:
    metadata = {_DECLARED: declaration}
    if declaration.default is REQUIRED or declaration.default is COMPUTED:
        return field(repr=repr, metadata=metadata)
    if declaration.default == {}:
        return field(default_factory=dict, repr=repr, metadata=metadata)
    return field(default=declaration.default, repr=repr, metadata=metadata)


def toml_table(cls: type[Any], help: str) -> Any:
    """A field that is a table with the keys of another dataclass; the code that reads it makes the object."""
    schema = table_schema(options_of(cls))
    return _field(Option("", replace(TABLE, schema=schema), help, COMPUTED, on_command_line=False), True)


def toml_tables(cls: type[Any], names: Kind[str], help: str) -> Any:
    """A field that is a table of such tables; ``names`` is the kind of their keys."""
    schema = {
        "type": "object",
        "propertyNames": names.schema,
        "additionalProperties": table_schema(options_of(cls)),
    }
    return _field(Option("", replace(TABLE, schema=schema), help, COMPUTED, on_command_line=False), True)


def parameters_of(model: type[T]) -> Any:
    """A field for models, whose options (those of ``model``) become options of the session."""
    return field(default=(), metadata={_DECLARED: model})


def options_of(cls: type[Any]) -> tuple[Option, ...]:
    """The options that a dataclass declares, in the order of its fields."""
    options: list[Option] = []
    for entry in fields(cls):
        declaration = entry.metadata.get(_DECLARED)
        if isinstance(declaration, Option):
            key = declaration.key or entry.name
            options.append(replace(declaration, key=key, attribute=entry.name))
        elif declaration is not None:
            options += [replace(parameter, model=True) for parameter in options_of(declaration)]
    return tuple(options)


def by_key(options: Iterable[Option]) -> dict[str, Option]:
    """Options by their keys in a file."""
    return {option.key: option for option in options if option.in_file}


def answer_parameters(config: object, *classes: type[Any]) -> dict[str, object]:
    """The values of the options, declared by ``classes``, that may change a model's answers."""
    return {
        option.attribute: getattr(config, option.attribute)
        for cls in classes
        for option in options_of(cls)
        if option.changes_answers
    }


def read_table(
    table: Mapping[str, Any], options: Mapping[str, Option], where: str, *, dashes: bool = False
) -> dict[str, Any]:
    """The converted values of a table, by key; ``dashes`` allows keys with dashes.

    Raises ``UserError`` for a missing key, a wrong value, or an unknown key, with the closest known one.
    """
    values = {}
    plurals = {option.plural: key for key, option in options.items() if option.plural}
    for spelling, value in table.items():
        key = spelling.replace("-", "_") if dashes else spelling
        key = plurals.get(key, key)
        if key not in options:
            hint = ""
            if "api_key_env" in options and "key" in key:
                hint = " (keys are never stored: name the environment variable in api_key_env)"
            raise UserError(f"{unknown('key', spelling, options, where=where)}{hint}")
        values[key] = options[key].read(value, f"{where}: {spelling}")
    for key, option in options.items():
        if option.default is REQUIRED and key not in values:
            raise UserError(f"{where}: {key} is missing: {option.help}")
    return values


def table_schema(options: Iterable[Option]) -> dict[str, Any]:
    """The JSON Schema of a table with these keys, and no others."""
    keys = by_key(options)
    required = [key for key, option in keys.items() if option.default is REQUIRED]
    return {
        "type": "object",
        "properties": {key: option_schema(option) for key, option in keys.items()},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }


def option_schema(option: Option) -> dict[str, Any]:
    """The JSON Schema of an option's value."""
    schema = {**option.kind.schema, "description": option.help.replace("%%", "%")}
    default = str(option.default) if isinstance(option.default, Path) else option.default
    if default not in (None, "", ".", (), {}, REQUIRED, COMPUTED):
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema
