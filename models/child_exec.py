"""The last step before a child program: sets limits on itself, then becomes that program.

Run as a script with `python -I -S child_exec.py PARENT_PID DATA_BYTES FILE_BYTES NICE WORDS [WORD …] PROGRAM
[ARGUMENT …]`; 0 means no limit, and WORDS is how many words of a jail follow (models/jail/rules.py). This is a process
of its own and not a `preexec_fn`, because Python code between fork and exec can deadlock in a process with threads
(Python's subprocess documentation, and a DeprecationWarning from 3.12 on).
With `--probe` alone it locks itself in and prints which layers hold, one per line.
Exit code 126: the limits could not be set; 127: the program could not be started; 125: the parent had died already.
"""

from __future__ import annotations

import os
import sys
import time

PR_SET_PDEATHSIG = 1  # linux/prctl.h
PR_SET_NO_NEW_PRIVS = 38
OPEN_FILES = 1024
AUTOGROUP_TRIES = 5
EXIT_ORPHAN, EXIT_LIMITS, EXIT_PROGRAM = 125, 126, 127


def bind_to_parent(parent_pid: int) -> None:
    """Die with the parent and never gain rights by a set-uid program (Linux); elsewhere the reaper has to do."""
    import ctypes
    import signal

    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((PR_SET_PDEATHSIG, int(signal.SIGKILL)), (PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    # The parent may have died before the line above: then no signal will ever come.
    if os.getppid() != parent_pid:
        sys.exit(EXIT_ORPHAN)


def limit(data_bytes: int, file_bytes: int) -> None:
    """No core files, few open files, and the limits of this job.

    RLIMIT_DATA and not RLIMIT_AS: the latter counts mapped weights as well and would forbid mapping a large model.
    """
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for which, wanted in (
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_DATA, data_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
    ):
        hard = resource.getrlimit(which)[1]
        if wanted and (hard == resource.RLIM_INFINITY or wanted < hard):
            resource.setrlimit(which, (wanted, wanted))


def jail(words: list[str]) -> list[str]:
    """Lock this process in and return the layers that hold; only Linux has any."""
    # Run with -I, a script's own package is not importable by itself.
    sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120
    from models.jail.lock import lock_in

    return lock_in(words)


def give_way(nice: int) -> None:
    """Let others go first. On Linux a session of its own is weighed as one against the others, whatever the niceness
    of its processes, unless the session has that niceness too: sched(7), "The autogroup feature".
    """
    os.nice(nice)
    for _ in range(AUTOGROUP_TRIES if sys.platform == "linux" else 0):
        try:
            group = os.open("/proc/self/autogroup", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(group, str(nice).encode("ascii"))
            finally:
                os.close(group)
        except BlockingIOError:  # the kernel takes one such change in a tenth of a second from all users
            time.sleep(0.1)
        except OSError:  # this kernel groups no sessions
            return
        else:
            return


def probe() -> None:
    """Tell which layers of a jail hold here."""
    bind_to_parent(os.getppid())
    sys.stdout.write("\n".join(jail([])))


def main(arguments: list[str]) -> None:
    if arguments == ["--probe"]:
        probe()
        return
    parent_pid, data_bytes, file_bytes, nice, count = (int(text) for text in arguments[:5])
    words, command = arguments[5 : 5 + count], arguments[5 + count :]
    try:
        os.setsid()
        os.umask(0o077)  # its sockets and files are the owner's alone
        if sys.platform == "linux":
            bind_to_parent(parent_pid)
        limit(data_bytes, file_bytes)
        if nice:
            give_way(nice)
        if words and sys.platform == "linux":
            jail(words)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"The limits of the child process could not be set: {error}\n")
        sys.exit(EXIT_LIMITS)
    try:
        os.execv(command[0], command)  # noqa: S606 - becoming the program is the whole purpose
    except OSError as error:
        sys.stderr.write(f"{command[0]} could not be started: {error.strerror}\n")
        sys.exit(EXIT_PROGRAM)


if __name__ == "__main__":
    main(sys.argv[1:])
