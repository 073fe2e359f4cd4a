"""A download in a process of its own, to be killed: `python -m tests.models.download.child SPEC.json`."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from models.download import DownloadSpec, Limits, RemoteFile, fetch, sweep
from models.network import Network, NetworkRules
from models.progress import Cancel


def described(spec: DownloadSpec, endpoint: str, limits: dict[str, Any]) -> str:
    """What this program reads."""
    files = [(file.path, file.bytes, file.sha256, file.git_sha1) for file in spec.files]
    about = {"repo": spec.repo, "commit": spec.commit, "files": files, "folder": str(spec.folder)}
    return json.dumps({**about, "endpoint": endpoint, "limits": limits})


def main(text: str) -> None:
    about = json.loads(text)
    files = tuple(RemoteFile(*file) for file in about["files"])
    spec = DownloadSpec(about["repo"], about["commit"], files, Path(about["folder"]))
    sweep(spec.folder)
    network = Network(lambda: NetworkRules(endpoint=about["endpoint"]))
    limits = Limits(**about["limits"])
    asyncio.run(fetch(spec, network, lambda: None, lambda progress: None, Cancel(), limits=limits))


if __name__ == "__main__":
    main(sys.argv[1])
