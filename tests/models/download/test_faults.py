"""Whatever the Hub or its CDN does: the right error with the right words, and nothing left that should not be there."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from models.download import DownloadSpec, RemoteFile, partials
from models.errors import (
    CommitChanged,
    HashMismatch,
    HubTrouble,
    LicenceNeeded,
    LoginNeeded,
    ModelsError,
    Offline,
    RateLimited,
    RedirectRefused,
    RepoNotFound,
    TooLarge,
)
from tests.models.download.rig import MODEL, QUICK, REPO, TOKEN, Rig, tree

# fault → error, words of its sentence, whether what came is kept for the next try
FAULTS: list[tuple[dict[str, Any], type[ModelsError], str, bool]] = [
    ({"kind": "status", "status": 401, "code": "GatedRepo", "on": "hub"}, LoginNeeded, "does not accept", True),
    ({"kind": "status", "status": 403, "code": "GatedRepo", "on": "hub"}, LicenceNeeded, "terms of org/name", True),
    ({"kind": "status", "status": 404, "code": "RepoNotFound", "on": "hub"}, RepoNotFound, "is not on", False),
    ({"kind": "status", "status": 404, "code": "EntryNotFound", "on": "hub"}, RepoNotFound, "not hold that", False),
    ({"kind": "status", "status": 404, "code": "RevisionNotFound", "on": "hub"}, RepoNotFound, "no such bran", False),
    ({"kind": "status", "status": 429, "retry_after": "7200", "on": "hub"}, RateLimited, "asks to wait", True),
    ({"kind": "status", "status": 503, "on": "hub"}, HubTrouble, "trouble of its own", True),
    ({"kind": "status", "status": 500, "on": "cdn"}, HubTrouble, "localhost has trouble", True),
    ({"kind": "status", "status": 403, "on": "cdn"}, HubTrouble, "does not hand out", False),
    ({"kind": "status", "status": 418, "on": "hub"}, HubTrouble, "HTTP 418", False),
    ({"kind": "status", "status": 416, "on": "cdn"}, HubTrouble, "as it was announced", False),
    ({"kind": "stall", "on": "cdn", "after": 500}, Offline, "fell silent", True),
    ({"kind": "silent", "on": "cdn"}, Offline, "fell silent", True),
    ({"kind": "silent", "on": "hub"}, Offline, "fell silent", True),
    ({"kind": "cut", "on": "cdn", "after": 500}, Offline, "before its end", True),
    ({"kind": "reset", "on": "cdn", "after": 500}, Offline, "broke the connection", True),
    ({"kind": "short", "on": "cdn", "after": 500}, HubTrouble, "500 bytes", False),
    ({"kind": "wrong_bytes", "on": "cdn"}, HashMismatch, "localhost sent other bytes", False),
    ({"kind": "other_commit", "on": "hub"}, CommitChanged, "another commit", False),
    ({"kind": "endless", "on": "cdn"}, TooLarge, "more of model.gguf", False),
    ({"kind": "gzip_bomb", "on": "cdn"}, HubTrouble, "packed", False),
]


@pytest.mark.parametrize(
    ("fault", "error", "words", "kept"), FAULTS, ids=[f"{row[0]['kind']}-{row[0].get('status', '')}" for row in FAULTS]
)
def test_each_fault_has_its_error_and_leaves_nothing_behind(
    rig: Rig, fault: dict[str, Any], error: type[ModelsError], words: str, kept: bool
) -> None:
    rig.hub.fault(path="model.gguf", **fault)
    with pytest.raises(error) as caught:
        rig.fetch()
    assert words in caught.value.message
    assert caught.value.message.endswith(".")
    for found in partials(rig.folder):
        assert kept
        assert found.done > 0
    if not partials(rig.folder):
        assert tree(rig.folder) == {}
    rig.hub.mend()
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    assert [one for one in rig.folder.rglob("*") if one.is_file()] == [path]


@pytest.mark.parametrize("kind", ["cut", "reset", "stall"])
def test_a_broken_body_is_gone_on_with_by_itself(rig: Rig, kind: Any) -> None:
    rig.hub.fault(kind, path="model.gguf", on="cdn", after=20_000, times=3)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    assert rig.sent() < len(MODEL) + 3 * 20_000  # only what was on the wire is sent again


def test_trouble_that_passes_is_waited_for(rig: Rig) -> None:
    rig.hub.fault("status", path="model.gguf", on="hub", status=502, times=2)
    rig.hub.fault("status", path="model.gguf", on="cdn", status=503, times=2)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL


def test_a_dead_server_is_tried_as_often_as_the_limit_says(rig: Rig) -> None:
    rig.limits = replace(QUICK, connections=1, resumes=6)
    rig.hub.fault("cut", path="model.gguf", on="cdn", after=0)
    with pytest.raises(Offline):
        rig.fetch()
    assert len(rig.hub.seen("cdn")) == 1 + 6


def test_no_server_at_all_is_offline_and_names_the_host(rig: Rig) -> None:
    spec = rig.spec("model.gguf")
    rig.rules = replace(rig.rules, endpoint="http://127.0.0.1:9")  # discard: nobody listens there
    rig.limits = replace(QUICK, resumes=1)
    with pytest.raises(Offline) as caught:
        rig.fetch(spec)
    assert caught.value.host == "127.0.0.1"
    assert "cannot be reached" in caught.value.message
    assert tree(rig.folder) == {}


def test_the_wait_a_server_asks_for_is_kept(rig: Rig) -> None:
    rig.hub.fault("status", path="model.gguf", on="cdn", status=429, retry_after="1", skip=2, times=1)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    refused = next(seen for seen in rig.hub.requests if seen.status == 429)
    after = [seen.at - refused.at for seen in rig.hub.requests if seen.at > refused.at]
    asked_anyway = sum(0.05 < wait < 0.99 for wait in after)  # what was on its way already does not count
    assert asked_anyway <= 1
    assert any("Waiting" in progress.message and "localhost" in progress.message for progress in rig.said)


def test_an_address_that_has_run_out_is_asked_for_again(rig: Rig) -> None:
    rig.limits = replace(QUICK, connections=1)
    rig.hub.fault("status", path="model.gguf", on="cdn", status=403, skip=2, times=1)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL
    assert len(rig.hub.seen("hub", "GET", "model.gguf")) == 2


@pytest.mark.accept(15)
def test_wrong_bytes_are_deleted_tried_once_more_and_named(rig: Rig) -> None:
    rig.hub.fault("wrong_bytes", path="model.gguf", on="cdn")
    with pytest.raises(HashMismatch) as caught:
        rig.fetch()
    assert caught.value.host == "localhost"
    assert caught.value.expected == rig.spec("model.gguf").files[0].sha256
    assert caught.value.found not in ("", caught.value.expected)
    assert rig.sent() == 2 * len(MODEL)
    assert tree(rig.folder) == {}


@pytest.mark.accept(15)
def test_wrong_bytes_once_are_put_right(rig: Rig) -> None:
    rig.hub.fault("wrong_bytes", path="model.gguf", on="cdn", times=1)
    (path,) = rig.fetch()
    assert path.read_bytes() == MODEL


@pytest.mark.accept(15)
def test_wrong_bytes_of_a_small_file_are_noticed_too(rig: Rig) -> None:
    rig.hub.fault("wrong_bytes", path="config.json", on="hub")
    with pytest.raises(HashMismatch, match=r"config\.json"):
        rig.fetch(rig.spec("config.json"))
    assert tree(rig.folder) == {}


@pytest.mark.accept(15)
def test_another_commit_or_content_than_the_pinned_one_is_refused(rig: Rig) -> None:
    pinned = rig.spec("model.gguf")
    rig.hub.fault("other_commit", path="model.gguf", on="hub")  # of each of its parts, whichever asks first
    with pytest.raises(CommitChanged):
        rig.fetch(pinned)
    rig.hub.mend()
    lied = DownloadSpec(REPO, pinned.commit, (RemoteFile("model.gguf", len(MODEL), "a" * 64),), rig.folder)
    with pytest.raises(HashMismatch, match="other content"):
        rig.fetch(lied)
    assert not rig.hub.seen("cdn")
    assert tree(rig.folder) == {}


@pytest.mark.accept(15)
def test_a_new_commit_does_not_change_what_was_chosen(rig: Rig) -> None:
    pinned = rig.spec("model.gguf")
    rig.hub.add_repo(REPO, {"model.gguf": b"another model"})
    (path,) = rig.fetch(pinned)
    assert path.read_bytes() == MODEL


@pytest.mark.accept(15)
def test_the_token_goes_to_the_hub_and_nowhere_else(rig: Rig) -> None:
    rig.hub.add_repo(REPO, {"model.gguf": MODEL, "config.json": b"{}"}, gated="manual", granted=["alice"])
    rig.fetch(rig.spec())
    assert {seen.token for seen in rig.hub.seen("hub")} == {TOKEN}
    assert rig.hub.seen("cdn")
    assert not any("authorization" in seen.headers for seen in rig.hub.seen("cdn"))
    assert not any(TOKEN in seen.path + str(seen.query) + str(seen.headers) for seen in rig.hub.seen("cdn"))


@pytest.mark.accept(15)
def test_a_redirect_to_a_strange_host_gets_no_token_and_no_trust(rig: Rig) -> None:
    stranger = f"{rig.hub.url('stranger')}/evil/model.gguf"
    rig.hub.fault("redirect", path="model.gguf", on="hub", location=stranger)
    with pytest.raises(HubTrouble):
        rig.fetch()
    assert rig.hub.seen("stranger")
    assert not any("authorization" in seen.headers for seen in rig.hub.seen("stranger"))
    assert tree(rig.folder) == {}


@pytest.mark.accept(15)
def test_a_store_that_points_on_to_another_host_is_refused(rig: Rig) -> None:
    stranger = f"{rig.hub.url('stranger')}/evil/model.gguf"
    rig.hub.fault("redirect", path="model.gguf", on="cdn", location=stranger)
    with pytest.raises(RedirectRefused):
        rig.fetch()
    assert not rig.hub.seen("stranger")
    assert tree(rig.folder) == {}


@pytest.mark.accept(15)
@pytest.mark.parametrize("location", ["http://192.0.2.1/model.gguf", "http://example.org/x", "ftp://localhost/x", ""])
def test_redirects_to_plain_http_or_no_address_are_refused(rig: Rig, location: str) -> None:
    rig.hub.fault("redirect", path="model.gguf", on="hub", location=location)
    with pytest.raises(RedirectRefused):
        rig.fetch()
    assert not rig.hub.seen("cdn")
    assert tree(rig.folder) == {}


@pytest.mark.accept(15)
def test_plain_http_is_for_this_machine_alone(rig: Rig) -> None:
    spec = rig.spec("model.gguf")
    rig.rules = replace(rig.rules, endpoint="http://192.0.2.1")
    with pytest.raises(RedirectRefused, match="without encryption"):
        rig.fetch(spec)
    assert tree(rig.folder) == {}


@pytest.mark.accept(13)
@pytest.mark.parametrize("kind", ["endless", "gzip_bomb"])
def test_a_body_without_end_stops_at_the_announced_size(rig: Rig, kind: Any) -> None:
    largest = 0

    def watch(_: object) -> None:
        nonlocal largest
        sizes = [path.stat().st_size for path in rig.folder.rglob("*.part")]
        largest = max([largest, *sizes])

    rig.on_progress = watch
    rig.hub.fault(kind, path="model.gguf", on="cdn")
    with pytest.raises((TooLarge, HubTrouble)):
        rig.fetch()
    assert largest <= len(MODEL)
    assert threading.active_count() < 20
    assert tree(rig.folder) == {}


def test_a_gated_repository_says_what_to_do(rig: Rig) -> None:
    rig.hub.add_repo(REPO, {"model.gguf": MODEL}, gated="manual")
    with pytest.raises(LicenceNeeded) as caught:
        rig.fetch()
    assert caught.value.url == f"{rig.hub.endpoint}/{REPO}"
    rig.token = None
    with pytest.raises(LoginNeeded, match="who asks"):
        rig.fetch()
    assert tree(rig.folder) == {}


def test_one_bad_file_of_several_leaves_none(rig: Rig) -> None:
    rig.hub.fault("wrong_bytes", path="sub/tokenizer.model", on="cdn")
    with pytest.raises(HashMismatch):
        rig.fetch(rig.spec())
    assert tree(rig.folder) == {}


def test_the_last_try_comes_soon_enough(rig: Rig) -> None:
    rig.hub.fault("stall", path="model.gguf", on="cdn", after=0)
    began = time.monotonic()
    with pytest.raises(Offline):
        rig.fetch()
    assert time.monotonic() - began < 4 * (QUICK.stall_s + 1)
