"""A llmeval.toml to start from: every setting with its meaning, all of it commented out."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_llmeval.config.declare import Option
from pytest_llmeval.config.options import FILE_NAME, OPTIONS
from pytest_llmeval.core.errors import UserError

_WIDTH = 100
_HEAD = """\
# Settings of pytest-llmeval. Everything here is a comment: remove the "#" of what you want to set.
# The command line wins over this file: model = "echo" here is --llm-model=echo there.

# What to evaluate if the command line does not say it:
# model = "my-api"
# benchmark = "ceval"
"""
_TABLES = """\
# A model behind an OpenAI-compatible API: pytest --llm-model=my-api
# [models.my-api]
# backend = "openai"
# model = "NAME"
# base_url = "https://host/v1"
# api_key_env = "MY_API_KEY"    # the name of an environment variable, never the key itself

# Local weights: pytest --llm-model=my-weights
# [models.my-weights]
# backend = "hf"
# path = "/models/NAME"
# max_tokens = 2048

# Weights that a server serves for the run: pytest --llm-model=my-server
# [models.my-server]
# backend = "serve"
# preset = "vllm"
# path = "/models/NAME"

# The model that judges answers of benchmarks with metric "judge":
# [judge]
# model = "my-api"

# Several settings under a name: pytest --llm-run=quick
# [runs.quick]
# models = ["my-api"]
# benchmarks = ["ceval"]
# limit = 2

# Benchmarks that run together, with the weighted average of their accuracies: --llm-benchmark=suite:ours
# [suites.ours]
# benchmarks = ["ceval:stem", "gsm8k", "path/to/our_questions"]
# weights = {gsm8k = 2}

# The lowest accuracy with which a run passes; "@95%" requires it of the lower bound of the interval:
# [gates]
# "ceval" = 0.55
# "ceval:stem" = "0.40@95%"
"""


def starter() -> str:
    """The text of the file. Without the comment signs of its settings it is a valid llmeval.toml."""
    settings = (
        option
        for option in OPTIONS
        if option.in_file and not (option.model or option.many or option.key == "judge")
    )
    return "\n".join([_HEAD, *_settings(settings), _TABLES])


def write_starter(folder: Path) -> Path:
    """Write llmeval.toml into ``folder``. Raises ``UserError`` if there is one or it cannot be written."""
    path = folder / FILE_NAME
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(starter())
    except FileExistsError:
        raise UserError(f"{path} exists already; nothing was written") from None
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from None
    return path


def _settings(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        text = textwrap.wrap(option.help.replace("%%", "%"), _WIDTH - 2)
        yield "\n".join([*(f"# {line}" for line in text), f"# {option.key} = {_value(option)}", ""])


def _value(option: Option) -> str:
    """The default in TOML, or an example if there is none."""
    if option.flag or option.bare:
        return "true"
    if isinstance(option.default, (int, str)):
        return json.dumps(option.default)
    allowed = str(option.kind.schema)
    return "1" if "integer" in allowed else json.dumps(option.metavar or "...")
