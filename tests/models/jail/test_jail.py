"""The jail of a child: what it can no longer do, what it still can, and what people are told about it."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models import child_exec
from models.child import ChildSpec, Ending, Jail, clean_environment, spawn
from models.jail.state import jail_state, state_of
from models.orphans import mark_process

pytestmark = pytest.mark.anyio

ATTEMPTS = r"""
import ctypes, fcntl, os, resource, socket, sys
port, canary, outside, bus, parent, sibling = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
def called(result):
    if result < 0: raise OSError(ctypes.get_errno(), "refused")
    return result
def call(*arguments): return called(libc.syscall(*arguments))
def traced(pid): return called(libc.ptrace(PTRACE_ATTACH, int(pid), 0, 0))
PTRACE_ATTACH, IO_URING_SETUP, PIDFD_OPEN, PIDFD_GETFD, PIDFD_SEND_SIGNAL = 16, 425, 434, 438, 424
def abstract():
    with socket.socket(socket.AF_UNIX) as it: it.connect("\0" + bus)
def stolen_descriptor(): call(PIDFD_GETFD, call(PIDFD_OPEN, int(parent), 0), 0, 0)
def signal_by_descriptor(): call(PIDFD_SEND_SIGNAL, call(PIDFD_OPEN, int(sibling), 0), 0, None, 0)
def mounted():
    called(libc.unshare(0x10000000 | 0x00020000))  # a user namespace with all rights, and mounts of its own
    called(libc.mount(b"none", os.path.dirname(canary).encode(), b"tmpfs", 0, None))
def unix():
    with socket.socket(socket.AF_UNIX) as it: it.connect(bus)
def datagram():
    one, two = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    one.sendto(b"x", bus)
attempts = {
    "tcp": lambda: socket.create_connection(("127.0.0.1", int(port)), 5).close(),
    "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", int(port))),
    "unix": unix,
    "datagram": datagram,
    "canary": lambda: open(canary).read(),
    "list": lambda: os.listdir(os.path.dirname(canary)),
    "write": lambda: open(outside, "w"),
    "empty": lambda: os.truncate(canary, 0),
    "link": lambda: os.link(canary, "stolen"),
    "environ": lambda: open(f"/proc/{parent}/environ").read(),
    "signal": lambda: os.kill(int(parent), 0),
    "own": lambda: open("own", "w").close(),
    # What is about a file and not in it, and other processes: Landlock does not watch over these.
    "rights": lambda: os.chmod(canary, 0o666),
    "rights by descriptor": lambda: os.fchmod(os.open("own", os.O_RDONLY), 0o666),
    "owner": lambda: os.chown(canary, os.getuid(), os.getgid()),
    "dates": lambda: os.utime(canary, (1, 1)),
    "attribute": lambda: os.setxattr(canary, "user.jackdaw", b"1"),
    "limit": lambda: resource.prlimit(int(sibling), resource.RLIMIT_NOFILE, (64, 64)),
    "priority": lambda: os.setpriority(os.PRIO_PROCESS, int(sibling), 19),
    "own limit": lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512)),
    "own priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
    # The ways into another process of the same user, and around what watches over us.
    "trace": lambda: traced(sibling),
    "memory": lambda: open(f"/proc/{sibling}/mem", "rb"),
    "its files": lambda: os.listdir(f"/proc/{sibling}/root/"),
    "stolen descriptor": stolen_descriptor,
    "signal by descriptor": signal_by_descriptor,
    "abstract": abstract,
    "io_uring": lambda: call(IO_URING_SETUP, 8, ctypes.create_string_buffer(256)),
    "terminal": lambda: fcntl.ioctl(0, 0x5412, b"x"),  # TIOCSTI: types for the user
    "remove": lambda: os.unlink(canary),
    "mount": mounted,
}
print("descriptors", ",".join(sorted(os.listdir("/proc/self/fd"))), sep=": ", flush=True)
for name, attempt in attempts.items():
    try:
        attempt()
        print(name, "done", sep=": ", flush=True)
    except OSError as error:
        print(name, "failed", sep=": ", flush=True)
"""
FORBIDDEN = {
    *("tcp", "unix", "canary", "list", "write", "empty", "remove", "link", "environ", "rights", "rights by descriptor"),
    *("owner", "dates", "attribute", "limit", "priority", "trace", "memory", "its files", "stolen descriptor"),
    *("signal by descriptor", "abstract", "io_uring", "terminal", "mount"),
}
# What may fail without a jail as well: the bus takes streams only, there is no terminal, and administrators differ.
ELSEWHERE_TOO = {"datagram", "terminal", "trace", "memory", "its files", "stolen descriptor", "io_uring", "attribute"}


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A TCP port and a Unix socket that take connections, as the session's own programs have them."""
    bus = tmp_path / "bus"
    with (
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as unix,
        socket.socket(socket.AF_UNIX) as abstract,
    ):
        unix.bind(str(bus))
        unix.listen()
        abstract.bind(f"\0{bus}")
        abstract.listen()
        yield tcp.getsockname()[1], bus


async def attempts(tmp_path: Path, listening: tuple[int, Path], jail: Jail | None) -> dict[str, str]:
    """Run ATTEMPTS in a child; returns what it said of each."""
    home, work = tmp_path / "home", tmp_path / "work"
    for folder in (home, work):
        folder.mkdir(exist_ok=True)
    (home / "canary").write_text("secret")
    (home / "canary").chmod(0o600)
    sibling = await asyncio.create_subprocess_exec("sleep", "60")
    arguments = (str(listening[0]), str(home / "canary"), str(tmp_path / "outside"), str(listening[1]))
    lines: list[str] = []
    spec = ChildSpec(
        argv=(sys.executable, "-I", "-c", ATTEMPTS, *arguments, str(os.getpid()), str(sibling.pid)),
        name="child",
        cwd=work,
        environment=clean_environment(os.environ, home=work),
        on_line=lines.append,
        jail=jail,
    )
    try:
        ending = await (await spawn(spec)).wait()
    finally:
        sibling.kill()
        await sibling.wait()
    assert ending == Ending("child", 0, None, asked=False), lines
    return dict(line.split(": ") for line in lines)


async def skip_without_sandbox() -> None:
    state = await jail_state()
    if state.level != "sandboxed":
        pytest.skip(f"this kernel does not offer a whole sandbox: {state.sentence}")


@pytest.mark.accept(17)
async def test_a_jailed_child_reaches_no_network_no_canary_and_no_file_outside(
    tmp_path: Path, listening: tuple[int, Path]
) -> None:
    await skip_without_sandbox()

    said = await attempts(tmp_path, listening, Jail(write=(tmp_path / "work",), python=True))

    assert {name: said[name] for name in FORBIDDEN} == dict.fromkeys(FORBIDDEN, "failed")
    assert said["udp"] == said["datagram"] == "failed"
    assert said["own"] == said["own limit"] == said["own priority"] == "done"
    assert said["descriptors"] == "0,1,2,3"  # the last one reads the list
    assert stat.S_IMODE((tmp_path / "home" / "canary").stat().st_mode) == 0o600
    assert (tmp_path / "home" / "canary").read_text() == "secret"
    assert not (tmp_path / "outside").exists()


async def test_the_same_child_without_a_jail_does_all_of_it(tmp_path: Path, listening: tuple[int, Path]) -> None:
    """The attempts are real ones: without the jail each of them comes through."""
    said = await attempts(tmp_path, listening, None)

    assert {name for name, word in said.items() if word == "failed"} <= ELSEWHERE_TOO


async def test_a_child_that_listens_offers_a_socket_and_still_connects_nowhere(tmp_path: Path) -> None:
    await skip_without_sandbox()
    code = (
        "import socket; s = socket.socket(socket.AF_UNIX); s.bind('../up.sock'); s.listen(); print('up', flush=True);"
        "s.accept()[0].sendall(b'hello')\n"
        "for attempt in (lambda: socket.socket(socket.AF_UNIX).connect('../up.sock'), lambda: open('../key').read(),\n"
        "                lambda: open('../new', 'w'), lambda: socket.socket(socket.AF_INET)):\n"
        "    try: attempt()\n"
        "    except PermissionError: print('refused', flush=True)"
    )
    (tmp_path / "key").write_text("of somebody else")
    work = tmp_path / "work"
    work.mkdir()
    lines: list[str] = []
    up = threading.Event()

    def on_line(line: str) -> None:
        lines.append(line)
        up.set()

    child = await spawn(
        ChildSpec(
            argv=(sys.executable, "-I", "-c", code),
            name="child",
            cwd=work,
            environment=clean_environment(os.environ, home=work),
            on_line=on_line,
            jail=Jail(write=(work,), python=True, listen=tmp_path),
        )
    )
    async with asyncio.timeout(20):
        while not up.is_set():
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "up.sock"))
        heard = await reader.read()
        writer.close()
        await child.wait()

    assert heard == b"hello"
    assert lines == ["up"] + ["refused"] * 4


async def test_read_only_inputs_are_read_and_not_changed(tmp_path: Path) -> None:
    await skip_without_sandbox()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "weights").write_text("numbers")
    (tmp_path / "out").mkdir()
    code = (
        "import os\nprint(open('../in/weights').read())\n"
        "try: open('../in/weights', 'a')\nexcept PermissionError: print('refused')\n"
        "open('a', 'w').close(); os.mkdir('b'); os.rename('a', 'b/a'); print(os.listdir('b'))"
    )
    lines: list[str] = []
    child = await spawn(
        ChildSpec(
            argv=(sys.executable, "-I", "-c", code),
            name="child",
            cwd=tmp_path / "out",
            environment=clean_environment(os.environ, home=tmp_path / "out"),
            on_line=lines.append,
            jail=Jail(read=(tmp_path / "in", tmp_path / "not there"), write=(tmp_path / "out",), python=True),
        )
    )
    await child.wait()

    assert lines == ["numbers", "refused", "['a']"]


async def test_a_jailed_child_dies_with_its_parent(tmp_path: Path) -> None:
    """The namespaces change the credentials, and that may take away the signal that comes when the parent dies."""
    words = Jail(write=(tmp_path,), python=True).words()
    sleeper = "import time; print(1, flush=True); time.sleep(60)"
    starter = (
        "import subprocess, sys, time, os\n"
        f"p = subprocess.Popen([sys.executable, '-I', '-S', {child_exec.__file__!r}, str(os.getpid()), '0', '0', '0',"
        f" '{len(words)}', *{words!r}, sys.executable, '-I', '-c', {sleeper!r}],"
        " stdout=subprocess.PIPE)\n"
        "p.stdout.readline(); print(p.pid, flush=True); time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", starter], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    grandchild = int(parent.stdout.readline())
    assert mark_process(grandchild) is not None

    parent.kill()
    parent.wait()
    parent.stdout.close()

    async with asyncio.timeout(10):
        while mark_process(grandchild) is not None:
            await asyncio.sleep(0.01)


async def test_a_user_who_is_not_root_gets_all_layers_too(tmp_path: Path) -> None:
    """Root needs no user namespace; everybody else has one made, so that way is tried as somebody else."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if os.getuid() != 0 or python is None:
        pytest.skip("needs root, and a Python that others may run")
    package = Path("/tmp") / f"jd-jail-{os.getpid()}"
    try:
        shutil.copytree(Path(child_exec.__file__).parent / "jail", package / "models" / "jail")
        shutil.copy(child_exec.__file__, package / "models")
        (package / "models" / "__init__.py").write_text("")
        subprocess.run(["chmod", "-R", "a+rX", str(package)], check=True)
        script = str(package / "models" / "child_exec.py")
        found = subprocess.run([python, "-I", "-S", script, "--probe"], capture_output=True, text=True, user=65534)
    finally:
        shutil.rmtree(package)

    assert (found.returncode, found.stderr) == (0, "")
    assert set((await jail_state()).layers) - {"network"} <= set(found.stdout.split("\n"))


def test_what_is_missing_is_said() -> None:
    whole = ("network", "files", "truncate", "tcp", "scope", "system calls")

    assert state_of(whole).level == "sandboxed"
    assert state_of(("files", "truncate", "system calls")).level == "sandboxed"  # no user namespaces, as on Ubuntu
    assert state_of(()).level == "not sandboxed"
    assert "Landlock" in state_of(("network", "system calls")).sentence
    assert "network is not closed off" in state_of(("files", "truncate", "tcp", "scope")).sentence
    assert "empty files" in state_of(("files", "system calls")).sentence
    assert "Unix sockets" in state_of(("files", "truncate", "tcp", "scope", "network")).sentence
    assert {state_of(layers).level for layers in (("files",), ("network",), ("files", "network"))} == {"partly"}
