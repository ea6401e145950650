"""A script that ``own.py`` starts: isolate this process, then execute the Python of ``guest.py``.

    own.py  --starts-->  jail  --forks-->  process 1 of a new PID namespace  --forks-->  Python

It uses the standard library only and imports nothing from this package: it runs with ``python -I -S``. The
order matters: it mounts file systems while it still may, then drops privileges, then refuses system calls,
and finally executes another program, whose memory thus contains nothing of this one.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
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
_MOUNT_SETATTR = 442  # on all architectures; since Linux 5.12
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 22, 38
_NOBODY = 65534
_OLD = "/.llmeval-old"
SYSTEM = (
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
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")

#: by ``uname -m``: the kernel's constant for the architecture, and its column in the tables below
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
#: refused system calls with their numbers
_REFUSED = {
    # memory that no limit accounts for
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    # privileges in a new namespace
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
    # not needed by tested programs, and a frequent source of kernel exploits
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
}
_CLONE, _CLONE3, _SOCKET = (56, 220), 435, (41, 198)
_ANY_NAMESPACE = 0x7E020000  # mount, cgroup, UTS, IPC, user, PID and network
#: AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK, which a network namespace isolates. It does not isolate all
#: others: AF_VSOCK reaches a virtual machine's host.
_FAMILIES = (1, 2, 10, 16)


class _Libc:
    """System calls without a function in Python 3.11. Each raises OSError."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)

    def _check(self, result: int, call: str) -> None:
        if result != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"{call}: {os.strerror(number)}")

    def unshare(self, flags: int) -> None:
        self._check(self._libc.unshare(flags), "unshare")

    def mount(
        self, source: str, target: str, kind: str | None, flags: int, options: str | None = None
    ) -> None:
        encoded = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
        data = None if options is None else options.encode()
        self._check(self._libc.mount(*encoded, ctypes.c_ulong(flags), data), f"mount {target}")

    def read_only(self, target: str, *, devices: bool = False) -> None:
        """Make a mount and all mounts below it read-only, without set-uid programs."""
        attributes = _MS_RDONLY | _MS_NOSUID | (0 if devices else _MS_NODEV)
        structure = (ctypes.c_uint64 * 4)(attributes, 0, 0, 0)
        result = self._libc.syscall(
            ctypes.c_long(_MOUNT_SETATTR),
            ctypes.c_int(_AT_FDCWD),
            ctypes.c_char_p(os.fsencode(target)),
            ctypes.c_uint(_AT_RECURSIVE),
            structure,
            ctypes.c_size_t(ctypes.sizeof(structure)),
        )
        self._check(result, f"mount_setattr {target}")

    def pivot_root(self, new: str, old: str) -> None:
        self._check(self._libc.pivot_root(os.fsencode(new), os.fsencode(old)), "pivot_root")

    def unmount(self, target: str) -> None:
        self._check(self._libc.umount2(os.fsencode(target), _MNT_DETACH), f"umount {target}")

    def prctl(self, option: int, value: int) -> None:
        self._check(self._libc.prctl(option, value, 0, 0, 0), "prctl")

    def filter_calls(self, program: bytes) -> None:
        """Install a seccomp filter; it cannot be removed."""

        class Program(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_char_p)]

        structure = Program(len(program) // 8, program)
        result = self._libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(2), ctypes.byref(structure), 0, 0)
        self._check(result, "seccomp")


def _lay_out(libc: _Libc, root: str, visible: list[str], disk_mb: int) -> None:
    """Make a new root: the system's programs and Python, read-only, and an empty /tmp in memory."""
    libc.mount("none", "/", None, _MS_REC | _MS_PRIVATE)
    libc.mount("tmpfs", root, "tmpfs", _MS_NOSUID | _MS_NODEV, "size=1m,mode=755")
    os.mkdir(root + "/tmp")  # first, since Python's own folder may be in it
    options = f"size={disk_mb}m,nr_inodes=4096,mode=1777"
    libc.mount("tmpfs", root + "/tmp", "tmpfs", _MS_NOSUID | _MS_NODEV, options)
    seen: list[str] = []
    for path in (*SYSTEM, *visible):
        if not os.path.exists(path) or any(os.path.commonpath([path, other]) == other for other in seen):
            continue
        target = root + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if os.path.isdir(path):
            os.makedirs(target, exist_ok=True)
        else:
            open(target, "x").close()
        libc.mount(path, target, None, _MS_BIND | _MS_REC)
        libc.read_only(target)
        seen.append(path)
    os.mkdir(root + "/dev")
    for path in DEVICES:
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


def _isolate(libc: _Libc, request: dict[str, Any]) -> None:
    """Enter new namespaces with a new root."""
    namespaces = _CLONE_NEWNS | _CLONE_NEWNET | _CLONE_NEWPID | _CLONE_NEWIPC | _CLONE_NEWUTS
    user, group = os.getuid(), os.getgid()
    if user == 0:
        libc.unshare(namespaces)
        _lay_out(libc, request["root"], request["visible"], request["disk_mb"])
    else:
        libc.unshare(namespaces | _CLONE_NEWUSER)
        _write("/proc/self/setgroups", "deny")
        _write("/proc/self/uid_map", f"1000 {user} 1")
        _write("/proc/self/gid_map", f"1000 {group} 1")
        _lay_out(libc, request["root"], request["visible"], request["disk_mb"])


def _drop_privileges(libc: _Libc) -> None:
    """Drop root and set no_new_privs; executing another program then drops all capabilities."""
    if os.getuid() == 0:
        try:
            os.setgroups([])
            os.setgid(_NOBODY)
            os.setuid(_NOBODY)
        except OSError as error:
            raise OSError(error.errno, f"becoming a user other than root: {error.strerror}") from None
        libc.unshare(_CLONE_NEWUSER)  # RLIMIT_NPROC counts by user and user namespace
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1)


def call_filter(machine: str) -> bytes:
    """The classic BPF program that the kernel runs before each system call. Raises ``ValueError``."""
    if machine not in _MACHINES or sys.byteorder != "little":
        raise ValueError(f"the system calls of {machine} are unknown")
    load, equal, at_least, any_of, result = 0x20, 0x15, 0x35, 0x45, 0x06
    allow, kill, refuse = 0x7FFF0000, 0x80000000, 0x00050000
    number, architecture, first_argument = 0, 4, 16
    expected, column = _MACHINES[machine]
    code = [
        (load, 0, 0, architecture),
        (equal, 1, 0, expected),
        (result, 0, 0, kill),  # on another architecture the numbers mean other calls
        (load, 0, 0, number),
        (at_least, 0, 1, 0x40000000),  # and so they do on x32
        (result, 0, 0, kill),
    ]
    for numbers in _REFUSED.values():
        code += [(equal, 0, 1, numbers[column]), (result, 0, 0, refuse | errno.EPERM)]
    code += [
        # filters cannot read its flags, which are in memory; the C library falls back to clone
        (equal, 0, 1, _CLONE3),
        (result, 0, 0, refuse | errno.ENOSYS),
        (equal, 0, 4, _CLONE[column]),
        (load, 0, 0, first_argument),
        (any_of, 0, 1, _ANY_NAMESPACE),
        (result, 0, 0, refuse | errno.EPERM),
        (result, 0, 0, allow),
        (equal, 1, 0, _SOCKET[column]),
        (result, 0, 0, allow),
        (load, 0, 0, first_argument),
    ]
    for family in _FAMILIES:
        code += [(equal, 0, 1, family), (result, 0, 0, allow)]
    code.append((result, 0, 0, refuse | errno.EAFNOSUPPORT))
    return b"".join(struct.pack("=HBBI", *line) for line in code)


def _execute_python(request: dict[str, Any]) -> NoReturn:
    python = request["python"]
    os.execve(python, [python, *request["arguments"]], request["environment"])


def _report(message: dict[str, str]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def main() -> int:
    """Report on standard output why the program cannot be run, if so; always return 0."""
    request = json.loads(sys.argv[1])
    try:
        libc = _Libc()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != request["parent"]:
            return 0
        _isolate(libc, request)
        first = os.fork()
        if first == 0:
            libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            program = os.fork()
            if program == 0:
                _drop_privileges(libc)
                libc.filter_calls(call_filter(os.uname().machine))
                _execute_python(request)
            os.close(0)
            os.close(1)
            while os.wait()[0] != program:
                pass
            os._exit(0)  # when process 1 of a PID namespace ends, the kernel kills all others
        os.close(0)
        os.close(1)
        os.waitpid(first, 0)
    except (OSError, ValueError, AttributeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        _report({"problem": reason})
        os._exit(0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
