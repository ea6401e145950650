"""A small hub on this machine: enough of the Hugging Face hub's API for its client to list and download."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee0000000000000000000000000000000000"
OTHER_COMMIT = "beef000000000000000000000000000000000000"


@dataclass
class Repo:
    """A data set: its files and its README's ``configs`` at each commit, and which branches name them."""

    files: dict[str, bytes]
    configs: list[dict[str, Any]] = field(default_factory=list)
    gated_for: str | None = None  # the token that has accepted the terms
    branches: dict[str, str] = field(default_factory=lambda: {"main": COMMIT})
    at: dict[str, dict[str, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.at.setdefault(COMMIT, self.files)

    def commit(self, revision: str) -> str | None:
        """The commit of a branch or of itself."""
        commit = self.branches.get(revision, revision)
        return commit if commit in self.at else None


class Hub:
    """The server. ``asked`` has requests as ``METHOD PATH``; ``cuts`` are sizes at which downloads end."""

    def __init__(self, repos: dict[str, Repo]) -> None:
        self.repos = repos
        self.asked: list[str] = []
        self.tokens: list[str | None] = []
        self.ranges: list[str] = []
        self.cuts: Iterator[int | None] = itertools.repeat(None)
        self.only: str | None = None  # the file whose downloads are cut
        self.damaged: set[str] = set()
        self.digests = True
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                hub.answer(self)

            do_HEAD = do_GET

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    @property
    def downloads(self) -> list[str]:
        """The files that were sent, in the order of their requests."""
        return [
            line.rpartition("/resolve/")[2]
            for line in self.asked
            if line.startswith("GET") and "/resolve/" in line
        ]

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = unquote(urlsplit(request.path).path)
        if not path.startswith(
            ("/api/datasets/", "/datasets/")
        ):  # the client also asks for things of its own
            _send(request, 200 if path == "/" else 404, b"")
            return
        self.asked.append(f"{request.command} {path}")
        token = (request.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        self.tokens.append(token)
        api = path.startswith("/api/datasets/")
        name, _, rest = (
            path.removeprefix("/api")
            .removeprefix("/datasets/")
            .partition("/revision/" if api else "/resolve/")
        )
        repo = self.repos.get(name)
        if repo is None:
            _send(
                request, 401, b"", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"}
            )
            return
        revision, file = (rest or "main", "") if api else _split(rest, repo)
        commit = repo.commit(revision)
        if commit is None:
            _send(
                request, 404, b"", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "Invalid rev id"}
            )
        elif api:
            _send(request, 200, json.dumps(self._info(name, repo, commit)).encode())
        elif repo.gated_for is not None and token != repo.gated_for:
            status = 401 if token is None else 403
            _send(
                request, status, b"", {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access is restricted"}
            )
        elif file not in repo.at[commit]:
            _refuse(request, 404, "EntryNotFound")
        else:
            self._file(request, file, repo.at[commit][file], commit)

    def _info(self, name: str, repo: Repo, commit: str) -> dict[str, Any]:
        siblings = []
        for path, content in repo.at[commit].items():
            lfs = {"sha256": _sha256(content), "size": len(content), "pointerSize": 130}
            siblings.append(
                {"rfilename": path, "size": len(content), **({"lfs": lfs} if self.digests else {})}
            )
        card = {"cardData": {"configs": repo.configs}} if repo.configs else {}
        gated = "auto" if repo.gated_for is not None else False
        return {"id": name, "sha": commit, "gated": gated, "siblings": siblings, **card}

    def _file(self, request: BaseHTTPRequestHandler, file: str, content: bytes, commit: str) -> None:
        headers = {"X-Repo-Commit": commit, "ETag": f'"{_sha256(content)}"', "Accept-Ranges": "bytes"}
        start, status = 0, 200
        if asked := request.headers.get("Range"):
            self.ranges.append(asked)
            start, status = int(asked.removeprefix("bytes=").partition("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        cut = next(self.cuts) if request.command == "GET" and self.only in (None, file) else None
        if file in self.damaged:
            content = content[:-1] + bytes([content[-1] ^ 0xFF])
        _send(request, status, content[start:], headers, cut_after=cut)


def _split(rest: str, repo: Repo) -> tuple[str, str]:
    """Revision and file of a path; a branch's name may have slashes."""
    for branch in repo.branches:
        if rest.startswith(f"{branch}/"):
            return branch, rest[len(branch) + 1 :]
    revision, _, file = rest.partition("/")
    return revision, file


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _refuse(request: BaseHTTPRequestHandler, status: int, code: str) -> None:
    _send(request, status, b"", {"X-Error-Code": code, "X-Error-Message": code})


def _send(
    request: BaseHTTPRequestHandler,
    status: int,
    body: bytes,
    headers: Mapping[str, str] | None = None,
    cut_after: int | None = None,
) -> None:
    request.send_response(status)
    for name, value in (headers or {}).items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.send_header("Connection", "close")
    request.end_headers()
    if request.command == "GET":
        request.wfile.write(body[:cut_after])
    request.close_connection = True


@contextmanager
def serving(repos: dict[str, Repo]) -> Iterator[Hub]:
    """A hub with these data sets, until the block ends."""
    hub = Hub(repos)
    thread = threading.Thread(target=hub.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()
        thread.join()


def client_environ(endpoint: str, home: Path, **more: str) -> dict[str, str]:
    """The environment of a process whose hub client asks ``endpoint``, without the tokens of this one."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "HUGGING"))}
    own = {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "NO_PROXY": "*", "HF_HUB_DISABLE_XET": "1"}
    return {**kept, **own, **more}


SCRIPT = """
import sys, time
time.sleep = lambda seconds: None  # between the client's retries
from pathlib import Path
from huggingface_hub import constants
constants.DOWNLOAD_CHUNK_SIZE = 1000  # 10 MB otherwise, of which the client forgets a part
from pytest_llmeval.suites.catalog import load
from pytest_llmeval.suites.download import fetch
from pytest_llmeval import DataMissing
try:
    print(fetch(load(Path(sys.argv[1])), Path(sys.argv[2])))
except DataMissing as error:
    print(f"DataMissing: {error}")
"""


def start_fetch(folder: Path, cache: Path, endpoint: str, **environ: str) -> subprocess.Popen[str]:
    """Start ``fetch`` of the benchmark in ``folder`` in a process of its own.

    The client reads its environment when it is imported, so it has to be another process.
    """
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(cache)],
        env=client_environ(endpoint, cache / "home", **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def finished(process: subprocess.Popen[str]) -> tuple[str, str]:
    """What ``fetch`` returned or raised, and the standard error."""
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    lines = out.splitlines()
    assert len(lines) == 1, out
    assert "Traceback" not in err
    return lines[0], err


def fetched(folder: Path, cache: Path, endpoint: str, **environ: str) -> tuple[str, str]:
    """What ``fetch`` returns or raises in a process of its own, and its standard error."""
    return finished(start_fetch(folder, cache, endpoint, **environ))
