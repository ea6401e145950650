"""Completions by content: what makes a key, what outlives what, and what a sick file does."""

from __future__ import annotations

import math
import os
import sqlite3
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.core.types import ChatPrompt, Completion, Message, Request, TextPrompt
from pytest_llmeval.runtime.store import Store, request_key

ASKED = Request(ChatPrompt((Message("user", "问题"),)), max_tokens=8, stop=("\n",))
TOLD = Completion(
    text="答案：\ud800A",
    reasoning="hm",
    finish_reason="stop",
    prompt_tokens=7,
    completion_tokens=3,
    latency_s=0.25,
    notes=("1 earliest shot dropped",),
    dropped_shots=1,
    prompt="sent",
)
SCORED = Completion(scores={"A": -0.1234567890123456, "B": -12.5}, finish_reason="scored")


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def store(tmp_path: Path, notes: list[str]) -> Iterator[Store]:
    opened = Store(tmp_path / "deep/er/s.sqlite3", notes.append)
    yield opened
    opened.close()


def key(number: int = 0) -> bytes:
    return request_key("model", replace(ASKED, repeat=number))


def test_what_is_put_comes_back_and_is_marked(store: Store) -> None:
    store.put(key(), "m", TOLD)
    store.put(key(1), "m", SCORED)
    assert store.get([key(), key(1), key(2)]) == {
        key(): replace(TOLD, cached=True),
        key(1): replace(SCORED, cached=True),
    }


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_scores_that_are_not_finite_are_forgotten(store: Store, score: float) -> None:
    store.put(key(), "m", replace(SCORED, scores={"A": score, "B": -1.0}))
    assert store.get([key()]) == {}


@given(
    st.builds(
        Completion,
        text=st.text(st.characters(), max_size=30),
        scores=st.dictionaries(
            st.text(max_size=2), st.floats(allow_nan=False, allow_infinity=False), max_size=4
        ),
        latency_s=st.floats(0, 1e6),
        prompt_tokens=st.none() | st.integers(0, 10**9),
        notes=st.lists(st.text(max_size=9), max_size=2).map(tuple),
    )
)
def test_any_completion_comes_back_bit_for_bit(completion: Completion) -> None:
    opened = Store(Path(":memory:"), pytest.fail)
    try:
        opened.put(key(), "m", completion)
        assert opened.get([key()]) == {key(): replace(completion, cached=True)}
    finally:
        opened.close()


DIFFERENT = [
    replace(ASKED, max_tokens=9),
    replace(ASKED, temperature=0.5),
    replace(ASKED, temperature=None),
    replace(ASKED, stop=()),
    replace(ASKED, repeat=1),
    replace(ASKED, prompt=ChatPrompt((Message("system", "问题"),))),
    replace(ASKED, prompt=ChatPrompt((Message("user", "问"), Message("user", "题")))),
    replace(ASKED, prompt=TextPrompt("问题")),
    replace(ASKED, choices={"A": " A"}),
    replace(ASKED, choices={"A": " B"}),
    ASKED,
]


def test_a_key_changes_with_all_that_may_change_an_answer() -> None:
    keys = {request_key("model", request) for request in DIFFERENT} | {request_key("other", ASKED)}
    assert len(keys) == len(DIFFERENT) + 1


def test_a_key_does_not_change_with_what_changes_no_answer() -> None:
    scored = replace(ASKED, choices={"A": " A"})
    assert request_key("m", scored) == request_key("m", replace(scored, max_tokens=1, temperature=1.0))
    shot = (Message("user", "q"), Message("assistant", "a"))
    asked = ASKED.prompt
    assert isinstance(asked, ChatPrompt)
    with_shot = ChatPrompt(asked.question, shots=(shot,))
    flat = ChatPrompt((*shot, *asked.question))
    assert request_key("m", replace(ASKED, prompt=with_shot)) == request_key("m", replace(ASKED, prompt=flat))


@given(st.text(st.characters(), max_size=20), st.text(st.characters(), max_size=20))
def test_two_texts_two_keys(one: str, other: str) -> None:
    keys = [request_key("m", Request(TextPrompt(text))) for text in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


def test_what_is_written_outlives_a_killed_process(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    code = f"""
        import os, pathlib, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_store import Store, TOLD, key
        store = Store(pathlib.Path({str(path)!r}), print)
        for number in range(50):
            store.put(key(number), "m", TOLD)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=False)
    assert done.returncode == -9
    store = Store(path, pytest.fail)
    assert len(store.get(map(key, range(50)))) == 50
    store.close()


def test_two_processes_and_two_threads_at_once(tmp_path: Path, notes: list[str]) -> None:
    path = tmp_path / "s.sqlite3"
    code = f"""
        import pathlib, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_store import Store, TOLD, key
        store = Store(pathlib.Path({str(path)!r}), sys.exit)
        for number in range(int(sys.argv[1]), int(sys.argv[1]) + 100):
            store.put(key(number), "m", TOLD)
        store.close()
    """
    others = [subprocess.Popen([sys.executable, "-c", textwrap.dedent(code), f"{n}"]) for n in (0, 100)]
    store = Store(path, notes.append)

    def put(start: int) -> None:
        for number in range(start, start + 100):
            store.put(key(number), "m", TOLD)

    threads = [threading.Thread(target=put, args=(start,)) for start in (200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait(60) for other in others] == [0, 0]
    assert len(store.get(map(key, range(400)))) == 400
    store.close()
    assert not notes


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough" * 40, b"SQLite format 3\0" + b"\7" * 5000]
)
def test_a_damaged_file_is_said_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.sqlite3"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"s\.sqlite3 is damaged .*--llm-cache-dir") as caught:
        Store(path, pytest.fail)
    assert "\n" not in str(caught.value)
    assert path.read_bytes() == content


def test_damage_in_the_middle_is_said(tmp_path: Path) -> None:
    path = tmp_path / "s.sqlite3"
    store = Store(path, pytest.fail)
    for number in range(500):
        store.put(key(number), "m", TOLD)
    store.close()
    content = bytearray(path.read_bytes())
    content[12_288:] = b"\xff" * (len(content) - 12_288)
    path.write_bytes(content)
    with pytest.raises(UserError, match="is damaged"):
        Store(path, pytest.fail).get(map(key, range(500)))


def test_a_locked_file_is_waited_for_and_then_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_llmeval.runtime.store._BUSY_S", 0.05)
    path = tmp_path / "s.sqlite3"
    other = sqlite3.connect(path)
    other.execute("begin exclusive")
    with pytest.raises(UserError, match="is locked by another program"):
        Store(path, pytest.fail)
    other.close()


def test_what_cannot_be_written_now_is_written_later(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_llmeval.runtime.store._BUSY_S", 0.05)
    path = tmp_path / "s.sqlite3"
    now = [0.0]
    store = Store(path, notes.append, clock=lambda: now[0])
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("begin immediate")
    store.put(key(0), "m", TOLD)
    store.put(key(1), "m", TOLD)
    assert len(notes) == 1 and "cannot be stored" in notes[0] and "\n" not in notes[0]
    assert store.get([key(0)]) == {}
    other.execute("rollback")
    now[0] = 6.0
    store.put(key(2), "m", TOLD)
    assert len(store.get(map(key, range(3)))) == 3
    store.close()
    assert len(notes) == 1


def test_a_full_disk_costs_the_store_but_no_answer(tmp_path: Path) -> None:
    """The limit on a file's size is what a full disk is to SQLite: a write that fails."""
    code = f"""
        import pathlib, resource, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        from test_store import Store, TOLD, key, replace
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        notes = []
        now = [0.0]
        store = Store(pathlib.Path({str(tmp_path / "s.sqlite3")!r}), notes.append, clock=lambda: now[0])
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, resource.RLIM_INFINITY))
        for number in range(100):
            now[0] += 10
            store.put(key(number), "m", replace(TOLD, text="x" * 10_000))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        assert len(notes) == 1, notes
        held = len(store.get(map(key, range(100))))
        assert 5 < held < 100, held
        store.close()
        store = Store(pathlib.Path({str(tmp_path / "s.sqlite3")!r}), notes.append)
        assert len(store.get(map(key, range(100)))) == 100
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_file_that_may_only_be_read_is_read(
    tmp_path: Path, notes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "s.sqlite3"
    store = Store(path, pytest.fail)
    store.put(key(), "m", TOLD)
    store.close()
    connect = sqlite3.connect

    def read_only(name: str, **how: object) -> sqlite3.Connection:
        """As for a user without the right to write, whom root cannot play."""
        if not how.get("uri"):
            return connect(f"{path.as_uri()}?mode=ro", **{**how, "uri": True})  # type: ignore[call-overload]
        return connect(name, **how)  # type: ignore[call-overload]

    monkeypatch.setattr(sqlite3, "connect", read_only)
    store = Store(path, notes.append)
    store.put(key(1), "m", TOLD)
    assert list(store.get([key(), key(1)])) == [key()]
    store.close()
    assert len(notes) == 1 and "cannot be stored" in notes[0]


def test_no_folder_can_be_made(tmp_path: Path, notes: list[str]) -> None:
    (tmp_path / "file").write_text("")
    store = Store(tmp_path / "file/s.sqlite3", notes.append)
    store.put(key(), "m", TOLD)
    assert store.get([key()]) == {}
    store.close()
    assert len(notes) == 1


def test_a_row_of_another_version_is_asked_again(store: Store) -> None:
    store.put(key(), "m", TOLD)
    for text in ("[]", "{", '{"text": 1, "future": 2, "notes": 3}'):
        store._connection.execute("update completions set completion=?", (text,))
        assert store.get([key()]) == {}
    store._connection.execute("""update completions set completion='{"text": "A", "future": 2}'""")
    assert store.get([key()])[key()].text == "A"


def test_a_digest_is_remembered_until_the_file_changes(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    first = store.digest(file)
    state = file.stat()
    file.write_bytes(b"two")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert store.digest(file) == first  # size and time are what it goes by
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns + 1))
    assert store.digest(file) != first


def test_what_is_held_and_pruned(store: Store) -> None:
    store.put(key(0), "m", TOLD)
    store.put(key(1), "other", TOLD)
    store._connection.execute("update completions set created=100 where model='other'")
    assert {one.model: one.number for one in store.usage()} == {"m": 1, "other": 1}
    assert store.prune(200.0) == 1
    assert [one.model for one in store.usage()] == ["m"]
