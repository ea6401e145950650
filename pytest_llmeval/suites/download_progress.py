"""Shows how much of a download has arrived."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_TERMINAL_INTERVAL_S = 0.2
_LOG_INTERVAL_S = 10.0


def size_text(size: int) -> str:
    """A size in bytes for readers, in powers of 1000.

    >>> size_text(999), size_text(4_593_210), size_text(1_200_000_000)
    ('999 B', '4.6 MB', '1.2 GB')
    """
    if size < 1000:
        return f"{size} B"
    value = float(size)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.95 or unit == "GB":
            break
    return f"{value:.1f} {unit}"


class Progress:
    """Lines on the bytes in ``folder``: one that is overwritten on a terminal, else one every ten seconds."""

    def __init__(self, label: str, total: int | None, folder: Path, stream: TextIO) -> None:
        self._label, self._total, self._folder, self._stream = label, total, folder, stream
        self._terminal = stream.isatty()
        self._last = ""

    @property
    def interval_s(self) -> float:
        """Seconds between two lines."""
        return _TERMINAL_INTERVAL_S if self._terminal else _LOG_INTERVAL_S

    def show(self) -> None:
        """Write the line if it changed."""
        line = self._line()
        if line != self._last:
            self._write(f"\r\x1b[K{line}" if self._terminal else f"{line}\n")
            self._last = line

    def close(self) -> None:
        """Clear the line on a terminal."""
        if self._terminal:
            self._write("\r\x1b[K")

    def _line(self) -> str:
        arrived = bytes_in(self._folder)
        if not self._total:
            return f"llmeval: {self._label}" + (f": {size_text(arrived)}" if arrived else "")
        arrived = min(arrived, self._total)
        if not arrived:
            return f"llmeval: {self._label} ({size_text(self._total)})"
        share = f"{arrived / self._total:.0%}"
        return f"llmeval: {self._label}: {size_text(arrived)} of {size_text(self._total)} ({share})"

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def bytes_in(folder: Path) -> int:
    """The size of the files in a folder that may change meanwhile, in bytes."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total


@contextmanager
def shown(progress: Progress) -> Iterator[None]:
    """Show the progress at once, and then regularly from a thread."""
    done = threading.Event()

    def repeat() -> None:
        while not done.wait(progress.interval_s):
            progress.show()

    progress.show()
    thread = threading.Thread(target=repeat, name="llmeval-download", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        progress.close()
