"""The log of an inference server, and waiting until it is ready."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from pytest_llmeval.core.errors import ModelUnusable
from pytest_llmeval.models.serving import process, supervisor
from pytest_llmeval.models.serving.process import Server, ServerHandle, free_port
from tests.support.processes import SERVER


def start(log: Path, *more: str) -> Server:
    port = free_port()
    return Server([*SERVER[:2], "--port", str(port), *more], port, log)


def test_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    handle = ServerHandle("http://x/v1", log)
    assert handle.last_lines() == [] and not handle.ended
    log.write_bytes("first\n\n 10%\r 20%\r100%\nsch\xf6n\x1b[31m\n".encode("latin-1"))
    assert handle.last_lines(2) == ["100%", "sch\ufffdn [31m"]
    log.write_bytes(b"x" * 200_000 + b"\nlast\n" + supervisor.ENDED.encode() + b"1\n")
    assert handle.ended
    assert str(handle.why_ended("m")).endswith("| last") and len(str(handle.why_ended("m"))) < 1000


PREFIX = "(EngineCore_0 pid=77) ERROR 11-28 14:02:19 [core.py:700] "
VLLM = f"""\
INFO 11-28 14:02:11 [core.py:58] Initializing a V1 LLM engine
{PREFIX}Traceback (most recent call last):
{PREFIX}    self.model = model_class(vllm_config)
{PREFIX}torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB.
(EngineCore_0 pid=77) Process EngineCore_0:
Traceback (most recent call last):
  File "/v/vllm/v1/engine/utils.py", line 734, in wait_for_engine_startup
    raise RuntimeError("Engine core initialization failed. "
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {{}}
[rank0]:[W1128] Warning: destroy_process_group() was not called
"""


@pytest.mark.parametrize(
    ("log", "line"),
    [
        (VLLM, "torch.OutOfMemoryError: CUDA out of memory. Tried 2 GiB."),
        ("usage: vllm [-h]\nvllm: error: unrecognized arguments: -x\n", "error: unrecognized arguments: -x"),
        ("RuntimeError: first\nValueError: second\nINFO: Shutting down\n", "ValueError: second"),
        ("INFO: 1\nterminate called after throwing\nWARN\n", "terminate called after throwing"),
        ("[Errno 98] while attempting to bind: address already in use\nINFO\n", "address already in use"),
        ("RuntimeError: Engine core died.\nbye\n", "RuntimeError: Engine core died."),
        ("loading\nbye\n", "loading | bye"),
    ],
)
def test_the_line_that_matters(tmp_path: Path, log: str, line: str) -> None:
    path = tmp_path / "log"
    path.write_text(f"{log}\n{supervisor.ENDED}1\n")
    error = ServerHandle("http://x/v1", path).why_ended("m")
    assert str(error) == f"the server of model m ended; {path}: {line}"


def test_a_server_that_was_killed(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_text(f"loading\n\n{supervisor.ENDED}137\n")
    error = str(ServerHandle("http://x/v1", path).why_ended("m"))
    assert error.endswith("log: loading (it was killed, as when the machine's memory is full)")


def test_progress_is_reported_until_the_server_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "_REPORT_INTERVAL_S", 0.5)
    reports: list[str] = []
    server = start(tmp_path / "log", "--load", "2")
    try:
        assert server.wait_until_ready("m", 60, reports.append, lambda: False)
    finally:
        server.stop()
    assert any(line.endswith("s: loading the weights") for line in reports)
    assert server.ended and server.handle.ended


def test_a_server_that_ends_while_loading(tmp_path: Path) -> None:
    server = start(tmp_path / "log", "--fails", "no room on the device")
    try:
        with pytest.raises(ModelUnusable, match=r"ended; .*log: .*RuntimeError: no room on the device"):
            server.wait_until_ready("m", 60, lambda _: None, lambda: False)
    finally:
        server.stop()


def test_a_server_that_takes_too_long(tmp_path: Path) -> None:
    server = start(tmp_path / "log", "--load", "600")
    try:
        with pytest.raises(ModelUnusable, match=r"did not answer within 0.5 s \(start_timeout\)"):
            server.wait_until_ready("m", 0.5, lambda _: None, lambda: False)
        assert not server.wait_until_ready("m", 60, lambda _: None, lambda: True)
    finally:
        server.stop()
    assert server.ended


def test_status_503_means_still_loading(tmp_path: Path) -> None:
    code = (
        "import http.server as h, sys, time\n"
        "started = time.monotonic()\n"
        "class Handler(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(503 if time.monotonic() - started < 1 else 404)\n"
        "        self.end_headers()\n"
        "h.HTTPServer(('127.0.0.1', int(sys.argv[1])), Handler).serve_forever()\n"
    )
    port = free_port()
    started = time.monotonic()
    server = Server([sys.executable, "-c", code, str(port)], port, tmp_path / "log")
    try:
        assert server.wait_until_ready("m", 60, lambda _: None, lambda: False)
        assert time.monotonic() - started >= 1
    finally:
        server.stop()
