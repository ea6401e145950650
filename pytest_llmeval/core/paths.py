"""Paths as users write them."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """``path`` with a leading ``~`` replaced by the home folder.

    Without a home folder (HOME is unset and the account has no entry) it stays as it is, where
    ``Path.expanduser`` would raise.

        >>> expanded("data/questions.csv").as_posix()
        'data/questions.csv'
    """
    return Path(os.path.expanduser(path))
