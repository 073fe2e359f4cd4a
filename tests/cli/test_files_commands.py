"""`jackdaw files` and `jackdaw ask`, against one real service."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.paths import find_paths
from tests.cli.conftest import CHECKOUT, CommandLine

NOTE = """# Ferries

The ferry to Lovund leaves at seven in the morning.

Bicycles travel free of charge.
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("travel")
    (root / "ferries.md").write_text(NOTE)
    (root / "trains.txt").write_text("The night train to Narvik has a sleeping car.\n")
    (root / "map.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(64))
    return root


@pytest.fixture(scope="module")
def line(engine_bin: Path) -> Iterator[CommandLine]:
    """One service for all tests here, started by the first command."""
    home = Path(tempfile.mkdtemp(prefix="jd-"))
    paths = find_paths(home)
    paths.create()
    paths.settings.write_text("port = 0\n")
    line = CommandLine(home, {**os.environ, "JACKDAW_ENGINE": str(engine_bin)})
    yield line
    line.run("stop")
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def travel(line: CommandLine, folder: Path) -> CommandLine:
    """With the folder indexed as "travel"."""
    done = line.run("files", "add", str(folder), "-c", "travel")
    assert done.returncode == 0, done.stderr
    assert "2 files to read" in done.stderr
    assert "left out: 1 binary" in done.stderr
    assert "travel: 2 files" in done.stdout
    assert "(ready)" in done.stdout
    return line


def test_what_was_added_is_listed_with_the_reason_for_what_was_not(travel: CommandLine, folder: Path) -> None:
    listed = travel.text("files", "list", "-c", "travel")
    assert str(folder / "ferries.md") in listed
    skipped = travel.inside("files", "list", "--state", "skipped")["travel"]["files"]
    assert [(file["path"], file["reason"]) for file in skipped] == [("map.png", "binary")]
    assert [file["path"] for file in travel.inside("files", "list", "--find", "train")["travel"]["files"]] == [
        "trains.txt"
    ]


def test_a_search_shows_places_and_the_sentence_that_decides(travel: CommandLine) -> None:
    shown = travel.text("files", "search", "-c", "travel", "when", "does", "the", "ferry", "leave?")
    first, second = shown.splitlines()[:2]
    assert first.startswith("1. ferries.md:")
    assert "leaves at seven in the morning." in second
    found = travel.inside("files", "search", "-k", "1", "night train")["results"]
    assert [hit["path"] for hit in found] == ["trains.txt"]


def test_a_result_is_opened_by_its_number(travel: CommandLine, folder: Path, tmp_path: Path) -> None:
    travel.inside("config", f"editor={shutil.which('true')} +{{line}} {{file}}")
    travel.inside("files", "search", "sleeping car")
    opened = travel.inside("files", "open", "1")
    assert opened["command"][1:] == ["+1", str(folder / "trains.txt")]
    assert travel.inside("files", "open", f"{folder / 'ferries.md'}:3")["command"][1] == "+3"
    missing = travel.run("files", "open", "99")
    assert missing.returncode == 1
    assert "Search first" in missing.stderr


def test_why_tells_stages_and_candidates_and_is_found_again(travel: CommandLine) -> None:
    shown = travel.text("files", "why", "-c", "travel", "bicycles")
    assert "lexical" in shown
    assert "ferries.md:" in shown
    why_id = shown.split()[-1]
    assert travel.inside("files", "why", why_id)["question"] == "bicycles"


def test_status_and_doctor_agree(travel: CommandLine) -> None:
    status = travel.text("files", "status")
    assert "2 with" in status
    assert "all-MiniLM-L6-v2" in status
    report = travel.inside("files", "doctor")
    assert report["ok"], report
    assert "All of it agrees." in travel.text("files", "doctor", "--repair")


def test_collections_are_made_changed_and_removed(travel: CommandLine) -> None:
    travel.inside("files", "collections", "new", "work", "--exclude", "*.log", "--no-watch")
    changed = travel.inside("files", "collections", "rename", "work", "office")
    assert (changed["name"], changed["rules"]["exclude"], changed["watch"]) == ("office", ["*.log"], False)
    assert travel.inside("files", "collections", "local-only", "office", "on")["local_only"]
    assert travel.inside("files", "collections", "pause", "office")["state"] == "paused"
    assert travel.inside("files", "collections", "resume", "office")["paused"] is False
    assert "office" in travel.text("files", "collections")
    assert travel.inside("_names", "collections") == ["office", "travel"]
    assert travel.inside("files", "collections", "rm", "office")["proven"]
    missing = travel.run("files", "collections", "pause", "office")
    assert missing.returncode == 1
    assert "There are: travel." in missing.stderr


def test_rules_are_shown_and_those_that_are_said_are_changed(travel: CommandLine) -> None:
    rules = ("files", "collections", "rules", "drafts")
    travel.inside("files", "collections", "new", "drafts", "--exclude", "*.bak", "--generated")
    before = travel.inside(*rules)
    assert (before["exclude"], before["generated"], before["hidden"]) == (["*.bak"], True, False)
    changed = travel.inside(*rules, "--hidden", "--no-ignore-files", "--max-file-mib", "1", "--include", "a b.md")
    said = {"hidden": True, "ignore_files": False, "max_file_mib": 1, "include": ["a b.md"]}
    assert changed == {**before, **said}
    assert travel.inside(*rules) == changed
    shown = dict(line.split(None, 1) for line in travel.text(*rules).splitlines()[1:])
    assert {name: shown[name].strip() for name in ("exclude", "hidden", "ignore-files", "max-file-mib", "secrets")} == {
        "exclude": "*.bak",
        "hidden": "yes",
        "ignore-files": "no",
        "max-file-mib": "1",
        "secrets": "no",
    }
    replaced = travel.inside(*rules, "--exclude", "old/", "--exclude", "!old/kept.md", "--no-hidden")
    assert (replaced["exclude"], replaced["hidden"], replaced["include"]) == (
        ["old/", "!old/kept.md"],
        False,
        ["a b.md"],
    )
    travel.inside("files", "collections", "rm", "drafts")
    missing = travel.run(*rules, "--hidden")
    assert missing.returncode == 1
    assert "drafts" in missing.stderr and "There are: travel." in missing.stderr


def test_checks_are_kept_and_run(travel: CommandLine) -> None:
    made = travel.inside("files", "checks", "add", "-c", "travel", "--expect", "ferries.md", "bicycles free of charge")
    assert made["passed"]
    wrong = travel.inside("files", "checks", "add", "-c", "travel", "--expect", "planes.md", "bicycles")
    assert wrong["passed"] is False
    done = travel.run("files", "checks", "run")
    assert done.returncode == 1
    assert "planes.md" in done.stdout
    for check in (made, wrong):
        travel.inside("files", "checks", "rm", str(check["id"]))
    assert travel.inside("files", "checks") == []


def test_embedders_are_listed_with_the_default_first(travel: CommandLine) -> None:
    found = travel.inside("files", "embedders")
    assert found["embedders"][0]["is_default"]
    assert "all-MiniLM-L6-v2" in travel.text("files", "embedders")


def test_ask_answers_from_passages_without_a_model(travel: CommandLine) -> None:
    answer = travel.text("ask", "-c", "travel", "When does the ferry to Lovund leave?")
    assert "seven in the morning" in answer
    assert "ferries.md" in answer
    nothing = travel.run("--json", "ask", "-c", "travel", "zyxgorf quantum blockchain tariffs of Bolivia?")
    assert nothing.returncode == 1
    assert json.loads(nothing.stdout)["answer"] == "Not in your files."


def test_ask_by_a_model_lists_its_sources_below(travel: CommandLine, tiny_chat_gguf: Path) -> None:
    model = travel.inside("models", "import", str(tiny_chat_gguf))["id"]
    shown = travel.text("ask", "-c", "travel", "-m", model, "When does the ferry to Lovund leave?")
    assert "\n[1] ferries.md:" in shown
    travel.inside("models", "rm", model)


def test_an_unknown_collection_is_told_with_the_way_to_one(travel: CommandLine) -> None:
    done = travel.run("files", "search", "-c", "nowhere", "ferry")
    assert done.returncode == 1
    assert "no collection" in done.stderr
    assert "nowhere" in done.stderr
    assert "jackdaw files" in done.stderr
    assert travel.run("files", "search").returncode == 2


def test_control_c_leaves_the_indexing_to_the_service(travel: CommandLine, tmp_path: Path) -> None:
    for number in range(150):
        (tmp_path / f"page-{number}.txt").write_text(f"Page {number} is about item {number * 13}. " * 15)
    command = [
        sys.executable,
        "-m",
        "desktop",
        "--home",
        str(travel.home),
        "files",
        "add",
        str(tmp_path),
        "-c",
        "pages",
    ]
    primary, secondary = pty.openpty()
    process = subprocess.Popen(
        command, cwd=CHECKOUT, env=travel.environ, stdin=secondary, stdout=subprocess.PIPE, stderr=secondary
    )
    os.close(secondary)
    try:
        said = _until(primary, b"files/s")
        process.send_signal(signal.SIGINT)
        said += _until(primary, b"jackdaw jobs watch")
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.communicate()
        os.close(primary)
    assert b"The service goes on with it." in said
    jobs = [job for job in travel.inside("jobs", "list", "--all") if job["title"] == "Index pages"]
    assert jobs[-1]["state"] in ("running", "done")
    travel.text("jobs", "watch", jobs[-1]["id"])
    assert travel.inside("files", "collections")[0]["files"] == 150
    assert travel.inside("files", "collections", "rm", "pages")["proven"]


def _until(primary: int, wanted: bytes, within_s: float = 30.0) -> bytes:
    """Read a terminal until it has shown `wanted`."""
    said, deadline = b"", time.monotonic() + within_s
    while wanted not in said:
        assert time.monotonic() < deadline, said
        if select.select([primary], [], [], 0.2)[0]:
            said += os.read(primary, 65536)
    return said


def test_removing_prints_the_receipt_and_the_file_stays(travel: CommandLine, folder: Path) -> None:
    done = travel.text("files", "rm", str(folder / "trains.txt"))
    assert str(folder / "trains.txt") in done
    assert "0 found by search, 0 in the bytes" in done
    assert (folder / "trains.txt").exists()
    assert (
        travel.inside("files", "search", "-c", "travel", "night train to Narvik")["results"][0]["path"] == "ferries.md"
    )
    again = travel.inside("files", "collections", "index", "travel")
    assert again["collection"]["files"] == 1
    nothing = travel.run("files", "rm", str(folder / "planes.txt"))
    assert (nothing.returncode, nothing.stdout.strip()) == (1, "None of this was in the index.")
