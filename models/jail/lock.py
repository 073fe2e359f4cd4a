"""Locks the calling process in for good: namespaces, Landlock and a system call filter, by ctypes alone.

Run by child_exec.py right before it becomes the program, so this imports nothing that takes time and nothing of ours.
Each layer is tried by itself and its name returned when it holds; a kernel without it is no error, anything else is.

    files          Landlock: only the paths named. Source: the kernel's Documentation/userspace-api/landlock.rst
    truncate       Landlock since ABI 3: files elsewhere cannot be emptied either
    tcp            Landlock since ABI 4: no TCP connect or bind
    scope          Landlock since ABI 6: no abstract Unix sockets and no signals to processes outside
    network        an empty network namespace and a System V IPC of its own
    system calls   no sockets but Unix stream sockets that listen, no connect(), no io_uring, no kernel keyrings.
                   Landlock does not keep a child from connecting to a Unix socket by its path (the session bus, our own
                   service), and user namespaces are switched off on many systems: this closes both.
                   No rights, owners, dates and attributes of files are changed, which Landlock does not watch over
                   (its documentation, "File system restrictions"), nor limits and priorities of other processes: a
                   child could open the files of its user to everybody, or have the service killed by its limits.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
import sys

# linux/landlock.h; the system calls have one number on every architecture.
SYS_CREATE_RULESET, SYS_ADD_RULE, SYS_RESTRICT_SELF = 444, 445, 446
CREATE_RULESET_VERSION, RULE_PATH_BENEATH = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
TRUNCATE, IOCTL_DEV = 1 << 14, 1 << 15
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
READ_RIGHTS = EXECUTE | READ_FILE | READ_DIR
RIGHTS_BY_ABI = (0, (1 << 13) - 1, (1 << 14) - 1, (1 << 15) - 1, (1 << 15) - 1, (1 << 16) - 1)
TCP_RIGHTS = 0b11
SCOPES = 0b11
MAKE_CHAR, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK = 1 << 6, 1 << 9, 1 << 10, 1 << 11
NEVER_MADE = MAKE_CHAR | MAKE_SOCK | MAKE_FIFO | MAKE_BLOCK

CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
APPARMOR_SWITCH = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"

PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 22, 2
ALLOW, ERRNO, KILL = 0x7FFF0000, 0x00050000, 0x80000000
AF_UNIX, SOCK_STREAM, SOCK_TYPE_MASK = 1, 1, 0xF
# audit architecture, first number of a second calling convention or 0, then socket, socketpair, connect, io_uring_setup
# and add_key, request_key, keyctl
CALLS: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (0xC000003E, 0x40000000, (41, 53, 42, 425, 248, 249, 250)),
    "aarch64": (0xC00000B7, 0, (198, 199, 203, 425, 217, 218, 219)),
}
# What is about a file but not in it, by any of its names or descriptors: chmod, chown, utime, setxattr, removexattr and
# their kin; the last four are newer, and have one number on every architecture.
ABOUT_FILES: dict[str, tuple[int, ...]] = {
    "x86_64": (90, 91, 268, 92, 93, 94, 260, 132, 235, 261, 280, 188, 189, 190, 197, 198, 199, 452, 463, 466, 469),
    "aarch64": (52, 53, 54, 55, 88, 5, 6, 7, 14, 15, 16, 452, 463, 466, 469),
}
# number, and where struct seccomp_data has the argument that is 0 for the caller itself: prlimit64, setpriority
ABOUT_OTHERS: dict[str, tuple[tuple[int, int], ...]] = {
    "x86_64": ((302, 16), (141, 24)),
    "aarch64": ((261, 16), (140, 24)),
}

# What every program needs to start and to see its processors and memory. No folder of a user is below any of these.
SYSTEM_READ = (
    *("/usr", "/lib", "/lib32", "/lib64", "/bin", "/sbin", "/nix/store", "/gnu/store"),
    *("/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d", "/etc/ld.so.preload", "/etc/alternatives"),
    *("/etc/localtime", "/etc/timezone", "/etc/passwd", "/etc/group", "/etc/nsswitch.conf", "/etc/mime.types"),
    *("/etc/ssl/openssl.cnf", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/version"),
    *("/proc/sys/vm/overcommit_memory", "/proc/sys/kernel/random", "/proc/filesystems"),
    *("/sys/devices/system", "/sys/fs/cgroup", "/sys/kernel/mm/transparent_hugepage", "/dev/urandom", "/dev/random"),
)
SYSTEM_WRITE = ("/dev/null", "/dev/zero", "/dev/full")

_NOT_OFFERED = (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM, errno.EINVAL, errno.ENOSPC, errno.EUSERS)


class _RulesetAttr(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneathAttr(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _FilterProgram(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def lock_in(words: list[str]) -> list[str]:
    """Lock this process in as `words` say (see rules.py), and return the layers that hold.

    PR_SET_NO_NEW_PRIVS must be set. Raises OSError when a layer that the kernel offers cannot be put on.
    """
    read, write, listen = ([word[1:] for word in words if word.startswith(kind)] for kind in "rwl")
    layers = ["network"] if leave_network() else []
    layers += restrict_files(read, write, listen)
    if filter_calls(listen=bool(listen)):
        layers.append("system calls")
    return layers


def leave_network() -> bool:
    """Move into an empty network namespace; a user who is not root needs a user namespace for that."""
    namespaces, user, group = CLONE_NEWNET | CLONE_NEWIPC, os.getuid(), os.getgid()
    if user != 0:
        if _read(APPARMOR_SWITCH) == "1":
            return False  # it would be made and then be worth nothing: Ubuntu since 23.10
        namespaces |= CLONE_NEWUSER
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(namespaces) != 0:
        return _refused("unshare")
    if user != 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:  # noqa: PTH123 - pathlib takes its time to import
                file.write(text)
    return True


def landlock_abi() -> int:
    """The kernel's Landlock version, 0 for none."""
    if sys.platform != "linux":
        return 0
    return max(0, int(ctypes.CDLL(None, use_errno=True).syscall(SYS_CREATE_RULESET, None, 0, CREATE_RULESET_VERSION)))


def restrict_files(read: list[str], write: list[str], listen: list[str]) -> list[str]:
    """Close the file system but for these paths and the system's, and TCP, abstract sockets and signals where known."""
    abi = landlock_abi()
    if abi == 0:
        return []
    rights = RIGHTS_BY_ABI[min(abi, len(RIGHTS_BY_ABI) - 1)]
    attributes = _RulesetAttr(rights, TCP_RIGHTS, SCOPES)
    size = 24 if abi >= 6 else 16 if abi >= 4 else 8
    libc = ctypes.CDLL(None, use_errno=True)
    ruleset = _checked(libc.syscall(SYS_CREATE_RULESET, ctypes.byref(attributes), size, 0), "landlock_create_ruleset")
    for paths, allowed in (
        ((*SYSTEM_READ, *read), READ_RIGHTS),
        (SYSTEM_WRITE, READ_FILE | WRITE_FILE | TRUNCATE),
        (write, ~NEVER_MADE),
        (listen, MAKE_SOCK),
    ):
        for path in paths:
            _allow(libc, ruleset, path, allowed & rights)
    _checked(libc.syscall(SYS_RESTRICT_SELF, ruleset, 0), "landlock_restrict_self")
    os.close(ruleset)
    held = [("files", 1), ("truncate", 3), ("tcp", 4), ("scope", 6)]
    return [name for name, since in held if abi >= since]


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return
    if not stat.S_ISDIR(os.fstat(descriptor).st_mode):
        rights &= FILE_RIGHTS
    rule = _PathBeneathAttr(rights, descriptor)
    _checked(libc.syscall(SYS_ADD_RULE, ruleset, RULE_PATH_BENEATH, ctypes.byref(rule), 0), f"landlock rule for {path}")
    os.close(descriptor)


def filter_calls(listen: bool) -> bool:
    """Put the system call filter on; False on an architecture whose numbers are not known, or without seccomp."""
    machine = os.uname().machine
    calls = CALLS.get(machine)
    if calls is None or sys.byteorder != "little" or ctypes.sizeof(ctypes.c_void_p) != 8:
        return False
    code = filter_program(*calls, ABOUT_FILES[machine], ABOUT_OTHERS[machine], listen=listen)
    program = _FilterProgram(len(code) // 8, code)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0) != 0:
        return _refused("seccomp")
    return True


def filter_program(
    architecture: int,
    second_convention: int,
    numbers: tuple[int, ...],
    about_files: tuple[int, ...],
    about_others: tuple[tuple[int, int], ...],
    *,
    listen: bool,
) -> bytes:
    """The filter in classic BPF over struct seccomp_data: number at 0, architecture at 4, arguments from 16 on.

    Refused calls answer EACCES, io_uring ENOSYS, so that programs fall back; a call of another architecture kills.
    """
    socket, socketpair, *refused, io_uring = (*numbers[:3], *numbers[4:], numbers[3])
    stream = (
        (0x20, 0, 0, 16), (0x15, 1, 0, AF_UNIX), (0x06, 0, 0, ERRNO | errno.EACCES),
        (0x20, 0, 0, 24), (0x54, 0, 0, SOCK_TYPE_MASK), (0x15, 1, 0, SOCK_STREAM), (0x06, 0, 0, ERRNO | errno.EACCES),
        (0x06, 0, 0, ALLOW),
    )  # fmt: skip
    code = [(0x20, 0, 0, 4), (0x15, 1, 0, architecture), (0x06, 0, 0, KILL), (0x20, 0, 0, 0)]
    if second_convention:
        code += [(0x35, 0, 1, second_convention), (0x06, 0, 0, ERRNO | errno.ENOSYS)]
    for number in (*refused, *about_files, *(() if listen else (socket,))):
        code += [(0x15, 0, 1, number), (0x06, 0, 0, ERRNO | errno.EACCES)]
    code += [(0x15, 0, 1, io_uring), (0x06, 0, 0, ERRNO | errno.ENOSYS)]
    for number, argument in about_others:
        code += [(0x15, 0, 4, number), (0x20, 0, 0, argument), (0x15, 1, 0, 0), (0x06, 0, 0, ERRNO | errno.EACCES)]
        code += [(0x06, 0, 0, ALLOW)]
    for number in (socketpair, *((socket,) if listen else ())):
        code += [(0x15, 0, len(stream), number), *stream]
    code.append((0x06, 0, 0, ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _refused(name: str) -> bool:
    """False for what the kernel or its administrator does not offer; raises for anything else."""
    number = ctypes.get_errno()
    if number not in _NOT_OFFERED:
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return False


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def _read(path: str) -> str:
    try:
        with open(path) as file:  # noqa: PTH123 - see above
            return file.read().strip()
    except OSError:
        return ""
