"""The JSON Schema of llmeval.toml, for editors, generated from the declarations.

It accepts every file that this package accepts, so that an editor never marks a valid file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pytest_llmeval.config.benchmark_suites import KEYS
from pytest_llmeval.config.declare import REQUIRED, Option, option_schema, table_schema
from pytest_llmeval.config.file import JUDGE, MODEL, SETTINGS

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema() -> dict[str, Any]:
    """The JSON Schema of llmeval.toml."""
    definitions = {key: option_schema(option) for key, option in {**MODEL, **SETTINGS}.items()}
    settings = _table(SETTINGS, definitions)
    tables = {
        "models": {
            "description": "models by name, or a list of the models to evaluate",
            "anyOf": [
                {"type": "object", "additionalProperties": _table(MODEL, definitions)},
                {"$ref": "#/$defs/model"},
            ],
        },
        "runs": {
            "type": "object",
            "description": "settings by name, for --llm-run=NAME",
            "additionalProperties": settings,
        },
        "gates": {
            "type": "object",
            "description": 'lowest accuracy by benchmark, group or subject, as in "ceval:stem" = 0.4',
            "additionalProperties": {"type": ["number", "string"]},
        },
        "suites": {
            "type": "object",
            "description": "benchmarks that run together under a name, for --llm-benchmark=suite:NAME",
            "additionalProperties": table_schema(KEYS.values()),
        },
        "judge": {
            "description": "the model that judges answers, with its parameters and prompt; or its SPEC",
            "anyOf": [_table(JUDGE, definitions), {"$ref": "#/$defs/judge"}],
        },
    }
    return {
        "$schema": DIALECT,
        "title": "llmeval.toml of pytest-llmeval-harness",
        **settings,
        "properties": {**settings["properties"], **tables},
        "$defs": definitions,
    }


def _table(options: Mapping[str, Option], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """A table with these keys. Keys may also be in the plural, if they have one, or contain dashes."""
    properties = {}
    for key, option in options.items():
        value_schema = option_schema(option)
        properties[key] = {"$ref": f"#/$defs/{key}"} if definitions.get(key) == value_schema else value_schema
        if option.plural:
            properties[option.plural] = properties[key]
    dashed_keys = "|".join(key.replace("_", "[-_]") for key in options if "_" in key)
    required = [key for key, option in options.items() if option.default is REQUIRED]
    return {
        "type": "object",
        "properties": properties,
        "patternProperties": {f"^({dashed_keys})$": True},
        **({"required": required} if required else {}),
        "additionalProperties": False,
    }
