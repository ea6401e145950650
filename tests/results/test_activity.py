"""The activity of one model in several processes."""

from __future__ import annotations

from pytest_llmeval.results.activity import Activity


def test_of_processes() -> None:
    rows = [
        Activity("m", 8, 3, 20.0),
        Activity("other", 100, 100, 0.0),
        Activity("m", 4, 4, 5.0, "retrying"),
        Activity("m", 0, 0, 9.0, "loading"),
    ]
    assert Activity.of_processes(rows) == Activity("m", 12, 7, 5.0, "retrying")
    assert Activity.of_processes(rows[1:2]) == rows[1]
    assert Activity.of_processes([]) is None
