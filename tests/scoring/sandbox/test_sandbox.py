"""Programs that fail, cheat or attack: none of them passes, and none escapes the sandbox."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_llmeval.scoring.sandbox import base, own
from pytest_llmeval.scoring.sandbox.base import Limits, Provider, SandboxFailed
from pytest_llmeval.scoring.sandbox.bubblewrap import Bubblewrap
from pytest_llmeval.scoring.sandbox.own import Own
from pytest_llmeval.scoring.sandbox.runner import ProgramResult, PythonTests, run
from tests.support.paths import PACKAGE, ROOT
from tests.support.sandboxes import PROVIDERS, why_skip

TALK = """
import os
for n in range(3, 64):
    try:
        os.write(n, b'{}\\n')
    except OSError:
        pass
"""
QUICK = Limits(seconds=3, memory_mb=256, disk_mb=4)
pytestmark = [
    pytest.mark.slow,  # hostile programs, each a process of its own
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]


Run = Callable[..., ProgramResult]


@pytest.fixture(params=PROVIDERS, ids=lambda provider: provider.name)
def provider(request: pytest.FixtureRequest) -> Provider:
    chosen: Provider = request.param
    if (reason := why_skip(chosen)) is not None:
        pytest.skip(reason)
    return chosen


@pytest.fixture
def result_of(provider: Provider) -> Run:
    def result_of(code: str, tests: str = "", limits: Limits = QUICK) -> ProgramResult:
        return run(code, PythonTests(tests), limits, provider=provider)

    return result_of


def test_programs_pass_or_fail_with_a_reason(result_of: Run) -> None:
    code = "from dataclasses import dataclass\n@dataclass\nclass P:\n    x: int\ndef f(x): return P(x + 1)\n"
    assert result_of(code, "assert f(1) == P(2)") == ProgramResult(True)
    assert result_of(code, "assert f(1) == P(3), 'no'") == ProgramResult(False, "AssertionError: no")
    assert result_of("def f(:", "f()").reason.startswith("before its tests: SyntaxError")
    assert result_of("1 / 0").reason == "before its tests: ZeroDivisionError: division by zero"
    assert result_of("if __name__ == '__main__':\n    1 / 0\n").passed
    assert result_of("x = '" + "é" * 300_000 + "'", f"assert len(x) == 300_000\n#{'y' * 300_000}").passed


@pytest.mark.parametrize(
    "code",
    [
        "import os; os._exit(0)",
        "import sys; sys.exit(0)",
        "import os\ndef f(): os._exit(0)",
        "def f(): raise SystemExit(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        "import ctypes; ctypes.string_at(0)",
        "import os; os.execv('/usr/bin/true', ['true'])",
        "import atexit, os; atexit.register(lambda: print('passed'))\ndef f(): raise SystemExit",
        # the token that reports success is not known beforehand
        TALK.format('{"passed": ""}'),
        TALK.format('ready\\n{"passed": true}'),
        TALK.format('{"jail": "no"}'),
        # the runner keeps references to the functions that it uses after the program
        "import builtins\nreal = compile\nbuiltins.compile = lambda *_: real('', '', 'exec')",
        "import builtins\nbuiltins.exec = lambda *_: None",
        "import json\njson.loads = lambda *_: {'tests': '', 'word': ''}",
        "import os; os.closerange(3, 64)",
        "class E(Exception):\n    def __str__(self): raise SystemExit\ndef f(): raise E",
    ],
)
def test_ending_early_or_forging_messages_is_not_passing(result_of: Run, code: str) -> None:
    assert not result_of(code, "f()\nassert False").passed


@pytest.mark.parametrize(
    "code", ["while True: pass", "import time; time.sleep(99)", "def f():\n    while True: pass"]
)
def test_time_is_limited(result_of: Run, code: str) -> None:
    started = time.monotonic()
    assert result_of(code, "f()", Limits(seconds=1)) == ProgramResult(False, "not done after 1 s")
    assert time.monotonic() - started < 20


def test_memory_is_limited(result_of: Run) -> None:
    assert result_of("x = bytearray(1 << 30)").reason == "before its tests: MemoryError"
    assert result_of("x = []\nwhile True: x.append(bytearray(1 << 20))").reason.endswith("MemoryError")


def test_output_is_discarded(result_of: Run) -> None:
    for place in ("sys.stdout", "sys.stderr"):
        flood = f"import sys\nfor _ in range(200): {place}.write('x' * 100_000)\n"
        assert result_of(flood, "assert True").passed
    pipe = "while True:\n" + TALK.format("z" * 60_000).replace("\n", "\n    ")
    assert not result_of(pipe, "", Limits(seconds=2)).passed


def test_files_are_isolated(result_of: Run, provider: Provider) -> None:
    code = """
import os
refused = []
library = os.path.dirname(os.__file__)
for place in ("/", "/usr", "/dev", "/etc", "/root", "/home", "/var", library, "/proc", "/sys"):
    try:
        open(place + "/written", "w").close()
    except OSError:
        refused.append(place)
assert len(refused) == 10, refused
assert os.getcwd() == os.environ["HOME"] == "/tmp" and sorted(os.listdir("/tmp")) == PYTHON
open("mine", "w").write("x")
assert open("mine").read() == "x"
"""
    python = sorted({Path(place).parts[2] for place in own.visible_folders() if place.startswith("/tmp/")})
    assert result_of("", code.replace("PYTHON", repr(python))) == ProgramResult(True)
    full = "with open('big', 'wb') as file:\n    for _ in range(100): file.write(b'x' * 1_000_000)\n"
    assert "OSError" in result_of(full).reason or "ended" in result_of(full).reason
    many = "for n in range(100):\n    open(f'own{n}', 'wb').write(b'x' * 1_000_000)\n"
    assert "No space left" in result_of(many).reason
    inodes = "for n in range(10_000): open(f'own{n}', 'w').close()\n"
    if provider.name != "bubblewrap":  # which cannot limit their number
        assert "No space left" in result_of(inodes).reason


def test_environment_files_and_descriptors_of_the_parent_are_hidden(
    result_of: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    (tmp_path / "secret").write_text("s")
    opened = os.open(tmp_path / "secret", os.O_RDONLY)
    os.set_inheritable(opened, True)
    home = os.path.expanduser("~")
    code = f"""
import os
given = {sorted(base.ENVIRONMENT)!r}
assert sorted(set(os.environ) - {{"LC_CTYPE"}}) == given, sorted(os.environ)
for place in ({str(tmp_path)!r}, "/proc/1", "/etc/passwd", {home!r} + "/.ssh", {home!r} + "/.bashrc"):
    assert not os.path.exists(place), place
open_files = []
for n in range(64):
    try:
        os.fstat(n)
        open_files.append(n)
    except OSError:
        pass
assert open_files == [0, 1, 2, 4], open_files
"""
    try:
        assert result_of("", code) == ProgramResult(True)
    finally:
        os.close(opened)


def test_no_network(result_of: Run, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(tmp_path / "socket"))
        local.listen()
        with socket.socket(socket.AF_UNIX) as abstract:
            abstract.bind(b"\0llmeval-test")
            abstract.listen()
            code = f"""
import socket
def reached(family, address):
    with socket.socket(family) as client:
        try:
            client.connect(address)
        except OSError:
            return False
        return True
assert not reached(socket.AF_INET, ("127.0.0.1", {server.getsockname()[1]}))
assert not reached(socket.AF_INET, ("1.1.1.1", 53))
assert not reached(socket.AF_UNIX, {str(tmp_path / "socket")!r})
assert not reached(socket.AF_UNIX, b"\\0llmeval-test")
try:
    socket.getaddrinfo("example.org", 80)
    raise AssertionError("resolved")
except OSError:
    pass
"""
            assert result_of("", code) == ProgramResult(True)


def test_processes_are_few_and_end_with_the_program(result_of: Run) -> None:
    marker = f"llmeval-{os.getpid()}-survivor"
    bomb = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
    assert not result_of(bomb, "", Limits(seconds=2)).passed
    threads = (
        "import threading, time\nfor _ in range(50): threading.Thread(target=time.sleep, args=(9,)).start()\n"
    )
    assert "can't start new thread" in result_of(threads).reason
    # a process in a group and session of its own outlives neither the result nor a timeout
    away = f"""
import os
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execv("/bin/sleep", ["{marker}", "60"])
    os._exit(0)
"""
    assert result_of(away, "assert True").passed
    assert not result_of(away + "while True: pass", "", Limits(seconds=1)).passed
    assert not runs(marker)


def imports(provider: Provider) -> str:
    """Python that makes a provider, and imports what runs a program with it."""
    return (
        "from pytest_llmeval.scoring.sandbox import selection; "
        "from pytest_llmeval.scoring.sandbox.bubblewrap import Bubblewrap; "
        "from pytest_llmeval.scoring.sandbox.containers import Container; "
        "from pytest_llmeval.scoring.sandbox.own import Own; "
        "from pytest_llmeval.scoring.sandbox.runner import PythonTests, run; "
        f"provider = {provider!r}"
    )


def test_the_program_is_killed_when_pytest_is_killed(provider: Provider) -> None:
    marker = f"llmeval-{os.getpid()}-orphan"
    code = f"import os; os.execv('/bin/sleep', ['{marker}', '60'])"
    parent = subprocess.Popen(
        [sys.executable, "-c", f"{imports(provider)}; run({code!r}, PythonTests(''), provider=provider)"]
    )
    try:
        assert waited_for(lambda: runs(marker))
    finally:
        parent.kill()
        parent.wait()
    assert waited_for(lambda: not runs(marker))


def runs(name: str) -> bool:
    """Whether a process has this name."""
    seen = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return any(line.startswith(name) for line in seen.splitlines())


def waited_for(condition: Callable[[], bool]) -> bool:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if condition():
            return True
        time.sleep(0.05)
    return False


def test_other_processes_cannot_be_killed(result_of: Run) -> None:
    code = f"""
import os, signal
for pid in ({os.getpid()}, {os.getppid()}, 1):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
assert os.getppid() in (0, 1)
"""
    assert result_of("", code) == ProgramResult(True)
    assert not result_of("import os; os.kill(-1, 9); os.kill(os.getpid(), 9)").passed


def test_privileges_are_dropped(result_of: Run) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert os.getuid() != 0
for attempt in (lambda: os.setuid(0), lambda: os.chroot("/tmp"), lambda: os.mknod("/tmp/d", 0o60600, 0x800)):
    try:
        attempt()
    except OSError:
        continue
    raise AssertionError("allowed")
assert libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == -1
# nor can it become root in a new namespace: by unshare, by clone, by clone3
assert libc.unshare(0x10000000) == -1 and ctypes.get_errno() == 1
clone, clone3 = (56, 435) if os.uname().machine == "x86_64" else (220, 435)
assert libc.syscall(clone, 0x10000011, 0, 0, 0, 0) == -1 and ctypes.get_errno() == 1
assert libc.syscall(clone3, 0, 0) == -1 and ctypes.get_errno() == 38
"""
    assert result_of("", code) == ProgramResult(True)


def test_shared_memory_without_a_mapping_is_refused(result_of: Run) -> None:
    code = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
assert libc.shmget(0, 1 << 20, 0o1600) == -1 and ctypes.get_errno() == 1
try:
    os.memfd_create("m")
except PermissionError:
    pass
else:
    raise AssertionError("memfd")
"""
    assert result_of("", code) == ProgramResult(True)


def test_the_host_of_a_virtual_machine_cannot_be_reached(result_of: Run) -> None:
    code = """
import socket
for family in (38, 40):  # AF_ALG, AF_VSOCK
    try:
        socket.socket(family, socket.SOCK_SEQPACKET if family == 38 else socket.SOCK_STREAM)
    except OSError as error:
        assert error.errno == 97, error
    else:
        raise AssertionError(family)
assert socket.socketpair()
"""
    assert result_of("", code) == ProgramResult(True)


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="uses i386 system calls")
def test_system_calls_of_another_architecture_kill_the_program(result_of: Run) -> None:
    # mov eax, 20 (getpid of i386); int 0x80; ret
    code = """
import ctypes, mmap
page = mmap.mmap(-1, 4096, prot=7)
page.write(bytes.fromhex("b814000000cd80c3"))
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
"""
    assert result_of(code).reason == "it ended before its tests did"


def test_temporary_folders_are_removed(
    result_of: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert result_of("open('left', 'w').write('x')").passed
    assert list(tmp_path.iterdir()) == []


def test_python_is_visible_under_all_its_paths_but_the_home_folder_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "link"))
    assert {str(tmp_path / "link"), str(tmp_path / "real")} <= set(own.visible_folders())
    monkeypatch.setenv("HOME", str(tmp_path / "real" / "me"))
    with pytest.raises(SandboxFailed, match=r"installed in a folder that contains the home folder: .*real"):
        own.visible_folders()
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.setattr(sys, "prefix", "/tmp")
    with pytest.raises(SandboxFailed, match=r"installed in a folder that contains the temporary files: /tmp"):
        own.visible_folders()


def test_python_may_be_installed_in_tmp(provider: Provider) -> None:
    code = (
        f"{imports(provider)}\n"
        "print(selection.why_not(provider))\n"
        'print(run("", PythonTests(\'import os; os.mkdir("/tmp/own")\'), provider=provider))\n'
    )
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chmod(folder, 0o755)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder + "/venv"], check=True)
        done = subprocess.run(
            [folder + "/venv/bin/python", "-c", code],
            env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            cwd="/",
        )
    assert done.stdout.startswith("None\nProgramResult(passed=True, reason=''"), done


@pytest.mark.skipif(sys.platform != "linux", reason="the jail needs Linux")
def test_unknown_architectures_are_refused() -> None:
    from pytest_llmeval.scoring.sandbox import jail

    assert len(jail.call_filter("x86_64")) == len(jail.call_filter("aarch64")) < 8 * 256
    with pytest.raises(ValueError, match="the system calls of riscv64 are unknown"):
        jail.call_filter("riscv64")


def test_a_sandbox_that_cannot_start_gives_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own, "_JAIL", Path("/nonexistent.py"))
    with pytest.raises(SandboxFailed, match=r"nonexistent\.py"):
        run("", PythonTests(""), provider=Own())
    monkeypatch.setattr("pytest_llmeval.scoring.sandbox.bubblewrap.PROGRAM", "/nonexistent")
    with pytest.raises(SandboxFailed, match=r"no process can be started: .*nonexistent"):
        run("", PythonTests(""), provider=Bubblewrap())


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become another user")
def test_as_an_ordinary_user(provider: Provider) -> None:
    """The sandbox works for an ordinary user too, in a user namespace."""
    package = PACKAGE
    code = (
        "import os, sys\n"
        "os.setgroups([]); os.setgid(12345); os.setuid(12345)\n"
        f"{imports(provider)}\n"
        "print(selection.why_not(provider))\n"
        "print(run('x = 1', PythonTests('assert x == 1'), provider=provider))\n"
        "print(run('import os; os._exit(0)', PythonTests(''), provider=provider))\n"
    )
    python = "/usr/bin/python3"
    seen = subprocess.run(
        [
            "setpriv",
            "--reuid=12345",
            "--regid=12345",
            "--clear-groups",
            python,
            "-c",
            "import sys; assert sys.version_info >= (3, 11)",
        ],
        capture_output=True,
    )
    if seen.returncode != 0 or not os.access(package, os.R_OK):
        pytest.skip("no Python that every user can run")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        shutil.copytree(
            package, Path(folder) / "pytest_llmeval", ignore=shutil.ignore_patterns("__pycache__")
        )
        subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
        done = subprocess.run(
            [python, "-B", "-c", code],
            env={"PYTHONPATH": folder, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            cwd="/",
        )
    assert done.stdout.startswith("None\nProgramResult(passed=True"), done
    assert "ended before its tests did" in done.stdout
