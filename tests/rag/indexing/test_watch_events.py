"""What a burst of notices means."""

from __future__ import annotations

import pytest

from rag.indexing.watch_events import LONGEST_S, MANY, QUIET_S, Burst, concerns

ROOT = "/home/me/notes"


def burst(*paths: str, now: float = 100.0) -> Burst:
    made = Burst(ROOT)
    made.add([f"{ROOT}/{path}" for path in paths], now)
    return made


def test_a_saved_file_is_looked_at_once_it_is_quiet() -> None:
    made = burst("a.md")
    assert made.due_in(100.0) == pytest.approx(QUIET_S)
    made.add([f"{ROOT}/a.md"], 100.2)
    assert made.due_in(100.2) == pytest.approx(QUIET_S)
    assert made.due_in(100.5) == 0
    look = made.take()
    assert look.paths == (f"{ROOT}/a.md",)
    assert not look.rescan
    assert made.due_in(101.0) is None


def test_a_file_that_is_written_all_the_time_is_looked_at_meanwhile() -> None:
    made = burst("log.txt")
    for step in range(20):
        made.add([f"{ROOT}/log.txt"], 100.0 + step / 10)
    assert made.due_in(100.0 + LONGEST_S) == 0


def test_thousands_of_files_become_one_scan() -> None:
    assert not burst(*(f"{number}.py" for number in range(MANY))).take().rescan
    look = burst(*(f"{number}.py" for number in range(MANY + 1))).take()
    assert look.rescan
    assert look.paths == ()


@pytest.mark.parametrize("name", [".gitignore", "sub/.ignore", ".jackdawignore"])
def test_another_ignore_file_means_that_everything_may_be_another(name: str) -> None:
    assert burst("a.md", name).take().rescan


def test_a_notice_about_the_root_itself_means_a_scan() -> None:
    made = Burst(ROOT)
    made.add([ROOT], 1.0)
    assert made.take().rescan


def test_what_lies_in_a_folder_that_is_looked_at_is_not_looked_at_twice() -> None:
    assert burst("sub/a", "sub", "sub-way", "sub/b/c").take().paths == (f"{ROOT}/sub", f"{ROOT}/sub-way")


@pytest.mark.parametrize(
    ("path", "matters"),
    [
        ("a.md", True),
        ("a.md~", False),
        (".a.md.swp", False),
        (".#a.md", False),
        ("sub/.goutputstream-3F2A", False),
        ("~$report.docx", False),
        (".~lock.report.odt#", False),
        (".git/index.lock", False),
        (".git/HEAD", False),
        ("src/__pycache__/a.pyc", False),
        (".github/workflows/ci.yml", False),
        (".env", False),
        (".venv/.gitignore", False),
        ("sub/.gitignore", True),
        ("#1 idea.md", True),
    ],
)
def test_what_editors_and_tools_keep_to_themselves_does_not_matter(path: str, matters: bool) -> None:
    assert concerns(ROOT, f"{ROOT}/{path}") is matters


def test_what_is_hidden_matters_where_it_is_read() -> None:
    assert concerns(ROOT, f"{ROOT}/.github/workflows/ci.yml", hidden=True)
    assert concerns(ROOT, f"{ROOT}/.env", hidden=True)
    assert not concerns(ROOT, f"{ROOT}/.git/HEAD", hidden=True)
    assert not concerns(ROOT, f"{ROOT}/.a.md.swp", hidden=True)


def test_a_burst_of_noise_is_none() -> None:
    assert burst(".git/index.lock", "a.md~").due_in(100.0) is None
