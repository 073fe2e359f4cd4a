"""Acceptance line 27: another user of this machine reads nothing of ours and reaches none of our sockets."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from desktop.client import Client
from desktop.paths import Paths
from tests.service.running import running

NOBODY = 65534
# Runs as the other user with a Python of the system: ours may lie in a folder that is closed to others.
PROBE = """
import json, os, socket, sys
done = []
for path in json.load(sys.stdin):
    for name, attempt in (
        ("read", lambda: open(path, "rb").close()),
        ("write", lambda: open(path, "r+b").close()),
        ("list", lambda: os.listdir(path)),
        ("make", lambda: os.mkdir(os.path.join(path, "mine"))),
        ("delete", lambda: os.rename(path, path + ".gone")),
        ("connect", lambda: socket.socket(socket.AF_UNIX).connect(path)),
    ):
        try:
            attempt()
        except OSError:
            continue
        done.append([name, path])
json.dump([os.getuid(), done], sys.stdout)
"""


def as_another_user(paths: list[Path]) -> list[list[str]]:
    """What another user could do with these paths. Skips the test where no other user can be played."""
    python = shutil.which("python3", path="/usr/bin:/bin")
    if os.getuid() != 0 or python is None:
        pytest.skip("only root can try this as another user, with a Python that others may run")
    asked = json.dumps([str(path) for path in paths])
    found = subprocess.run(
        [python, "-I", "-S", "-c", PROBE],
        input=asked,
        text=True,
        stdout=subprocess.PIPE,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        timeout=60,
        check=True,
    )
    uid, done = json.loads(found.stdout)
    assert uid == NOBODY
    return [list(one) for one in done]


@pytest.mark.accept(27)
def test_another_user_reads_no_file_and_reaches_no_socket(
    home: Paths, engine_environ: dict[str, str], tiny_chat_gguf: Path
) -> None:
    own = home.models / "org" / "tiny.gguf"
    with running(home, environ=engine_environ) as service:
        own.parent.mkdir()
        shutil.copyfile(tiny_chat_gguf, own)
        os.chmod(own, 0o600)

        async def session(client: Client) -> None:
            await client.new_key("editor")
            await client.load_model((await client.import_model(own)).id)
            await client.patch_settings({"theme": "dark"})

        service.use(session)
        ours = sorted(home.data.rglob("*"))
        sockets = [path for path in ours if stat.S_ISSOCK(path.lstat().st_mode)]
        kinds = {path.suffix for path in ours}
        assert len(sockets) == 2  # the control socket and the engine's
        assert {".db", ".log", ".key", ".toml", ".gguf"} <= kinds
        assert as_another_user([home.data, *ours]) == []

        # Should our folder ever be opened by mistake, each file and socket is still its owner's alone.
        folders = [home.data, *(path for path in ours if path.is_dir())]
        for folder in folders:
            folder.chmod(0o755)
        assert {name for name, _ in as_another_user(ours)} <= {"list"}
        assert as_another_user([path for path in ours if not path.is_dir()]) == []

        assert ["read", "/etc/passwd"] in as_another_user([Path("/etc/passwd")])  # the probe can tell
        for folder in folders:
            folder.chmod(0o700)
