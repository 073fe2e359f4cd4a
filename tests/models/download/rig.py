"""What the download tests share: a Hub with one repository, a fetch with short waits, trees to compare."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from models.download import DownloadSpec, Limits, RemoteFile, fetch
from models.network import Network, NetworkRules
from models.progress import Cancel, Progress
from tests.fake_hub import FakeHub

REPO = "org/name"
TOKEN = "hf_secret"
KIB = 1024
PART = 64 * KIB
# Everything as in the product, only smaller: parts, waits, and a disk that may be full to the last byte.
QUICK = Limits(part_bytes=PART, floor_bytes=0, connect_s=2.0, stall_s=0.3, resumes=3, backoff_s=0.01)
MODEL = random.Random(5).randbytes(300 * KIB + 17)
FILES = {"model.gguf": MODEL, "config.json": b'{"model_type": "llama"}', "sub/tokenizer.model": MODEL[:1000]}


@dataclass
class Rig:
    """A Hub, a folder, and what a fetch said."""

    hub: FakeHub
    folder: Path
    rules: NetworkRules
    token: str | None = TOKEN
    limits: Limits = QUICK
    cancel: Cancel = field(default_factory=Cancel)
    said: list[Progress] = field(default_factory=list)
    on_progress: Callable[[Progress], None] = lambda progress: None

    def spec(self, *names: str) -> DownloadSpec:
        """The files as the Hub's API describes them, all of them without `names`."""
        repo = self.hub.repos[REPO]
        files = repo.commits[repo.main].values()
        wanted = tuple(
            RemoteFile(file.path, file.size, file.sha256, "" if file.sha256 else file.blob_id)
            for file in files
            if not names or file.path in names
        )
        return DownloadSpec(REPO, repo.main, wanted, self.folder)

    def fetch(self, spec: DownloadSpec | None = None) -> tuple[Path, ...]:
        return asyncio.run(self.fetching(spec))

    async def fetching(self, spec: DownloadSpec | None = None) -> tuple[Path, ...]:
        network = Network(lambda: self.rules)
        return await fetch(
            spec or self.spec("model.gguf"), network, lambda: self.token, self._note, self.cancel, limits=self.limits
        )

    def _note(self, progress: Progress) -> None:
        self.said.append(progress)
        self.on_progress(progress)

    def sent(self, name: str = "model.gguf") -> int:
        """Bytes of bodies of a file that left the Hub and its CDN."""
        return sum(seen.sent for seen in self.hub.seen("cdn", "GET", name))


def tree(folder: Path) -> dict[str, str]:
    """Every path below a folder with the hash of what it holds; folders and links with what they are."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"link to {path.readlink()}"
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        else:
            found[name] = "folder" if path.is_dir() else "other"
    return found
