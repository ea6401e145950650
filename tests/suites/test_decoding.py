"""Encodings of data files."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llmeval.core.errors import UserError
from pytest_llmeval.suites.decoding import decode

TEXT = "question,answer\r\n法国的首都是哪里？,巴黎\r\nÉtat 🇫🇷,Paris\r\n"


def fails(raw: bytes) -> str:
    with pytest.raises(UserError) as caught:
        decode(raw, Path("t.csv"))
    return str(caught.value)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode(encoding: str) -> None:
    assert decode(TEXT.encode(encoding), Path("t.csv")) == TEXT


@pytest.mark.parametrize("order", ["le", "be"])
def test_unicode_of_either_byte_order(order: str) -> None:
    for size in (16, 32):
        assert decode(("\ufeff" + TEXT).encode(f"utf-{size}-{order}"), Path("t.csv")) == TEXT


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (
            "a\r法国的首都".encode("gbk"),
            "line 2: not UTF-8; it looks like GBK: convert it with iconv -f GB18030",
        ),
        (
            "a\nCafé, État, où".encode("cp1252"),
            "line 2: not UTF-8; it looks like Windows-1252: convert it with",
        ),
        (b"a\n\xff\xff", "line 2: not UTF-8; save it as UTF-8"),
        (TEXT.encode("utf-16")[:-1], "t.csv: broken UTF-16; save it as UTF-8"),
        (b"question,answer\r\nq\0,a\r\n", "line 2: not a text file (a NUL character); remove it"),
        (
            ("question,answer\n" * 20).encode("utf-16-le"),
            "UTF-16 without a byte-order mark; save it as UTF-8",
        ),
    ],
)
def test_what_cannot_be_read(raw: bytes, said: str) -> None:
    assert said in fails(raw)
