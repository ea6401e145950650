"""An inference server to be started by a test: it loads for a while, answers A, and may misbehave.

``python tests/inference.py --port 8000 --load 1``
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from tests.support.api_server import Server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--load", type=float, default=0.0, help="seconds until it listens")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds")
    parser.add_argument("--dies-after", type=int, help="so many questions")
    parser.add_argument("--fails", help="says this and ends before it listens")
    parser.add_argument("--pids", type=Path, help="a file for its pid and that of a child in another session")
    parser.add_argument("--stubborn", action="store_true", help="does not end when asked to")
    given = parser.parse_args()
    if given.stubborn:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if given.pids is not None:
        child = subprocess.Popen([sys.executable, "-c", _SLEEP], start_new_session=True)
        with given.pids.open("a") as file:
            file.write(f"{os.getpid()} {child.pid}\n")
    print("loading the weights", flush=True)
    time.sleep(given.load)
    if given.fails is not None:
        print(f"Traceback (most recent call last):\nRuntimeError: {given.fails}", flush=True)
        sys.exit(3)
    with Server(port=given.port, latency=given.latency) as server:
        while given.dies_after is None or len(server.bodies) < given.dies_after:
            threading.Event().wait(0.02)
        print("CUDA error: an illegal memory access was encountered", flush=True)
        os._exit(5)


_SLEEP = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"

if __name__ == "__main__":
    main()
