"""Completions by content: what was asked of which model, and what came back, in one SQLite file.

A request that was answered once is not asked again: not after a crash, not in the next run. Errors
are not answers and never get in here.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from pytest_llmeval.core.errors import UserError, one_line
from pytest_llmeval.core.types import ChatPrompt, Completion, Request

FILE_NAME = "completions.sqlite3"
_SCHEMA = 1
_BUSY_S = 20.0
_TRY_AGAIN_S = 5.0
_AT_ONCE = 500  # SQLite allows at most 999 parameters in builds before 3.32
_FIELDS = frozenset(field.name for field in fields(Completion)) - {"cached", "error", "parts"}
_TABLES = """
create table if not exists completions(
    key blob primary key, model text not null, created real not null, completion text not null
) without rowid;
create table if not exists digests(
    path text primary key, size integer not null, changed integer not null, digest text not null
) without rowid;
"""


def request_key(model_key: str, request: Request) -> bytes:
    """What a completion is kept under: 32 bytes that change with all that may change the answer.

    Of scored choices that is neither the token limit nor the temperature. ``model_key`` is what
    the backend's ``store_key`` gives.
    """
    prompt: Any
    if isinstance(request.prompt, ChatPrompt):
        # where shots begin and end matters only to what may be dropped, and that is the model's key
        prompt = [[turn.role, turn.content] for turn in request.prompt.messages]
    else:
        prompt = request.prompt.text
    how: list[object] = (
        [dict(request.choices)]
        if request.choices
        else [request.max_tokens, request.temperature, list(request.stop), request.repeat]
    )
    if request.lm_eval:
        how.append("rolling" if request.rolling else "lm-eval")
    content = json.dumps([_SCHEMA, model_key, prompt, how])  # in ASCII, so lone surrogates do no harm
    return hashlib.sha256(content.encode()).digest()


def _packed(completion: Completion) -> str:
    values = asdict(completion)
    return json.dumps({name: values[name] for name in values if name in _FIELDS})


def _unpacked(text: str) -> Completion | None:
    """The completion in a row; None for what another version of this package wrote in another way."""
    try:
        values = json.loads(text)
        values = {name: value for name, value in values.items() if name in _FIELDS}
        values["notes"] = tuple(values.get("notes", ()))
        return Completion(**values, cached=True)
    except (ValueError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class Held:
    """What the store has of one model: how many completions, their size in bytes, and the Unix time
    of the first and the last.
    """

    model: str
    number: int
    size: int
    first: float
    last: float


class Store:
    """The completions in ``path``; safe for several threads and processes.

    In WAL mode with ``synchronous=NORMAL``: what ``put`` wrote outlives a killed process, and the
    file outlives a power cut (the last seconds' answers may not). Raises ``UserError`` for a file
    that is damaged or locked for long. What cannot be written later is said once, through ``note``;
    it is kept in memory and tried again, and nobody's answer waits for that.
    """

    def __init__(
        self, path: Path, note: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._note = note
        self._clock = clock
        self._lock = threading.Lock()
        self._unwritten: list[tuple[bytes, str, float, str]] = []
        self._said = False
        self._try_again = 0.0
        self._writes = True
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._connect(str(self.path))
        except (OSError, sqlite3.OperationalError) as error:
            if "locked" in str(error):
                raise UserError(
                    f"{self.path} is locked by another program; try again, or give another --llm-cache-dir"
                ) from None
            self._say(error)
            self._writes = False
            return self._connect_to_read()
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None

    def _connect(self, name: str) -> sqlite3.Connection:
        connection = sqlite3.connect(name, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("pragma journal_mode=wal")
            connection.execute("pragma synchronous=normal")
            connection.executescript(_TABLES)
        except sqlite3.Error:
            connection.close()
            raise
        return connection

    def _connect_to_read(self) -> sqlite3.Connection:
        """What a file that may only be read holds; else nothing, in memory."""
        try:
            connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?immutable=1", uri=True, check_same_thread=False
            )
            connection.execute("select 1 from completions limit 1")
            return connection
        except sqlite3.Error:
            return self._connect(":memory:")

    def _damaged(self, error: Exception) -> UserError:
        return UserError(
            f"{self.path} is damaged ({one_line(error, 80)}); move it away, "
            "or give another --llm-cache-dir or --llm-no-cache"
        )

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Completion]:
        """The completions there are under ``keys``, marked as cached. Raises ``UserError``."""
        wanted = list(keys)
        found = {}
        try:
            with self._lock:
                for start in range(0, len(wanted), _AT_ONCE):
                    part = wanted[start : start + _AT_ONCE]
                    marks = ",".join("?" * len(part))
                    for key, text in self._connection.execute(
                        f"select key, completion from completions where key in ({marks})", part
                    ):
                        completion = _unpacked(text)
                        if completion is not None:
                            found[key] = completion
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None
        return found

    def put(self, key: bytes, model: str, completion: Completion) -> None:
        """Keep ``completion``; ``model`` is only shown. One with the same key is replaced."""
        with self._lock:
            self._unwritten.append((key, model, time.time(), _packed(completion)))
            if self._clock() >= self._try_again:
                self._write()

    def _write(self) -> None:
        if not self._writes:
            self._unwritten.clear()
            return
        try:
            with self._transaction() as connection:
                connection.executemany("insert or replace into completions values (?,?,?,?)", self._unwritten)
            self._unwritten.clear()
        except sqlite3.Error as error:
            self._try_again = self._clock() + _TRY_AGAIN_S
            self._say(error)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        self._connection.execute("begin immediate")
        try:
            yield self._connection
            self._connection.execute("commit")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("rollback")
            raise

    def _say(self, error: Exception) -> None:
        if not self._said:
            self._said = True
            self._note(
                f"answers cannot be stored in {self.path}: {one_line(error, 80)}; "
                "they are in this run's results, but a rerun asks them again (see --llm-cache-dir)"
            )

    def digest(self, path: Path) -> str:
        """SHA-256 of a file's content, remembered by path, size and time of change. Raises OSError."""
        path = path.resolve()
        state = path.stat()
        known = (str(path), state.st_size, state.st_mtime_ns)
        with self._lock:
            row = self._connection.execute(
                "select digest from digests where path=? and size=? and changed=?", known
            ).fetchone()
        if row is not None:
            return str(row[0])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if self._writes:
            try:
                with self._lock, self._transaction() as connection:
                    connection.execute("insert or replace into digests values (?,?,?,?)", (*known, digest))
            except sqlite3.Error:
                pass  # it will be computed again
        return digest

    def held(self) -> list[Held]:
        """What there is, by model, the largest first."""
        with self._lock:
            rows = self._connection.execute(
                "select model, count(*), sum(length(completion)), min(created), max(created) "
                "from completions group by model order by 3 desc"
            ).fetchall()
        return [Held(*row) for row in rows]

    def prune(self, older_than: float) -> int:
        """Delete what was stored before a Unix time, and give the room back; returns how many."""
        with self._lock:
            with self._transaction() as connection:
                number = connection.execute(
                    "delete from completions where created < ?", (older_than,)
                ).rowcount
            self._connection.execute("vacuum")
        return number

    def close(self) -> None:
        """Write what is left, and let go of the file."""
        with self._lock:
            if self._unwritten:
                self._write()
            self._connection.close()
