"""A cache of completions in an SQLite file, keyed by the model and the content of the request.

A request that was answered is not sent again, neither after a crash nor in a later run. Errors are never
stored.
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
_RETRY_S = 5.0
_KEYS_PER_QUERY = 500  # SQLite allows at most 999 parameters in builds before 3.32
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
    """The 32-byte key of a completion, a hash of everything that may change the answer.

    For scored choices this excludes the token limit and the temperature. ``model_key`` is the result of
    the backend's ``store_key``.
    """
    prompt: Any
    if isinstance(request.prompt, ChatPrompt):
        # shot boundaries only affect which shots may be dropped, which is part of the model's key
        prompt = [[turn.role, turn.content] for turn in request.prompt.messages]
    else:
        prompt = request.prompt.text
    parameters: list[object] = (
        [dict(request.choices)]
        if request.choices
        else [request.max_tokens, request.temperature, list(request.stop), request.repeat]
    )
    if request.lm_eval:
        parameters.append("rolling" if request.rolling else "lm-eval")
    content = json.dumps(
        [_SCHEMA, model_key, prompt, parameters]
    )  # ASCII, so lone surrogates cannot fail to encode
    return hashlib.sha256(content.encode()).digest()


def _to_json(completion: Completion) -> str:
    values = asdict(completion)
    return json.dumps({name: values[name] for name in values if name in _FIELDS})


def _from_json(text: str) -> Completion | None:
    """Parse a stored completion; None if another version of this package wrote it in another format.

    Also None with a score that is not finite, which earlier versions stored.
    """
    try:
        values = json.loads(text)
        values = {name: value for name, value in values.items() if name in _FIELDS}
        values["notes"] = tuple(values.get("notes", ()))
        completion = Completion(**values, cached=True)
        return completion if completion.scores_problem is None else None
    except (ValueError, TypeError, AttributeError):
        return None


@dataclass(frozen=True, slots=True)
class ModelUsage:
    """Statistics of a model's stored completions: number, size in bytes, first and last Unix time."""

    model: str
    number: int
    size: int
    first: float
    last: float


class Store:
    """The completions in ``path``; safe for several threads and processes.

    The database runs in WAL mode with ``synchronous=NORMAL``: completions survive a killed process, and the
    file survives a power cut, though the last few seconds of answers may be lost. Raises ``UserError`` if
    the file is damaged, or locked for too long. If a later write fails, the store reports this once through
    ``note``, buffers the completions in memory and retries; answers do not wait for the retry.
    """

    def __init__(
        self, path: Path, note: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self._note = note
        self._clock = clock
        self._lock = threading.Lock()
        self._unwritten: list[tuple[bytes, str, float, str]] = []
        self._reported = False
        self._retry_at = 0.0
        self._writes = True
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            return self._connect(str(self.path))
        except (OSError, sqlite3.OperationalError) as error:
            if "locked" in str(error):
                raise UserError(
                    f"{self.path} is locked by another program; try again, or use another --llm-cache-dir"
                ) from None
            self._report(error)
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
        """Open the file read-only, or an empty database in memory if that fails."""
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
            "or use another --llm-cache-dir or --llm-no-cache"
        )

    def get(self, keys: Iterable[bytes]) -> dict[bytes, Completion]:
        """Look up the stored completions of ``keys``, marked as cached. Raises ``UserError``."""
        all_keys = list(keys)
        completions = {}
        try:
            with self._lock:
                for start in range(0, len(all_keys), _KEYS_PER_QUERY):
                    chunk = all_keys[start : start + _KEYS_PER_QUERY]
                    marks = ",".join("?" * len(chunk))
                    for key, text in self._connection.execute(
                        f"select key, completion from completions where key in ({marks})", chunk
                    ):
                        completion = _from_json(text)
                        if completion is not None:
                            completions[key] = completion
        except sqlite3.DatabaseError as error:
            raise self._damaged(error) from None
        return completions

    def put(self, key: bytes, model: str, completion: Completion) -> None:
        """Store ``completion``, replacing one with the same key; ``model`` is for display only."""
        with self._lock:
            self._unwritten.append((key, model, time.time(), _to_json(completion)))
            if self._clock() >= self._retry_at:
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
            self._retry_at = self._clock() + _RETRY_S
            self._report(error)

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

    def _report(self, error: Exception) -> None:
        if not self._reported:
            self._reported = True
            self._note(
                f"answers cannot be stored in {self.path}: {one_line(error, 80)}; "
                "they are in this run's results, but a rerun sends the requests again (see --llm-cache-dir)"
            )

    def digest(self, path: Path) -> str:
        """The SHA-256 of a file's content, cached by path, size and modification time. Raises OSError."""
        path = path.resolve()
        state = path.stat()
        stamp = (str(path), state.st_size, state.st_mtime_ns)
        with self._lock:
            row = self._connection.execute(
                "select digest from digests where path=? and size=? and changed=?", stamp
            ).fetchone()
        if row is not None:
            return str(row[0])
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if self._writes:
            try:
                with self._lock, self._transaction() as connection:
                    connection.execute("insert or replace into digests values (?,?,?,?)", (*stamp, digest))
            except sqlite3.Error:
                pass  # the next call computes it again
        return digest

    def usage(self) -> list[ModelUsage]:
        """Statistics of the stored completions by model, largest first."""
        with self._lock:
            rows = self._connection.execute(
                "select model, count(*), sum(length(completion)), min(created), max(created) "
                "from completions group by model order by 3 desc"
            ).fetchall()
        return [ModelUsage(*row) for row in rows]

    def prune(self, older_than: float) -> int:
        """Delete completions stored before a Unix time, free the disk space, and return their number."""
        with self._lock:
            with self._transaction() as connection:
                number = connection.execute(
                    "delete from completions where created < ?", (older_than,)
                ).rowcount
            self._connection.execute("vacuum")
        return number

    def close(self) -> None:
        """Write buffered completions and close the file."""
        with self._lock:
            if self._unwritten:
                self._write()
            self._connection.close()
