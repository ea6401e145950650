"""Which model answered, as the server says: gateways fall back to others, and names stand for versions."""

from __future__ import annotations


def other_model(named: str, served: str) -> str:
    """The served model if it is another one than was named, else an empty string.

    A path or publisher before the name, letter case and the default revision make no other model.

    >>> other_model("gpt-4o", "gpt-4o-2024-08-06"), other_model("Qwen/Qwen3-8B", "qwen3-8b")
    ('gpt-4o-2024-08-06', '')
    """
    return "" if not served or _plain(named) == _plain(served) else served


def _plain(name: str) -> str:
    return name.strip().rstrip("/").rpartition("/")[2].casefold().removesuffix("@main")
