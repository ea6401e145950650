"""Archives of small tables."""

from __future__ import annotations

import io
import warnings
import zipfile
from collections.abc import Mapping

CSV = b"id,question,A,B,C,D,answer\n0,q,a,b,c,d,B\n"
TABLES = {"val/law_val.csv": CSV, "dev/law_dev.csv": CSV, "test/law_test.csv": CSV.replace(b"B\n", b"\n")}


def zipped(members: Mapping[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(made, "w", compression) as archive:
        warnings.simplefilter("ignore")  # two members of one name
        for name, content in members.items():
            archive.writestr(name, content)
    return made.getvalue()
