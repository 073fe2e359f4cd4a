"""The check that a test leaves nothing behind must itself see what is left."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.leftovers import Holdings, kill, leftovers


def test_a_child_process_a_thread_and_a_file_are_all_seen_and_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.leftovers.WAIT_S", 0.0)
    before = Holdings.now()
    release = threading.Event()
    thread = threading.Thread(target=release.wait, name="forgotten")
    thread.start()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    with (tmp_path / "open.txt").open("w"):
        found = leftovers(before)
    release.set()
    thread.join()
    kill(found.children)
    child.communicate()

    sentence = found.sentence()
    assert str(child.pid) in sentence
    assert "forgotten" in sentence
    assert "open.txt" in sentence


def test_what_a_process_of_before_starts_is_its_own() -> None:
    starts_one = "import subprocess as s; input(); c = s.Popen(['sleep', '60']); print(c.pid); input(); c.kill()"
    owner = subprocess.Popen(
        [sys.executable, "-c", starts_one], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    before = Holdings.now()
    assert owner.stdin is not None and owner.stdout is not None
    owner.stdin.write("\n")
    grandchild = int(owner.stdout.readline())

    found = Holdings.now()

    assert grandchild in {child.pid for child in found.children}
    assert grandchild not in {child.pid for child in found.new_since(before).children}
    owner.communicate("\n")


def test_what_goes_by_itself_is_waited_for() -> None:
    before = Holdings.now()
    thread = threading.Timer(0.2, lambda: None)
    thread.start()

    assert not leftovers(before)
