"""Indexing and searching with no network at all, and nobody even tries to reach one."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from desktop.client import Client
from desktop.paths import Paths
from desktop.wire_files import AddRoots, FilesDoctorRequest, SearchRequest
from tests.service.files_rig import indexed
from tests.service.running import CHECKOUT

ALONE = ("unshare", "-Urn", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")
HOSTILE = "CHROMA_SERVER_HOST=evil.example\nPERSIST_DIRECTORY=/tmp/evil\nHF_ENDPOINT=http://evil.example\n"


def _possible() -> bool:
    tools = all(map(shutil.which, ("unshare", "strace", "ip")))
    return (
        tools
        and subprocess.run([*ALONE, "strace", "-qq", "-o", "/dev/null", "true"], capture_output=True).returncode == 0
    )


@contextmanager
def alone(paths: Paths, folder: Path, calls: Path) -> Iterator[None]:
    """A service in an empty network, started in `folder`; its system calls about sockets are written to `calls`."""
    traced = ("strace", "-f", "-qq", "-o", str(calls), "-e", "trace=connect,sendto,bind")
    served = (sys.executable, "-m", "desktop", "serve", "--home", str(paths.data), "--port", "0")
    environ = {"PYTHONPATH": str(CHECKOUT), "CHROMA_SERVER_HOST": "evil.example", "LLAMA_ARG_HOST": "0.0.0.0"}
    process = subprocess.Popen(
        [*ALONE, *traced, *served],
        cwd=folder,
        env={**os.environ, **environ},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline().startswith("listening on http://127.0.0.1:")
        yield
    finally:
        with suppress(psutil.Error):
            (service,) = psutil.Process(process.pid).children()
            service.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.mark.accept(29)
@pytest.mark.accept(30)
@pytest.mark.skipif(not _possible(), reason="no user namespaces, or no strace, on this machine")
def test_files_are_indexed_and_found_without_a_network_and_nobody_asks_for_one(
    module_home: Paths, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text(HOSTILE)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "parrots.md").write_text("# Parrots\n\nThe parrot sings at dawn.\n")

    async def run() -> None:
        async with Client(module_home.control_socket) as client:
            collection = await indexed(client, AddRoots(collection="d", paths=[str(tmp_path / "docs")]))
            for mode in ("hybrid", "dense", "lexical"):
                request = SearchRequest.model_validate({"query": "parrot at dawn", "mode": mode})
                assert [hit.path for hit in (await client.search_files(request)).results] == ["parrots.md"]
            assert (await client.files_doctor(FilesDoctorRequest())).ok
            assert (await client.remove_collection(collection.id)).proven

    calls = tmp_path / "calls"
    with alone(module_home, tmp_path, calls):
        asyncio.run(run())

    lines = calls.read_text().splitlines()
    bound = [line for line in lines if "bind(" in line and "AF_INET" in line]
    assert len(bound) == 2  # our port, for each kind of address
    assert all('inet_addr("127.0.0.1")' in line or '"::1"' in line for line in bound)
    assert not [line for line in lines if re.search(r"(connect|sendto)\(.*AF_(?!UNIX)", line)]
