"""Run by ``sandbox.py`` as a program of its own: shut this process in, become the judged program's Python.

    sandbox.run  --starts-->  jail  --forks-->  process 1 of a new process namespace  --forks-->  Python

It uses the standard library only, and nothing of this package: it runs with ``python -I -S``. Order matters:
file systems are laid out while that is allowed, then rights are given up, then limits are set and system
calls refused, then another program is executed, so that nothing of this one is in its memory.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, NoReturn

_CLONE_NEWNS, _CLONE_NEWUTS, _CLONE_NEWIPC = 0x00020000, 0x04000000, 0x08000000
_CLONE_NEWUSER, _CLONE_NEWPID, _CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
_MS_RDONLY, _MS_NOSUID, _MS_NODEV, _MS_REMOUNT = 1, 2, 4, 32
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MNT_DETACH = 2
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_MOUNT_SETATTR = 442  # of every architecture; Linux 5.12
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_NOBODY = 65534
_IN, _OUT = 3, 4
_OLD = "/.llmeval-old"
_SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/nix/store",
    "/etc/ld.so.cache",
    "/etc/alternatives",
)
_DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

#: by ``uname -m``: the kernel's word for an architecture, and where its numbers stand below
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
#: system calls that are refused, with their numbers
_REFUSED = {
    # memory that no limit counts
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # rights in a namespace of one's own
    "unshare": (272, 97),
    "setns": (308, 268),
    "chroot": (161, 51),
    "pivot_root": (155, 41),
    "mount": (165, 40),
    "umount2": (166, 39),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "mount_setattr": (442, 442),
    # other processes' memory
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    # what no judged program needs, and kernels were often broken by
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}
_CLONE, _CLONE3, _SOCKET = (56, 220), 435, (41, 198)
_ANY_NAMESPACE = 0x7E020000  # of mounts, control groups, host name, IPC, users, processes, network
#: AF_UNIX, AF_INET, AF_INET6, AF_NETLINK: these a network namespace holds. Others it may not, like AF_VSOCK,
#: which reaches a virtual machine's host.
_FAMILIES = (1, 2, 10, 16)

#: what the judged program's Python begins with. It says that it begins, reads the program as a line of JSON,
#: runs it, says that it is ready, and only then is sent the tests, and the word for their having passed.
RUNNER = """
def main():
    import json, os, sys, types
    arriving, leaving = (int(number) for number in sys.argv[1:])
    del sys.argv[1:]
    write, leave, dumps, loads, read, run = os.write, os._exit, json.dumps, json.loads, compile, exec

    def end(said):
        write(leaving, (dumps(said) + chr(10)).encode())
        leave(0)

    def failed(where, error):
        try:
            told = ": ".join(filter(None, (type(error).__name__, str(error))))[:500]
        except BaseException:
            told = "an error that cannot be told"
        end({"failed": told, "where": where})

    lines = os.fdopen(arriving, "r", encoding="utf-8", closefd=False)
    module = types.ModuleType("solution")
    sys.modules["solution"] = module
    write(leaving, b"begun" + bytes([10]))
    source = loads(lines.readline())["code"]
    try:
        run(read(source, "<answer>", "exec"), module.__dict__)
    except BaseException as error:
        failed("program", error)
    write(leaving, b"ready" + bytes([10]))
    sent = loads(lines.readline())
    os.close(arriving)
    try:
        run(read(sent["tests"], "<tests>", "exec"), module.__dict__)
    except BaseException as error:
        failed("tests", error)
    end({"passed": sent["word"]})

main()
"""


class _Libc:
    """System calls that Python 3.11 has no function for. Each raises OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def _check(self, result: int, what: str) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{what}: {os.strerror(number)}")

    def unshare(self, flags: int) -> None:
        self._check(self._libc.unshare(flags), "unshare")

    def mount(
        self, source: str, target: str, kind: str | None, flags: int, options: str | None = None
    ) -> None:
        encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
        data = None if options is None else options.encode()
        self._check(self._libc.mount(*encoded, ctypes.c_ulong(flags), data), f"mount {target}")

    def read_only(self, target: str, *, devices: bool = False) -> None:
        """Make a mount and all below it read-only, without set-uid programs."""
        attributes = _MS_RDONLY | _MS_NOSUID | (0 if devices else _MS_NODEV)
        given = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
        result = self._libc.syscall(
            ctypes.c_long(_MOUNT_SETATTR),
            ctypes.c_int(_AT_FDCWD),
            ctypes.c_char_p(os.fsencode(target)),
            ctypes.c_uint(_AT_RECURSIVE),
            given,
            ctypes.c_size_t(ctypes.sizeof(given)),
        )
        self._check(result, f"mount_setattr {target}")

    def pivot_root(self, new: str, old: str) -> None:
        self._check(self._libc.pivot_root(os.fsencode(new), os.fsencode(old)), "pivot_root")

    def unmount(self, target: str) -> None:
        self._check(self._libc.umount2(os.fsencode(target), _MNT_DETACH), f"umount {target}")

    def prctl(self, option: int, value: int) -> None:
        self._check(self._libc.prctl(option, value, 0, 0, 0), "prctl")

    def filter_calls(self, program: bytes) -> None:
        """Install a seccomp filter, for good."""

        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

        given = Program(len(program) // 8, program)
        result = self._libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(given), 0, 0)
        self._check(result, "seccomp")


def _lay_out(libc: _Libc, root: str, visible: list[str], disk_mb: int) -> None:
    """A root of its own: the system's programs and Python read-only, and an empty /tmp in memory."""
    libc.mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    libc.mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    os.mkdir(root + "/tmp")  # first of all: Python's own folder may be in it
    options = f"size={disk_mb}m,nr_inodes=4096,mode=1777"
    libc.mount("tmpfs", root + "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    seen: list[str] = []
    for path in (*_SYSTEM, *visible):
        if not os.path.exists(path) or any(os.path.commonpath([path, other]) == other for other in seen):
            continue
        place = root + path
        os.makedirs(os.path.dirname(place), exist_ok=True)
        if os.path.isdir(path):
            os.makedirs(place, exist_ok=True)
        else:
            open(place, "x").close()
        libc.mount(path, place, None, _MS_BIND | _MS_REC)
        libc.read_only(place)
        seen.append(path)
    os.mkdir(root + "/dev")
    for path in _DEVICES:
        open(root + path, "x").close()
        libc.mount(path, root + path, None, _MS_BIND)
        libc.read_only(root + path, devices=True)
    os.mkdir(root + _OLD)
    libc.pivot_root(root, root + _OLD)
    os.chdir("/")
    libc.unmount(_OLD)
    os.rmdir(_OLD)
    libc.mount("none", "/", None, _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV)
    os.chdir("/tmp")


def _write(path: str, text: str) -> None:
    with open(path, "w") as file:
        file.write(text)


def _shut_in(libc: _Libc, asked: dict[str, Any]) -> None:
    """New namespaces, and a root of its own; without rights, whoever started this."""
    apart = _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS
    user, group = os.getuid(), os.getgid()
    if user == 0:
        libc.unshare(apart)
        _lay_out(libc, asked["root"], asked["visible"], asked["disk_mb"])
    else:
        libc.unshare(apart | _CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"1000 {user} 1")
        _write("/proc/self/gid_map", f"1000 {group} 1")
        _lay_out(libc, asked["root"], asked["visible"], asked["disk_mb"])


def _give_up_rights(libc: _Libc) -> None:
    """After this and the execution of another program there is nothing left to give up."""
    if os.getuid() == 0:
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        except OSError as error:
            raise OSError(error.errno, f"becoming another user than root: {error.strerror}") from None
        libc.unshare(_CLONE_NEWUSER)  # processes are counted by user and user namespace
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def _set_limits(asked: dict[str, Any]) -> None:
    memory, cpu = asked["memory_mb"] << 20, asked["cpu_s"]
    for what, soft, hard in (
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, asked["disk_mb"] << 20, asked["disk_mb"] << 20),
        (resource.RLIMIT_NPROC, asked["processes"], asked["processes"]),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        resource.setrlimit(what, (soft, hard))


def _filter(machine: str) -> bytes:
    """The classic BPF program that the kernel runs before each system call. Raises ``ValueError``."""
    if machine not in _MACHINES or sys.byteorder != "little":
        raise ValueError(f"the system calls of {machine} are not known")
    load, equal, at_least, any_of, verdict = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    number, architecture, first_argument = 0, 4, 16
    expected, column = _MACHINES[machine]
    code = [
        (load, 0, 0, architecture),
        (equal, 1, 0, expected),
        (verdict, 0, 0, kill),  # another architecture's numbers mean other calls
        (load, 0, 0, number),
        (at_least, 0, 1, 0x40000000),  # and so do those of x32
        (verdict, 0, 0, kill),
    ]
    for numbers in _REFUSED.values():
        code += [(equal, 0, 1, numbers[column]), (verdict, 0, 0, refuse | errno.EPERM)]
    code += [
        # its flags are in memory, where no filter looks; the C library then takes clone
        (equal, 0, 1, _CLONE3),
        (verdict, 0, 0, refuse | errno.ENOSYS),
        (equal, 0, 4, _CLONE[column]),
        (load, 0, 0, first_argument),
        (any_of, 0, 1, _ANY_NAMESPACE),
        (verdict, 0, 0, refuse | errno.EPERM),
        (verdict, 0, 0, allow),
        (equal, 1, 0, _SOCKET[column]),
        (verdict, 0, 0, allow),
        (load, 0, 0, first_argument),
    ]
    for family in _FAMILIES:
        code += [(equal, 0, 1, family), (verdict, 0, 0, allow)]
    code.append((verdict, 0, 0, refuse | errno.EAFNOSUPPORT))
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _become_python(asked: dict[str, Any]) -> NoReturn:
    os.dup2(0, _IN)
    os.dup2(1, _OUT)
    nowhere = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(nowhere, number)
    os.closerange(_OUT + 1, 4096)
    python = asked["python"]
    os.execve(python, [python, "-I", "-B", "-c", RUNNER, str(_IN), str(_OUT)], asked["environment"])


def _say(message: dict[str, str]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def main() -> int:
    """Says on standard output what keeps the program from being run, "" for nothing; exit code 0 always."""
    asked = json.loads(sys.argv[1])
    try:
        libc = _Libc()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != asked["parent"]:
            return 0
        _shut_in(libc, asked)
        first = os.fork()
        if first == 0:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            program = os.fork()
            if program == 0:
                _give_up_rights(libc)
                _set_limits(asked)
                libc.filter_calls(_filter(os.uname().machine))
                _say({"jail": ""})
                _become_python(asked)
            os.close(0)
            os.close(1)
            while os.wait()[0] != program:
                pass
            os._exit(0)  # with process 1 of a namespace all its processes end
        os.close(0)
        os.close(1)
        os.waitpid(first, 0)
    except (OSError, ValueError, AttributeError) as error:
        told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _say({"jail": told})
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
