"""Each private part of pytest and xdist that the plugin uses, in the installed versions of both."""

from __future__ import annotations

import importlib
import io
import sys
import tomllib
from operator import attrgetter
from queue import Empty, Queue
from types import ModuleType, SimpleNamespace

import pytest
from xdist.scheduler import LoadScheduling

from pytest_llmeval.plugin import pytest_internals as internals
from tests.support.paths import ROOT


def items_of(pytester: pytest.Pytester, source: str) -> tuple[pytest.Config, list[pytest.Item]]:
    """The items of a test file, and the configuration that collected them."""
    items, record = pytester.inline_genitems(pytester.makepyfile(source))
    config = items[0].config
    assert not record.getfailures()
    return config, items


def remove(name: internals._Name, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delete a private name for the rest of the test, from base classes too."""
    path, _, last = name.path.rpartition(".")
    module = importlib.import_module(name.module)
    owner = attrgetter(path)(module) if path else module
    for place in getattr(owner, "__mro__", [owner]):
        if last in vars(place):
            monkeypatch.delattr(place, last)


def test_the_supported_versions_are_those_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    requirements = [*project["dependencies"], *project["optional-dependencies"]["xdist"]]
    for package, versions in internals.SUPPORTED.items():
        assert package + versions in requirements


@pytest.mark.parametrize("name", internals._OF_PYTEST + internals._OF_XDIST, ids=lambda name: name.path)
def test_a_missing_name_is_one_line(name: internals._Name, monkeypatch: pytest.MonkeyPatch) -> None:
    name.value()
    remove(name, monkeypatch)
    with pytest.raises(pytest.UsageError) as caught:
        name.value()
    line = str(caught.value)
    package = "pytest-xdist" if name.module.startswith("xdist") else "pytest"
    versions = internals.SUPPORTED[package]
    assert line.startswith(f"pytest-llmeval needs {package}{versions}, because {package} ")
    assert f"has no {name.module}.{name.path} (used to " in line and "\n" not in line


def test_a_missing_module_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "_pytest.mark.expression", None)
    with pytest.raises(pytest.UsageError, match=r"no _pytest\.mark\.expression\.Expression"):
        internals.keyword_expression("a")


def test_installed_versions_are_supported(pytestconfig: pytest.Config) -> None:
    internals.check_supported(pytestconfig)


def test_an_unsupported_version_stops_before_the_run(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, _ = items_of(pytester, "def test(): pass")
    remove(internals._GET_OBJECT, monkeypatch)
    with pytest.raises(pytest.UsageError, match=r"no pytest\.Module\._getobj"):
        internals.check_supported(config)
    monkeypatch.undo()
    remove(internals._HANDLE_FAILURES, monkeypatch)
    internals.check_supported(config)
    config.option.dist, config.option.tx = "load", ["popen"]
    with pytest.raises(pytest.UsageError, match=r"DSession\._handlefailures"):
        internals.check_supported(config)


def test_assertions_fail_without_a_diff(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest
        from pytest_llmeval.plugin.pytest_internals import without_assertion_diff

        def fail():
            assert "wrong answer" == "right answer"

        def test_plain():
            fail()

        def test_without():
            with pytest.raises(AssertionError) as caught, without_assertion_diff():
                fail()
            assert "- right" not in str(caught.value)
            with pytest.raises(AssertionError, match="- right"):
                fail()
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:xdist")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*- right answer"])


def test_parameters(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.mark.parametrize("number", [7])
        def test_one(number): pass

        def test_none(): pass

        @pytest.mark.parametrize("number", [])
        def test_empty(number): pass
        """
    _, (one, none, empty) = items_of(pytester, source)
    assert internals.parametrized_value(one, "number") == 7
    assert internals.parametrized_value(one, "letter") is None
    assert internals.parametrized_value(none, "number") is None
    assert internals.parametrized_value(empty, "number") is not None
    del one.callspec  # type: ignore[attr-defined]
    with pytest.raises(pytest.UsageError, match=r"no Function\.callspec"):
        internals.parametrized_value(one, "number")


def test_a_fixture_value_can_be_set(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from pytest_llmeval.plugin.pytest_internals import set_fixture_value

        calls = []

        def pytest_fixture_setup(fixturedef, request):
            if fixturedef.argname == "model":
                calls.append(request.param)
                set_fixture_value(fixturedef, request, request.param.upper())
                return True

        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_line(f"calls {calls}")
        """
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(scope="session")
        def model():
            raise AssertionError

        @pytest.mark.parametrize("model", ["a", "b"], indirect=True, scope="session")
        @pytest.mark.parametrize("number", [1, 2])
        def test(model, number):
            assert model in "AB"
        """
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=4)
    result.stdout.fnmatch_lines(["calls ['a', 'b']"])


def test_a_session_can_be_stopped(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_llmeval.plugin.pytest_internals import stop_session

        def test_first(request):
            stop_session(request.session, "no model")

        def test_second(): pass
        """
    )
    result = pytester.runpytest_subprocess("-p", "no:xdist")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*no model*"])


def test_a_module_can_be_generated(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        from types import ModuleType
        from pytest_llmeval.plugin.pytest_internals import GeneratedModule

        class Listed(GeneratedModule):
            def make_module(self):
                module = ModuleType("made")
                for name in self.path.read_text().split():
                    setattr(module, f"test_{name}", lambda: None)
                return module

        def pytest_collect_file(file_path, parent):
            if file_path.suffix == ".list":
                return Listed.from_parent(parent, path=file_path)
        """
    )
    (pytester.path / "tests.list").write_text("one two")
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=2)


@pytest.mark.parametrize(
    ("text", "words", "matching"),
    [
        ("a and not b", {"a", "b"}, {"a"}),
        ("(a or b) and c", {"a", "b", "c"}, {"b", "c"}),
        ("ceval[law-3] or a", {"ceval[law-3]", "a"}, {"ceval[law-3]"}),
        ("None", {"None"}, {"None"}),
        ("", set(), None),
    ],
)
def test_expressions(text: str, words: set[str], matching: set[str] | None) -> None:
    expression = internals.keyword_expression(text)
    assert expression.words() == words
    assert not expression.evaluate(set().__contains__)
    if matching is not None:
        assert expression.evaluate(matching.__contains__)


def test_an_unreadable_expression_has_pytests_message() -> None:
    with pytest.raises(SyntaxError) as caught:
        internals.keyword_expression("a and (")
    assert caught.value.offset == 8 and "expected" in str(caught.value.msg)


def test_words_match_as_for_k(pytester: pytest.Pytester) -> None:
    source = """
        import pytest

        @pytest.mark.slow
        def test_one(): pass
        """
    _, (item,) = items_of(pytester, source)
    matches = internals.keyword_matcher(item)
    assert all(map(matches, ["one", "TEST_O", "slow", "test_words_match"]))
    assert not matches("two")


def test_paths(pytester: pytest.Pytester) -> None:
    path = pytester.makepyfile("def test(): pass")
    config = pytester.parseconfigure(path)
    assert internals.command_line_paths(config) == [str(path)]
    internals.set_paths(config, [path.parent, "other"])
    assert config.args == [str(path.parent), "other"]
    assert internals.command_line_paths(pytester.parseconfigure()) == []


def test_one_process(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        from pytest_llmeval.plugin.pytest_internals import use_one_process

        @pytest.hookimpl(tryfirst=True)
        def pytest_cmdline_main(config):
            use_one_process(config)
        """
    )
    pytester.makepyfile("import os\ndef test(): assert 'PYTEST_XDIST_WORKER' not in os.environ")
    pytester.runpytest_subprocess("-n2").assert_outcomes(passed=1)
    pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)


def test_terminal(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "70")
    config = pytester.parseconfigure("--color=yes")
    reporter = internals.terminal_reporter(config)
    assert reporter is not None
    assert internals.terminal_width(reporter) == 70
    assert internals.terminal_markup(reporter)("word", red=True) == "\x1b[31mword\x1b[0m"
    before, file = internals.terminal_file(reporter), io.StringIO()
    internals.set_terminal_file(reporter, file)
    internals.finish_terminal_line(reporter)
    reporter.write("letters")
    internals.finish_terminal_line(reporter)
    internals.finish_terminal_line(reporter)
    internals.set_terminal_file(reporter, before)
    assert file.getvalue() == "letters\n"
    internals.set_outcome_order(reporter, ["wrong", "right"])
    assert list(reporter.stats)[:2] == ["wrong", "right"]
    assert internals.terminal_reporter(pytester.parseconfigure("-p", "no:terminal")) is None


def test_another_terminal_writer_is_one_line() -> None:
    reporter: pytest.TerminalReporter = SimpleNamespace(_tw=SimpleNamespace())  # type: ignore[assignment]
    for function in (internals.terminal_width, internals.terminal_markup, internals.terminal_file):
        with pytest.raises(pytest.UsageError, match=r"pytest [\d.]+ has no SimpleNamespace\._tw\."):
            function(reporter)


@pytest.mark.parametrize("capture", ["-s", "--capture=fd", "--capture=sys", "-pno:capture"])
def test_lines_pass_the_capture(pytester: pytest.Pytester, capture: str) -> None:
    pytester.makepyfile(
        """
        from pytest_llmeval.plugin.pytest_internals import without_capture

        def test(request):
            with without_capture(request.config):
                print("a line", flush=True)
        """
    )
    pytester.runpytest_subprocess("-p", "no:xdist", capture).stdout.fnmatch_lines(["*a line"])


def test_without_xdist_nothing_distributes(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig("-p", "no:xdist")
    assert not internals.is_worker(config) and not internals.is_controller(config)


def test_xdist_both_ways(pytester: pytest.Pytester) -> None:
    """The controller numbers workers and sends each a value; each sends back what it saw."""
    pytester.makeconftest(
        """
        import pytest
        from pytest_llmeval.plugin import pytest_internals as internals

        def pytest_configure(config):
            assert internals.is_controller(config) is not internals.is_worker(config)
            internals.check_supported(config)
            if internals.is_controller(config):
                config.pluginmanager.register(Controller())
            else:
                config.pluginmanager.register(Worker(config))

        class Controller:
            def __init__(self):
                self.lines, self.reporting = [], set()

            def pytest_configure_node(self, node):
                assert internals.node_count(node) == 2
                internals.node_input(node)["index"] = internals.worker_index(node)

            def pytest_xdist_make_scheduler(self, config, log):
                from xdist.scheduler import LoadScheduling

                class Scheduling(LoadScheduling):
                    def schedule(self):
                        assert internals.same_collection(self)
                        super().schedule()

                return Scheduling(config, log)

            def pytest_runtest_logreport(self, report):
                self.reporting.add(internals.node_id(internals.reporting_node(report)))

            def pytest_testnodedown(self, node):
                self.lines.append((internals.node_id(node), internals.node_output(node)["seen"]))

            def pytest_terminal_summary(self, terminalreporter):
                for name, line in sorted(self.lines):
                    terminalreporter.write_line(f"{name}: {line}")
                terminalreporter.write_line(f"reporting: {sorted(self.reporting)}")

        class Worker:
            def __init__(self, config):
                self.config, self.queued = config, []

            def pytest_runtest_protocol(self, item, nextitem):
                queue = internals.queued_items(self.config)
                assert item not in queue and nextitem not in queue
                if not self.queued:
                    self.queued = [i.name for i in queue]

            def pytest_sessionfinish(self):
                config = self.config
                index = internals.worker_input(config)["index"]
                of = internals.worker_count(config)
                seen = f"{internals.worker_id(config)} is {index} of {of}, queued {self.queued}"
                internals.worker_output(config)["seen"] = seen
        """
    )
    pytester.makepyfile(
        """
        import time, pytest

        @pytest.mark.parametrize("number", range(24))
        def test(number):
            time.sleep(0.02)
        """
    )
    result = pytester.runpytest_subprocess("-n2")
    result.assert_outcomes(passed=24)
    result.stdout.fnmatch_lines(["gw0: gw0 is 0 of 2, queued*", "gw1: gw1 is 1 of 2, queued*"])
    assert any("queued ['test[" in line for line in result.outlines)
    result.stdout.fnmatch_lines(["reporting: ['gw0', 'gw1']"])


def test_own_reports_count_towards_maxfail(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import pytest
        from pytest_llmeval.plugin import pytest_internals as internals

        def pytest_runtest_logreport(report):
            node = internals.reporting_node(report)
            if node is None or report.when != "call":
                return
            mine = pytest.TestReport(
                nodeid="mine", location=("mine", None, "mine"), keywords={}, outcome="failed",
                longrepr="mine", when="call",
            )
            internals.set_reporting_node(mine, node)
            assert internals.reporting_node(mine) is node
            internals.apply_maxfail(node.config, mine)
        """
    )
    pytester.makepyfile(
        "import pytest, time\n@pytest.mark.parametrize('n', range(40))\ndef test(n): time.sleep(0.05)"
    )
    result = pytester.runpytest_subprocess("-n1", "--maxfail=2")
    result.stdout.fnmatch_lines(["*stopping after 2 failures*"])
    assert result.ret == pytest.ExitCode.INTERRUPTED


def test_missing_parts_of_xdist_are_one_line(pytester: pytest.Pytester) -> None:
    config = pytester.parseconfig()
    scheduler: LoadScheduling = object()
    for function, owner in (
        (internals.worker_input, config),
        (internals.worker_output, config),
        (internals.queued_items, config),
        (internals.node_id, object()),
        (internals.node_count, object()),
        (internals.worker_index, object()),
        (internals.node_input, object()),
        (internals.same_collection, scheduler),
    ):
        with pytest.raises(pytest.UsageError, match=r"needs pytest-xdist>=.* has no "):
            function(owner)


def test_module_without_maker() -> None:
    with pytest.raises(NotImplementedError):
        internals.GeneratedModule.make_module(ModuleType("any"))  # type: ignore[arg-type]


def test_idle_calls_come_while_a_queue_is_empty() -> None:
    events: Queue[str] = Queue()
    session = SimpleNamespace(queue=events)
    config = SimpleNamespace(pluginmanager=SimpleNamespace(get_plugin=lambda name: session))
    calls: list[int] = []
    internals.call_when_idle(config, lambda: calls.append(1), 0.01)  # type: ignore[arg-type]
    with pytest.raises(Empty):
        events.get(timeout=0.1)
    assert calls
    calls.clear()
    events.put("a report")
    assert events.get(timeout=0.1) == "a report" and not calls


def test_the_place_of_an_interruption_is_left_out(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        "import pytest\n"
        "from pytest_llmeval.plugin import pytest_internals as internals\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_keyboard_interrupt(excinfo):\n"
        "    internals.name_interruption(internals.terminal_reporter(config), 'stopped')\n"
        "def pytest_configure(config):\n"
        "    globals()['config'] = config\n"
    )
    pytester.makepyfile("def test(): raise KeyboardInterrupt")
    done = pytester.runpytest_subprocess()
    assert "!! stopped !!" in done.stdout.str() and "KeyboardInterrupt" not in done.stdout.str()
