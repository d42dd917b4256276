"""What a child process gives up before it looks at a file that nobody vouches for. Standard library only; used in the child alone.

Layers, each for itself, because not every system has all of them:

- limits of memory, processor time, files (``setrlimit``): every POSIX system;
- a filter on system calls (seccomp): Linux on x86-64 and arm64, also without any privilege. A reader of documents may compute, and talk
  over the pipes that it has: opening a file, making a socket, starting a program are refused by the kernel, whatever the library does;
- no file by its path (Landlock): Linux 5.13 and newer;
- a network namespace without a network: Linux where users may make one;
- an audit hook against sockets and programs: everywhere, but it sees Python only, so alone it would hold back no library in C or Rust.

A filter or rule set, once there, can never be taken off again, and holds for every thread and every program started.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from contextlib import suppress
from typing import Any, NamedTuple

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NAME, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 1, 4, 15, 22, 38
_SECCOMP_MODE_FILTER = 2
_CLONE_THREAD, _CLONE_NEWUSER, _CLONE_NEWNET = 0x00010000, 0x10000000, 0x40000000
_EPERM, _ENOSYS = 1, 38
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_AF_UNIX = 1


class Limits(NamedTuple):
    """What one file may cost. ``file_bytes`` is the largest file that may be written: 0 for none at all."""

    memory_bytes: int = 2 * 1024**3
    cpu_seconds: int = 30
    file_bytes: int = 0
    open_files: int = 64


def set_limits(limits: Limits) -> None:
    """Take the limits on; what this system cannot limit stays as it is (macOS knows no limit of memory)."""
    import resource

    for what, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_CPU, limits.cpu_seconds),
        (resource.RLIMIT_AS, limits.memory_bytes),
    ):
        with suppress(ValueError, OSError):
            # A soft limit of processor time sends a signal that could be ignored; the hard one, a second later, kills.
            resource.setrlimit(what, (most, most + 1 if what == resource.RLIMIT_CPU else most))


def die_with_parent() -> None:
    """Be killed when the parent dies, however it dies (Linux)."""
    if sys.platform == "linux":
        parent = os.getppid()
        _libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it died just before
            os._exit(1)


def leave_network() -> bool:
    """Move this process, while it has one thread only, to a network namespace of its own, which has no way out."""
    if sys.platform != "linux":
        return False
    uid, gid = os.getuid(), os.getgid()
    if _libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    # Without a mapping every user is nobody here, which Python's own temporary files would stumble over.
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with suppress(OSError), open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - nothing else is imported here
            file.write(text)
    return True


def lock_for_reading() -> list[str]:
    """Give up everything but computing and the pipes that are open. Returns the layers that hold."""
    held = ["audit hook"]
    sys.addaudithook(_refuse_reaching_out)
    if _Landlock().restrict(writable=None, network=False):
        held.append("landlock")
    if _filter(_reading_rules):
        held.append("seccomp")
    return held


def lock_for_callable(folder: str, *, network: bool) -> list[str]:
    """Give up the network (unless it is allowed) and writing outside of ``folder``. Returns the layers that hold."""
    held = []
    if _Landlock().restrict(writable=folder, network=network):
        held.append("landlock")
    if _filter(_network_rules if network else _callable_rules):
        held.append("seccomp")
    return held


# ------------------------------------------------------------------------------------------ audit hook
def _refuse_reaching_out(event: str, _: tuple[Any, ...]) -> None:
    if event in (
        "socket.connect",
        "socket.bind",
        "socket.sendto",
        "socket.getaddrinfo",
        "os.system",
        "subprocess.Popen",
        "os.exec",
    ):
        raise PermissionError(event)


# ------------------------------------------------------------------------------------------ seccomp
# The numbers of system calls: x86-64 and arm64, from Linux' own headers (asm/unistd_64.h, asm-generic/unistd.h). None: there is none.
_NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "fstat": (5, 80),
    "poll": (7, None),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "rt_sigreturn": (15, 139),
    "pread64": (17, 67),
    "readv": (19, 65),
    "writev": (20, 66),
    "sched_yield": (24, 124),
    "mremap": (25, 216),
    "madvise": (28, 233),
    "dup": (32, 23),
    "nanosleep": (35, 101),
    "getpid": (39, 172),
    "socket": (41, 198),
    "connect": (42, 203),
    "sendto": (44, 206),
    "recvfrom": (45, 207),
    "bind": (49, 200),
    "listen": (50, 201),
    "socketpair": (53, 199),
    "clone": (56, 220),
    "exit": (60, 93),
    "uname": (63, 160),
    "fcntl": (72, 25),
    "gettimeofday": (96, 169),
    "getrusage": (98, 165),
    "sysinfo": (99, 179),
    "ptrace": (101, 117),
    "getuid": (102, 174),
    "getgid": (104, 176),
    "geteuid": (107, 175),
    "getegid": (108, 177),
    "getppid": (110, 173),
    "sigaltstack": (131, 132),
    "prctl": (157, 167),
    "mount": (165, 40),
    "umount2": (166, 39),
    "gettid": (186, 178),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "set_tid_address": (218, 96),
    "restart_syscall": (219, 128),
    "clock_gettime": (228, 113),
    "clock_getres": (229, 114),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "epoll_wait": (232, None),
    "epoll_ctl": (233, 21),
    "tgkill": (234, 131),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "ppoll": (271, 73),
    "unshare": (272, 97),
    "set_robust_list": (273, 99),
    "epoll_pwait": (281, 22),
    "eventfd2": (290, 19),
    "epoll_create1": (291, 20),
    "pipe2": (293, 59),
    "perf_event_open": (298, 241),
    "prlimit64": (302, 261),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "getrandom": (318, 278),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "membarrier": (324, 283),
    "rseq": (334, 293),
    "io_uring_setup": (425, 425),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "pidfd_getfd": (438, 438),
}
_MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
# What computing needs: memory, threads, clocks, and the pipes that are open. No open, no socket, no exec, no kill.
_COMPUTING = (
    *(
        "read",
        "write",
        "close",
        "fstat",
        "poll",
        "ppoll",
        "lseek",
        "pread64",
        "readv",
        "writev",
        "dup",
        "fcntl",
        "pipe2",
    ),
    *("mmap", "mprotect", "munmap", "mremap", "madvise", "brk", "membarrier", "rseq", "futex", "set_robust_list"),
    *("rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "restart_syscall", "set_tid_address"),
    *(
        "sched_yield",
        "sched_getaffinity",
        "nanosleep",
        "clock_nanosleep",
        "clock_gettime",
        "clock_getres",
        "gettimeofday",
    ),
    *(
        "getpid",
        "getppid",
        "gettid",
        "getuid",
        "geteuid",
        "getgid",
        "getegid",
        "uname",
        "sysinfo",
        "getrusage",
        "getrandom",
    ),
    *(
        "epoll_create1",
        "epoll_ctl",
        "epoll_wait",
        "epoll_pwait",
        "eventfd2",
        "socketpair",
        "recvfrom",
        "exit",
        "exit_group",
    ),
)
# What no program that reads a picture needs, and an intruder would: other processes, the kernel's insides, ways round this filter.
_NEVER = (
    *("ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "mount", "umount2", "unshare", "setns", "bpf"),
    *("perf_event_open", "add_key", "request_key", "keyctl", "open_by_handle_at", "userfaultfd", "io_uring_setup"),
)

_Program = list[tuple[int, int, int, int]]
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06


def _argument(number: int, *, high: bool = False) -> tuple[int, int, int, int]:
    return (_LOAD, 0, 0, 16 + 8 * number + (4 if high else 0))


def _reading_rules(machine: int) -> _Program:
    """Only computing. Threads may be made but no processes, signals sent to this process only, limits read but not set."""
    program: _Program = []
    for name in _COMPUTING:
        program += _on(machine, name, [(_RETURN, 0, 0, _ALLOW)])
    allow, refuse = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE | _EPERM)
    program += _on(machine, "clone", [_argument(0), (_ANY_BIT, 0, 1, _CLONE_THREAD), allow, refuse])
    # Its flags lie in memory, where no filter can see them; without it the C library uses clone.
    program += _on(machine, "clone3", [(_RETURN, 0, 0, _REFUSE | _ENOSYS)])
    program += _on(machine, "tgkill", [_argument(0), (_EQUAL, 0, 1, os.getpid()), allow, refuse])
    program += _on(machine, "prctl", [_argument(0), (_EQUAL, 0, 1, _PR_SET_NAME), allow, refuse])
    is_null = [(_EQUAL, 0, 3, 0), _argument(0), (_EQUAL, 0, 1, 0), allow, refuse]
    for name, argument in (("prlimit64", 2), ("sendto", 4)):  # new limits; an address to send to
        program += _on(machine, name, [_argument(argument, high=True), is_null[0], _argument(argument), *is_null[2:]])
    return [*program, refuse]


def _callable_rules(machine: int) -> _Program:
    """Everything but the network and what is never needed; sockets within the machine stay, as pairs."""
    allow, refuse = (_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _REFUSE | _EPERM)
    program = _on(machine, "socket", [_argument(0), (_EQUAL, 0, 1, _AF_UNIX), allow, refuse])
    for name in ("connect", "bind", "listen"):
        program += _on(machine, name, [refuse])
    return [*program, *_network_rules(machine)]


def _network_rules(machine: int) -> _Program:
    """Everything but what is never needed."""
    program: _Program = []
    for name in _NEVER:
        program += _on(machine, name, [(_RETURN, 0, 0, _REFUSE | _EPERM)])
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _on(machine: int, name: str, block: _Program) -> _Program:
    """Return a block, which ends in a return, to be passed over for every other call."""
    number = _NUMBERS[name][machine]
    return [] if number is None else [(_EQUAL, 0, len(block), number), *block]


def _filter(rules: Any) -> bool:
    """Set a filter on this thread and all that follow from it; say whether it holds."""
    known = _MACHINES.get(os.uname().machine)
    if sys.platform != "linux" or known is None or ctypes.sizeof(ctypes.c_void_p) != 8 or sys.byteorder != "little":
        return False
    architecture, machine = known
    program: _Program = [(_LOAD, 0, 0, 4), (_EQUAL, 1, 0, architecture), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, 0)]
    if machine == 0:  # the calls of x32, which have other numbers
        program += [(_AT_LEAST, 0, 1, 0x40000000), (_RETURN, 0, 0, _REFUSE | _ENOSYS)]
    program += rules(machine)

    class Filter(ctypes.Structure):
        _fields_ = (("code", ctypes.c_uint16), ("jt", ctypes.c_uint8), ("jf", ctypes.c_uint8), ("k", ctypes.c_uint32))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_uint16), ("filter", ctypes.POINTER(Filter)))

    filters = (Filter * len(program))(*(Filter(*step) for step in program))
    libc = _libc()
    libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return False
    return bool(
        libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(Program(len(program), filters)), 0, 0) == 0
    )


# ------------------------------------------------------------------------------------------ Landlock
class _Landlock:
    """Linux' own rules for files by path, and since 6.7 for TCP. Absent where the kernel has none."""

    _READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
    _CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446

    def restrict(self, *, writable: str | None, network: bool) -> bool:
        """Refuse everything by path, or, where there is a writable folder, allow reading anywhere and writing there."""
        if sys.platform != "linux" or os.uname().machine not in _MACHINES:
            return False
        libc = _libc()
        version = libc.syscall(self._CREATE, None, ctypes.c_size_t(0), 1)
        if version < 1:
            return False
        handled = (1 << (13 + (version >= 2) + (version >= 3))) - 1 | ((1 << 15) if version >= 5 else 0)
        fields = [handled]
        if version >= 4:
            fields.append(0 if network else 3)  # bind and connect
        if version >= 6:
            fields.append(3)  # abstract sockets, and signals, of others
        rules = (ctypes.c_uint64 * len(fields))(*fields)
        handle = libc.syscall(self._CREATE, ctypes.byref(rules), ctypes.c_size_t(ctypes.sizeof(rules)), 0)
        if handle < 0:
            return False
        try:
            if writable is not None:
                # Of a single file only some of the rights can be given.
                of_file = handled & (1 << 1 | 1 << 2 | (1 << 14 if version >= 3 else 0))
                for path, rights in (("/", self._READ), (writable, handled), (os.devnull, of_file)):
                    self._allow(libc, handle, path, rights)
            libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            return bool(libc.syscall(self._RESTRICT, handle, 0) == 0)
        finally:
            os.close(handle)

    def _allow(self, libc: Any, handle: int, path: str, rights: int) -> None:
        class Beneath(ctypes.Structure):
            _pack_ = 1
            _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))

        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            libc.syscall(self._ADD_RULE, handle, 1, ctypes.byref(Beneath(rights, folder)), 0)
        finally:
            os.close(folder)


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
