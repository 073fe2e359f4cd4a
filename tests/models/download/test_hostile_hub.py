"""A Hub that means harm: what it promises, where it points, and what lies in the way of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from models.download import RemoteFile, fetch, partials
from models.errors import DiskFull, HubTrouble, LicenceNeeded, ModelsError, RedirectRefused, UnsafeName
from models.hub.client import Hub
from models.network import Network, NetworkRules
from models.progress import Cancel
from tests.fake_hub import FakeHub
from tests.models.download.rig import MODEL, QUICK, REPO, Rig, tree
from tests.outside import CERTIFICATE, Outside

NOWHERE = [
    *("file:///etc/passwd", "ftp://127.0.0.1/x", "javascript:alert(1)", "data:,x", "unix:///run/bus", "//"),
    *("https://", "https://[::1", "https://[::1]x/", "https://x:99999/", "https://x:-1/", "https://x y/"),
    *(
        "https://xn--/x",
        "https://\u2488.com/",
        "https://a..b/",
        "https://user:geheim@127.0.0.1/",
        "http://example.com/",
    ),
    *("http://0.0.0.0/", "http://169.254.169.254/latest", "https://" + "a" * 5000 + ".example/"),
]


@pytest.mark.accept(15)
def test_no_redirect_leads_anywhere_but_to_an_address_of_the_web(rig: Rig) -> None:
    spec = rig.spec("model.gguf")
    rig.limits = replace(QUICK, resumes=0, connect_s=0.5)
    for location in NOWHERE:
        rig.hub.fault("redirect", path="model.gguf", on="hub", location=location)
        with pytest.raises(ModelsError) as refused:
            rig.fetch(spec)
        assert refused.value.kind in ("redirect_refused", "offline"), location
        assert "geheim" not in refused.value.message
        assert tree(rig.folder) == {}
        rig.hub.mend()
    assert rig.hub.seen("cdn") == rig.hub.seen("stranger") == []


@pytest.mark.accept(15)
@pytest.mark.parametrize("on", ["hub", "cdn"])
def test_a_ring_of_redirects_ends(rig: Rig, on: str) -> None:
    where = rig.hub.url("hub" if on == "hub" else "cdn")
    rig.hub.fault("redirect", path=".gguf", location=f"{where}/round/and/round.gguf")
    with pytest.raises(RedirectRefused):
        rig.fetch()
    assert len(rig.hub.requests) <= 6 * QUICK.connections
    assert tree(rig.folder) == {}


@pytest.mark.accept(15)
def test_a_public_hub_leads_to_no_service_of_this_machine(tmp_path: Path) -> None:
    """The stranger is a program of this machine: an https Hub may not make us ask it, nor any other scheme."""
    with FakeHub() as hub, Outside(hub) as outside:
        hub.add_repo(REPO, {"model.gguf": MODEL})
        rules = NetworkRules("https://hub.example", outside.proxy)
        network = Network(lambda: rules)
        network.tls().load_verify_locations(CERTIFICATE)
        rig = Rig(hub, tmp_path, rules)
        spec = rig.spec("model.gguf")
        port = hub.url("stranger").rpartition(":")[2]
        for location in (
            *(f"http://{name}:{port}/x" for name in ("127.0.0.1", "localhost", "[::1]", "127.1.2.3", "0.0.0.0")),
            *(f"https://{name}:{port}/x" for name in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]")),
            *("http://cdn.example/x", "http://hub.example/x", "file:///etc/passwd", "https://10.0.0.1/x"),
        ):
            hub.fault("redirect", path="model.gguf", on="hub", location=location)
            with pytest.raises(RedirectRefused):
                asyncio.run(fetch(spec, network, lambda: None, lambda progress: None, Cancel(), limits=QUICK))
            hub.mend()
        assert set(outside.asked) == {"CONNECT hub.example:443"}
    assert hub.seen("stranger") == []
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("size", [2**61, 2**62, 2**63, 2**64, 10**30, -1])
def test_absurd_sizes_are_refused_before_anything(rig: Rig, size: int) -> None:
    spec = rig.spec("model.gguf")
    with pytest.raises(HubTrouble, match="cannot be true"):
        rig.fetch(replace(spec, files=(replace(spec.files[0], bytes=size),)))
    assert (rig.hub.requests, tree(rig.folder)) == ([], {})


def test_a_size_no_disk_has_is_refused_before_anything(rig: Rig) -> None:
    spec = rig.spec("model.gguf")
    with pytest.raises(DiskFull, match="GB"):
        rig.fetch(replace(spec, files=(replace(spec.files[0], bytes=2**59),)))
    assert (rig.hub.requests, tree(rig.folder)) == ([], {})


def test_a_file_nobody_says_anything_about_is_not_fetched(rig: Rig) -> None:
    spec = rig.spec("model.gguf")
    for file in (RemoteFile("model.gguf", len(MODEL)), RemoteFile("model.gguf", 0, spec.files[0].sha256)):
        with pytest.raises(HubTrouble):
            rig.fetch(replace(spec, files=(file,)))
    assert (rig.hub.requests, tree(rig.folder)) == ([], {})


@pytest.mark.accept(14)
@pytest.mark.parametrize(
    "names",
    [("m.gguf", "m.gguf"), ("m.gguf", "M.GGUF"), ("a.gguf", "a.gguf/b.gguf"), ("A.json/b.json", "a.json")],
    ids=" and ".join,
)
def test_two_files_in_one_place_are_refused(rig: Rig, names: tuple[str, str]) -> None:
    spec = rig.spec("model.gguf")
    files = tuple(replace(spec.files[0], path=name) for name in names)
    with pytest.raises(UnsafeName, match="two files in one place"):
        rig.fetch(replace(spec, files=files))
    assert (rig.hub.requests, tree(rig.folder)) == ([], {})


@pytest.mark.accept(14)
def test_no_file_of_a_repository_passes_for_our_own_notes(rig: Rig) -> None:
    """It would say of the file beside it that all of it had come, and was right."""
    spec = rig.spec("model.gguf")
    first = spec.files[0]
    forged = {"version": 1, "repo": spec.repo, "commit": spec.commit, "path": first.path, "bytes": first.bytes}
    forged |= {"sha256": first.sha256, "git_sha1": "", "etag": "", "url": "", "boot": "", "verified": True}
    forged |= {"ranges": [[0, first.bytes]], "durable": [[0, first.bytes]]}
    rig.hub.add_repo(REPO, {"model.gguf": MODEL, "model.gguf.part.json": json.dumps(forged).encode()})
    network = Network(lambda: rig.rules)
    hub = Hub(network, lambda: None)
    info = asyncio.run(hub.repo(REPO))
    hub.close()
    assert [file.path for file in info.files] == ["model.gguf"]
    with pytest.raises(UnsafeName):
        rig.fetch(rig.spec("model.gguf.part.json"))


def test_a_hash_in_capitals_is_the_same_hash(rig: Rig) -> None:
    right = rig.spec("model.gguf").files[0].sha256
    files = rig.hub.repos[REPO].commits[rig.hub.repos[REPO].main]
    files["model.gguf"] = replace(files["model.gguf"], sha256=right.upper())
    network = Network(lambda: rig.rules)
    hub = Hub(network, lambda: rig.token)
    info = asyncio.run(hub.repo(REPO))
    hub.close()
    (model,) = [file for file in info.files if file.path == "model.gguf"]
    assert model.sha256 == right


def test_a_licence_may_be_accepted_while_what_came_waits(rig: Rig) -> None:
    """As with a login: the Hub changed its mind in the middle, and the next try goes on where it was."""
    rig.limits = replace(QUICK, connections=1)
    rig.hub.fault("status", path="model.gguf", on="cdn", status=403, skip=2)  # the signed address has run out
    rig.hub.fault("status", path="model.gguf", on="hub", status=403, code="GatedRepo", skip=1)
    with pytest.raises(LicenceNeeded):
        rig.fetch()
    ((kept, done),) = [(found.path, found.done) for found in partials(rig.folder)]
    assert (kept, done) == ("model.gguf", 2 * QUICK.part_bytes)
    rig.hub.mend()
    before = len(rig.hub.seen("cdn", "GET"))
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    assert sum(seen.sent for seen in rig.hub.seen("cdn", "GET")[before:]) == len(MODEL) - done
