"""Names that attack the file system are refused by every entry of the downloader, and nothing outside changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from models.download import DownloadSpec, PartialFile, RemoteFile, discard, partials, sweep
from models.errors import ModelsError, UnsafeName
from tests.models.download.rig import REPO, Rig, tree

FILES = [
    "../evil.gguf",
    "../../../../evil.gguf",
    "a/../../evil.gguf",
    "./evil.gguf",
    "a//evil.gguf",
    "/tmp/evil.gguf",
    "/evil.gguf",
    "//server/share/evil.gguf",
    "\\\\server\\share\\evil.gguf",
    "..\\evil.gguf",
    "a\\..\\..\\evil.gguf",
    "C:evil.gguf",
    "C:\\evil.gguf",
    "C:/evil.gguf",
    "evil.gguf:stream.gguf",
    "evil\0.gguf",
    "evil.gguf\0",
    "evil.gguf\n",
    "evil\n.gguf",
    "evil\r.gguf",
    "evil\t.gguf",
    "\x1b[2Jevil.gguf",
    "%2e%2e/evil.gguf",
    "..%2fevil.gguf",
    "%2e%2e%2fevil.gguf",
    "..%5cevil.gguf",
    "\uff0e\uff0e/evil.gguf",
    "..\uff0fevil.gguf",
    "\u202efugg.live.gguf",
    "evil\u200b.gguf",
    "con.gguf",
    "CON",
    "nul.gguf",
    "aux.json",
    "COM1.gguf",
    "lpt9.txt",
    "a/prn.gguf",
    "evil.gguf.",
    "evil.gguf ",
    " evil.gguf",
    ".evil.gguf",
    ".git/config.json",
    "-rf.gguf",
    "~/evil.gguf" + "\0",
    "MODEL~1.gguf",
    "evil*.gguf",
    "evil?.gguf",
    'evil".gguf',
    "<evil>.gguf",
    "evil|.gguf",
    "a" * 260 + ".gguf",
    "a/" * 12 + "evil.gguf",
    "",
    ".",
    "..",
    "/",
    "evil",
    "evil.py",
    "evil.sh",
    "evil.bin",
    "evil.gguf.exe",
    "evil.pt",
    "evil.gguf.part",
]
REPOS = [
    "../evil",
    "evil",
    "a/b/c",
    "a/..",
    "../..",
    "a\\b/c",
    "/a/b",
    "a/b\n",
    "a/b.git",
    "c:/d",
    "",
    "/",
    "a/",
    "~/b",
]
COMMITS = ["main", "../main", "a" * 39, "a" * 41, "A" * 40, "g" * 40, "a" * 40 + "\n", "a" * 64, "", "../" + "a" * 37]
DIGESTS = ["a" * 63, "a" * 65, "A" * 64, "../" + "a" * 61, "a" * 64 + "\n"]


@pytest.fixture
def watched(rig: Rig) -> Callable[[], None]:
    """Call it to check that nothing beside or below the folder has changed."""
    outside = rig.folder.parent / "outside"
    outside.mkdir()
    (outside / "evil.gguf").write_bytes(b"mine")
    (outside / "evil.gguf.part").write_bytes(b"mine")
    before = tree(rig.folder.parent)

    def check() -> None:
        assert tree(rig.folder.parent) == before

    return check


@pytest.mark.accept(14)
def test_no_file_name_leads_out_of_the_folder(rig: Rig, watched: Callable[[], None]) -> None:
    assert len(FILES) >= 60
    spec = rig.spec("model.gguf")
    for name in FILES:
        with pytest.raises(UnsafeName):
            rig.fetch(replace(spec, files=(RemoteFile(name, 10, "a" * 64),)))
        watched()
    assert not rig.hub.requests


@pytest.mark.accept(14)
def test_no_repository_commit_or_digest_leads_out_of_the_folder(rig: Rig, watched: Callable[[], None]) -> None:
    spec = rig.spec("model.gguf")
    attacks = [replace(spec, repo=repo) for repo in REPOS]
    attacks += [replace(spec, commit=commit) for commit in COMMITS]
    attacks += [replace(spec, files=(RemoteFile("model.gguf", 10, digest),)) for digest in DIGESTS]
    for attack in attacks:
        with pytest.raises(UnsafeName):
            rig.fetch(attack)
        watched()
    assert not rig.hub.requests


@pytest.mark.accept(14)
@pytest.mark.parametrize("depth", ["author", "repository", "commit", "sub-folder", "part", "target"])
def test_no_symbolic_link_on_the_way_is_followed(rig: Rig, depth: str) -> None:
    spec = rig.spec("sub/tokenizer.model")
    target = spec.target(spec.files[0])
    outside = rig.folder.parent / "outside"
    outside.mkdir()
    (outside / "file").write_bytes(b"mine")
    places = {
        "author": rig.folder / "org",
        "repository": rig.folder / "org" / "name",
        "commit": spec.target_folder,
        "sub-folder": target.parent,
        "part": target.with_name(target.name + ".part"),
        "target": target,
    }
    link = places[depth]
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(outside / "file" if depth in ("part", "target") else outside)
    before = tree(rig.folder.parent)
    with pytest.raises((ModelsError, OSError)):
        rig.fetch(spec)
    assert tree(outside) == {"file": before["outside/file"]}
    sweep(rig.folder)
    assert tree(outside) == {"file": before["outside/file"]}


@pytest.mark.accept(14)
def test_a_forged_manifest_leads_nobody_out(rig: Rig, watched: Callable[[], None]) -> None:
    commit = rig.folder / "org" / "name" / ("a" * 40)
    commit.mkdir(parents=True)
    for number, path in enumerate(FILES):
        manifest = {"version": 1, "repo": REPO, "commit": "a" * 40, "path": path, "bytes": 4, "sha256": "b" * 64}
        manifest |= {"git_sha1": "", "etag": "", "url": "", "boot": "", "ranges": [], "durable": [], "verified": False}
        (commit / f"m{number}.gguf.part").write_bytes(b"evil")
        (commit / f"m{number}.gguf.part.json").write_text(json.dumps(manifest))
    assert partials(rig.folder) == ()
    sweep(rig.folder)
    watched()


@pytest.mark.accept(14)
def test_nothing_outside_can_be_thrown_away(rig: Rig, watched: Callable[[], None]) -> None:
    outside = rig.folder.parent / "outside"
    for part in (
        outside / "evil.gguf.part",
        rig.folder / ".." / "outside" / "evil.gguf.part",
        Path("/etc/passwd.part"),
    ):
        with pytest.raises(UnsafeName):
            discard(rig.folder, PartialFile(REPO, "a" * 40, "evil.gguf", 4, 0, part))
        watched()


def test_the_spec_that_is_attacked_is_otherwise_good(rig: Rig) -> None:
    spec: DownloadSpec = rig.spec("model.gguf")
    assert rig.fetch(spec)
