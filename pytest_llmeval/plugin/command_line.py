"""The command line's options, which give way to options of the same names of other plugins."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pytest

from pytest_llmeval.config.options import OPTIONS, SECTIONS
from pytest_llmeval.core.errors import one_line
from pytest_llmeval.plugin.pytest_internals import ArgumentNames

_NAME = "llmeval-options"
#: options that no setting stands for
_OTHER_NAMES = ["new-benchmark", "list"]
_LIST_HELP = "list models and benchmarks (with words: those that match any word), and exit"


class CommandLine:
    """Adds the options, and withdraws each one that another plugin or a conftest.py adds, too.

    With an option defined twice, argparse would end every session. So the other's option counts, and
    ``conflicts`` maps its name to the plugin that defined it.
    """

    def __init__(self, parser: pytest.Parser, manager: pytest.PytestPluginManager) -> None:
        self.conflicts: dict[str, str] = {}
        self._manager = manager
        titles = {key: title for title, key in SECTIONS}
        groups = {
            title: parser.getgroup(f"llmeval {title}", f"LLM evaluation: {title}") for title, _ in SECTIONS
        }
        self._names = ArgumentNames(tuple(groups.values()))
        group = groups[SECTIONS[0][0]]
        for option in OPTIONS:
            group = groups[titles[option.key]] if option.key in titles else group
            if option.flag:
                self._add(
                    group, f"--llm-{option.name}", dest=option.dest, action="store_true", help=option.help
                )
            else:
                self._add(
                    group,
                    f"--llm-{option.name}",
                    dest=option.dest,
                    action="append" if option.many else "store",
                    metavar=option.metavar,
                    help=option.help,
                    **({"nargs": "?", "const": True} if option.bare else {}),
                )
        self._add(
            group,
            "--llm-new-benchmark",
            dest="llmeval_new_benchmark",
            metavar="NAME",
            help="create a folder with an example benchmark to edit, and exit; --llm-metric says for which "
            "kind of questions: choice (default), choices, exact (free answers), number, math, code "
            "(programs), judge, or another metric that compares texts",
        )
        self._add(
            group,
            "--llm-fetch",
            dest="llmeval_fetch",
            nargs="+",
            action="extend",
            metavar="NAME",
            help="download the data of benchmarks (also suite:NAME; several names, or commas), and exit",
        )
        self._add(group, "--llm-list", dest="llmeval_list", nargs="*", metavar="WORD", help=_LIST_HELP)
        self._stop_watching = manager.add_hookcall_monitoring(self._before, self._after)
        manager.register(self, _NAME)

    @classmethod
    def of(cls, config: pytest.Config) -> CommandLine:
        """The command line of this session."""
        plugin = config.pluginmanager.get_plugin(_NAME)
        assert isinstance(plugin, CommandLine)
        return plugin

    @property
    def conflict_line(self) -> str:
        """The line that names the options of other plugins, and what to do; empty if there are none."""
        if not self.conflicts:
            return ""
        options, plugins = ", ".join(self.conflicts), ", ".join(dict.fromkeys(self.conflicts.values()))
        verb, what = ("are options", "them") if len(self.conflicts) > 1 else ("is an option", "it")
        return (
            f"{options} {verb} of {plugins}, so llmeval does not read {what}: "
            f"set {what} in llmeval.toml (-p no:llmeval turns llmeval off)"
        )

    def value(self, key: str, config: pytest.Config) -> Any:
        """The value of an option; None if it was not given, or is another plugin's."""
        return getattr(config.option, f"llmeval_{key}", None)

    def values(self, config: pytest.Config) -> dict[str, Any]:
        """The values of all settings by key."""
        return {option.key: self.value(option.key, config) for option in OPTIONS}

    def stop_watching(self) -> None:
        """Let later plugins add options unobserved: the command line is complete."""
        self._stop_watching()

    def _add(self, group: pytest.OptionGroup, name: str, **attributes: Any) -> None:
        if name in self._names.taken():
            self.conflicts[name] = self._owner(name)
        else:
            group.addoption(name, **attributes)

    def _owner(self, option: str) -> str:
        """The plugin, of those that were loaded earlier, whose source has the option."""
        for name, plugin in self._manager.list_name_plugin():
            function = getattr(plugin, "pytest_addoption", None)
            try:
                if function is not None and option in inspect.getsource(inspect.getmodule(function)):  # type: ignore[arg-type]
                    return f"the plugin {name}"
            except (OSError, TypeError):
                continue
        return "another plugin"

    def _before(self, hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]) -> None:
        if hook == "pytest_addoption":
            self._names.hide()

    def _after(
        self, outcome: object, hook: str, implementations: Sequence[Any], arguments: Mapping[str, Any]
    ) -> None:
        if hook == "pytest_addoption":
            plugins = ", ".join(str(implementation.plugin_name) for implementation in implementations)
            self.conflicts.update(dict.fromkeys(self._names.restore(), f"the plugin {plugins}"))


def misspelt_options(unknown: Iterable[str]) -> str:
    """A line about those arguments, of all that pytest does not know, that are meant for this plugin.

    These are options that begin with ``--llm``, and others that are close to an option of ours, or that are
    one but for its prefix. Empty if there are none.

        >>> misspelt_options(["--llm-modle=echo", "--cov"])
        'unknown option --llm-modle; did you mean --llm-model?'
        >>> misspelt_options(["--limit=3"])
        'unknown option --limit; did you mean --llm-limit?'
    """
    names = [option.name for option in OPTIONS] + _OTHER_NAMES
    problems = []
    for argument in unknown:
        option = argument.partition("=")[0]
        if not option.startswith("--"):
            continue
        word = option.lstrip("-").lower().replace("_", "-")
        if word.startswith("llm"):
            name = _closest(word.removeprefix("llm").lstrip("-"), names, 0.6)
            hint = "pytest --help lists all --llm options" if name is None else f"did you mean --llm-{name}?"
        else:
            prefixed = difflib.get_close_matches(word, [f"llm-{name}" for name in names], 1, 0.85)
            name = _closest(word, names, 0.85) or next(iter(prefixed), None)
            if name is None:
                continue
            hint = f"did you mean --llm-{name.removeprefix('llm-')}?"
        problems.append(f"unknown option {one_line(option, 80)}; {hint}")
    return "; ".join(problems)


def _closest(word: str, names: Iterable[str], cutoff: float) -> str | None:
    """The name that is most like ``word``; one with the same letters comes first (modle: model, not mode)."""
    close = difflib.get_close_matches(word, list(names), cutoff=cutoff)
    return min(close, key=lambda name: sorted(name) != sorted(word), default=None)
