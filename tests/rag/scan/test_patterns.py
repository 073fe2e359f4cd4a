"""The patterns mean what git means by them: every case is asked of git itself."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rag.scan.patterns import Patterns

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is what the cases are asked of")

PATHS = [
    "a", "b", "ab", "abc", "c", "-", "A", "a]", "a\\b", "[a]", "a b", "a ", "!a", "#a", "a.c", "a.min.c", ".a",
    "a/b", "a/a", "a/b/c", "a/b/c/d", "a/b.c", "a/ab/b", "b/a", "b/b/b/a", "ba/c", "abc/a", "x/a/b", "x/y/a/b/c",
    "a\nb", "build/x", "src/build/x", "foo/bar/baz", "TODO.md", "doc/TODO.md",
]  # fmt: skip
LINES = [
    "**/a", "a/**", "a/**/b", "a/**/c", "/a", "a/", "*", "**", "/*", "!/a", "[[:alpha:]]", "[[:nope:]]", "[a-c]b",
    "[^a]", "[!a]*", "*.c", "*.min.c", "a*b", "*a*b*c*", "\\!a", "\\#a", "a\\ ", "a  ", "a\\", "b/*/b/**", "[]a]", "[a",
    "/**/a", "***", "a**", "**b", "a/***/c", "[a-", "[c-a]", "[\\]a]", "?", "??", "*/b", "foo/*", "foo/**/baz", "#a",
    "", " ", "a/b/", "!a/b", "doc/*.md", "build/", "/build", "a[/]b", "\\a", "a\\/b", "/", "//", "!", "x/**/", "*.",
]  # fmt: skip


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    return folder


def git_says(repository: Path, lines: list[str]) -> dict[str, int]:
    """For each path the number of the line that decides, 0 for none."""
    (repository / ".git/info/exclude").write_text("\n".join(lines) + "\n")
    command = [
        "git",
        "-C",
        str(repository),
        "-c",
        "core.excludesFile=",
        "check-ignore",
        "--no-index",
        "-vnz",
        "--stdin",
    ]
    answer = subprocess.run(command, input="\0".join(PATHS), capture_output=True, text=True, check=False).stdout
    fields = answer.split("\0")
    return {fields[at + 3]: int(fields[at + 1] or 0) for at in range(0, len(fields) - 1, 4)}


def we_say(lines: list[str]) -> dict[str, int]:
    patterns = Patterns.parse(lines, "test")
    return {path: _deciding(patterns, path.split("/")) for path in PATHS}


def _deciding(patterns: Patterns, parts: list[str]) -> int:
    """As a walk decides: what is below an ignored folder is not asked about."""
    rule = None
    for depth, name in enumerate(parts, 1):
        rule = patterns.match("/".join(parts[:depth]), name, folder=depth < len(parts))
        if rule is not None and not rule.negated and depth < len(parts):
            break
    return rule.line if rule else 0


@pytest.mark.parametrize("line", LINES)
def test_each_pattern_matches_what_git_matches(repository: Path, line: str) -> None:
    assert we_say([line]) == git_says(repository, [line])


@pytest.mark.parametrize("line", ["?", "[é]", "[^a]", "é"])
def test_one_place_of_a_pattern_is_one_letter_where_git_counts_bytes(line: str) -> None:
    assert Patterns.parse([line], "test").match("é", "é", folder=False) is not None


def test_the_last_line_that_matches_decides(repository: Path) -> None:
    lines = ["*", "!a", "!*/", "b/*", "!b/a", "*.c", "!a.c", "# no", "/abc", "*.min.c"]

    assert we_say(lines) == git_says(repository, lines)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.one_of(st.sampled_from(LINES), st.text("ab*?/[]!^-\\c.# A:", max_size=9)), max_size=5))
def test_any_lines_mean_what_git_takes_them_for(repository: Path, lines: list[str]) -> None:
    assert we_say(lines) == git_says(repository, lines)


def test_a_pattern_made_to_take_long_takes_no_time() -> None:
    patterns = Patterns.parse(["*a" * 60 + "b", "**/a" * 60 + "/b", "*[ab]*?" * 40 + "c"], "hostile")
    name = "a" * 250
    began = time.process_time()

    for _ in range(20):
        assert patterns.match("/".join([name] * 15), name, folder=False) is None

    assert time.process_time() - began < 2.0


@pytest.mark.parametrize(
    ("pattern", "folder", "reaches"),
    [
        ("a/b/*.md", "a", True),
        ("a/b/*.md", "a/b", True),
        ("a/b/*.md", "a/c", False),
        ("a/b/*.md", "a/b/c", False),
        ("*.md", "x/y", True),
        ("a/**", "a/b/c", True),
        ("/a/**/c", "b", False),
        ("!a/b", "a", False),
    ],
)
def test_a_pattern_says_whether_it_could_match_below_a_folder(pattern: str, folder: str, *, reaches: bool) -> None:
    assert Patterns.parse([pattern], "include").reaches(folder) is reaches


def test_rules_keep_their_line_and_words() -> None:
    patterns = Patterns.parse(["# comment", "", "*.log  "], "here")

    rule = patterns.match("x/a.log", "a.log", folder=False)

    assert rule is not None
    assert (rule.line, rule.text) == (3, "*.log")
