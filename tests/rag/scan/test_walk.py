"""Which files a walk finds, and why it leaves the others."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from models.errors import Cancelled
from models.progress import Cancel
from rag.errors import RootNotFound
from rag.scan import Found, Left, ScanRules, look, walk
from rag.types import SkipReason


def grow(root: Path, files: dict[str, str] | list[str]) -> Path:
    """Files with their content; those of a list hold some text."""
    for path, text in (files if isinstance(files, dict) else dict.fromkeys(files, "text\n")).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return root


def found(root: Path, rules: ScanRules = ScanRules()) -> list[str]:  # noqa: B008
    return [word.path for word in walk(root, rules, Cancel()) if isinstance(word, Found)]


def left(root: Path, rules: ScanRules = ScanRules()) -> dict[str, SkipReason]:  # noqa: B008
    return {word.path: word.reason for word in walk(root, rules, Cancel()) if isinstance(word, Left)}


def test_files_come_in_a_fixed_order_with_what_lstat_says(tmp_path: Path) -> None:
    grow(tmp_path, ["z.md", "b/c.md", "b/a.md", "a.md"])

    words = list(walk(tmp_path, ScanRules(), Cancel()))

    assert [word.path for word in words] == ["a.md", "z.md", "b/a.md", "b/c.md"]
    facts = (tmp_path / "a.md").lstat()
    assert words[0] == Found("a.md", facts.st_size, facts.st_mtime_ns, facts.st_ino, facts.st_dev)


REASONS: list[tuple[str, str, SkipReason]] = [
    (".env", "", "secret"),
    (".env.production", "", "secret"),
    ("deploy/id_rsa", "", "secret"),
    ("server.pem", "", "secret"),
    (".npmrc", "", "secret"),
    ("keys/vault.kdbx", "", "secret"),
    ("client_secret_12.json", "", "secret"),
    (".ssh/config", ".ssh", "secret"),
    ("node_modules/x/index.js", "node_modules", "generated"),
    (".venv/lib/a.py", ".venv", "generated"),
    ("lib/site-packages/a.py", "lib/site-packages", "generated"),
    ("src/__pycache__/a.txt", "src/__pycache__", "generated"),
    ("app.min.js", "", "generated"),
    ("app.js.map", "", "generated"),
    ("package-lock.json", "", "generated"),
    ("api.pb.go", "", "generated"),
    ("logo.png", "", "binary"),
    ("archive.tar.gz", "", "binary"),
    (".editorconfig", "", "ignored"),
    (".cargo/config", ".cargo", "ignored"),
    (".git/config", ".git", "ignored"),
]


@pytest.mark.parametrize(("path", "named", "reason"), REASONS)
def test_a_file_that_is_left_out_has_its_reason(tmp_path: Path, path: str, named: str, reason: SkipReason) -> None:
    grow(tmp_path, [path, "kept.md"])

    assert left(tmp_path) == {named or path: reason}
    assert found(tmp_path) == ["kept.md"]


@pytest.mark.parametrize("path", [".env.example", "a.key.md", "environment.py", "locks.py", "map.ts", "credentials.py"])
def test_names_that_only_look_alike_are_read(tmp_path: Path, path: str) -> None:
    grow(tmp_path, [path])

    assert found(tmp_path, ScanRules(hidden=True)) == [path]


@pytest.mark.parametrize(
    ("rules", "path"),
    [
        (ScanRules(secrets=True), ".env"),
        (ScanRules(secrets=True), ".ssh/config"),
        (ScanRules(generated=True), "node_modules/x/index.js"),
        (ScanRules(generated=True), "a.min.js"),
        (ScanRules(hidden=True), ".github/workflows/ci.yml"),
        (ScanRules(include=(".env",)), ".env"),
        (ScanRules(include=("node_modules/x/**",)), "node_modules/x/index.js"),
        (ScanRules(include=("*.min.js",)), "node_modules/x/a.min.js"),
        (ScanRules(include=("/build/",), exclude=("build",)), "build/.deep/a.txt"),
        (ScanRules(exclude=("*.md", "!kept.md")), "kept.md"),
    ],
)
def test_rules_let_in_what_is_left_out_otherwise(tmp_path: Path, rules: ScanRules, path: str) -> None:
    grow(tmp_path, [path])

    assert path in found(tmp_path, rules)


def test_an_include_reads_only_what_it_names_of_a_folder_that_is_left_out(tmp_path: Path) -> None:
    grow(tmp_path, ["node_modules/x/a.js", "node_modules/y/a.js", "node_modules/a.js"])

    rules = ScanRules(include=("node_modules/x/",))

    assert found(tmp_path, rules) == ["node_modules/x/a.js"]
    assert left(tmp_path, rules) == {"node_modules": "generated"}


@pytest.mark.parametrize(
    ("beside", "path", "read"),
    [
        ("package.json", "dist/app.js", False),
        ("pyproject.toml", "build/lib.txt", False),
        ("Cargo.toml", "target/debug/a.d", False),
        ("notes.md", "build/plan.md", True),
        ("pyproject.toml", "build/__init__.py", True),
        ("pyproject.toml", "src/build/a.txt", True),
        ("go.mod", "vendor/x/a.go", False),
        ("notes.md", "vendor/prices.csv", True),
        ("app.csproj", "obj/a.cs", False),
    ],
)
def test_build_folders_count_where_a_project_begins(tmp_path: Path, beside: str, path: str, *, read: bool) -> None:
    grow(tmp_path, [beside, path])

    assert (path in found(tmp_path)) is read


@pytest.mark.parametrize("name", [".venv", "node_modules", "build", "site-packages"])
def test_a_folder_that_was_added_itself_is_read(tmp_path: Path, name: str) -> None:
    grow(tmp_path, {".gitignore": f"{name}/\n", f"{name}/pkg/node_modules/a.py": "x", f"{name}/a.py": "x"})
    (tmp_path / ".git").mkdir()

    assert found(tmp_path / name) == ["a.py", "pkg/node_modules/a.py"]


def test_sizes_decide_last(tmp_path: Path) -> None:
    grow(tmp_path, {"empty.md": "", "large.md": "x" * 11, "fits.md": "x" * 10})

    rules = ScanRules(max_file_bytes=10, include=("large.md",))

    assert found(tmp_path, rules) == ["fits.md"]
    assert left(tmp_path, rules) == {"empty.md": "empty", "large.md": "too_large"}


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")

    assert left(tmp_path) == {"pipe.txt": "not_a_file"}


def test_our_own_folder_is_read_by_no_way_that_leads_to_it(tmp_path: Path) -> None:
    grow(tmp_path, ["a.md", ".share/jackdaw/settings.toml", ".share/b.md"])
    own = tmp_path / ".share" / "jackdaw"
    (tmp_path / "link").symlink_to(".share")
    (tmp_path / "straight").symlink_to(".share/jackdaw")
    rules = ScanRules(include=("**/jackdaw/", "*.toml"), hidden=True, never=(own,))

    assert sorted(found(tmp_path, rules)) == [".share/b.md", "a.md"]
    assert found(tmp_path, ScanRules(never=(own,))) == ["a.md", "link/b.md"]
    assert left(tmp_path, rules)[".share/jackdaw"] == "ignored"
    assert [type(word) for word in look(tmp_path, [".share/jackdaw/settings.toml"], rules)] == [Left]


def test_a_name_that_is_no_text_is_said_in_print(tmp_path: Path) -> None:
    (Path(os.fsdecode(bytes(tmp_path) + b"/a\xff.md"))).write_text("x")

    assert left(tmp_path) == {"a\\xff.md": "unsupported"}


def test_folders_nested_without_end_are_given_up(tmp_path: Path) -> None:
    grow(tmp_path, ["/".join(["d"] * 70) + "/a.md", "a.md"])

    assert found(tmp_path) == ["a.md"]
    assert set(left(tmp_path).values()) == {"too_deep"}


# Links


def test_links_stay_inside_and_nothing_is_read_twice(tmp_path: Path) -> None:
    root = grow(tmp_path / "root", ["docs/a.md", "skipped/b.md"])
    grow(tmp_path, ["outside.md", "far/c.md"])
    (root / ".ignore").write_text("skipped\n")
    for name, target in {
        "again.md": "docs/a.md",
        "self": ".",
        "out.md": "../outside.md",
        "far": "../far",
        "b.md": "skipped/b.md",
        "broken.md": "nowhere",
        "circle": "circle",
        "docs/up": "..",
    }.items():
        (root / name).symlink_to(target)

    assert found(root) == ["docs/a.md", "b.md"]
    assert left(root) == {
        ".ignore": "ignored",
        "again.md": "ignored",
        "self": "ignored",
        "docs/up": "ignored",
        "skipped": "ignored",
        "out.md": "link_outside",
        "far": "link_outside",
        "broken.md": "vanished",
        "circle": "vanished",
    }


def test_a_linked_folder_is_read_once_under_the_links_name(tmp_path: Path) -> None:
    grow(tmp_path, {".hidden/x/a.md": "x", ".hidden/.git/b.md": "x"})
    (tmp_path / "one").symlink_to(".hidden/x")
    (tmp_path / "two").symlink_to(".hidden/x")
    (tmp_path / "git").symlink_to(".hidden/.git")

    assert found(tmp_path) == ["one/a.md"]
    assert left(tmp_path)["two"] == "ignored"
    assert left(tmp_path)["git"] == "ignored"


def test_a_link_does_not_lead_to_a_secret(tmp_path: Path) -> None:
    grow(tmp_path, [".env", ".ssh/config"])
    (tmp_path / "notes.txt").symlink_to(".env")
    (tmp_path / "settings.txt").symlink_to(".ssh/config")
    (tmp_path / "keys").symlink_to(".ssh")

    assert found(tmp_path) == []
    assert left(tmp_path)["notes.txt"] == left(tmp_path)["settings.txt"] == left(tmp_path)["keys"] == "secret"


# Ignore files


TREE = {
    ".gitignore": "*.log\n/top.md\nsub/*.txt\n!sub/keep.txt\nout/\n",
    "a.log": "x",
    "top.md": "x",
    "sub/top.md": "x",
    "sub/a.txt": "x",
    "sub/keep.txt": "x",
    "sub/.gitignore": "!a.log\n*.md\n!deep/*.md\n",
    "sub/a.log": "x",
    "sub/deep/a.log": "x",
    "sub/deep/a.md": "x",
    "sub/deep/.gitignore": "\ufeff# first\r\na.md\r\n",
    "sub/out/.gitignore": "!*\n",
    "sub/out/a.py": "x",
    "other/out": "a file, no folder",
}


@pytest.mark.skipif(shutil.which("git") is None, reason="git is what is compared with")
def test_nested_ignore_files_leave_what_git_leaves(tmp_path: Path) -> None:
    grow(tmp_path, TREE)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".git/info/exclude").write_text("*.tmp\n!*.md\n")
    grow(tmp_path, ["x.tmp"])
    listing = ["git", "-C", str(tmp_path), "-c", "core.excludesFile=", "ls-files", "-zco", "--exclude-standard"]
    expected = subprocess.run(listing, capture_output=True, text=True, check=True).stdout.split("\0")[:-1]

    assert sorted(found(tmp_path, ScanRules(hidden=True))) == sorted(expected)


def test_rules_of_the_repository_above_hold_in_a_folder_of_it(tmp_path: Path) -> None:
    grow(tmp_path, {".gitignore": "*.gen\n/src/skip/\n", "src/a.gen": "x", "src/skip/b.md": "x", "src/c.md": "x"})
    grow(tmp_path, [".git/info/exclude"])
    (tmp_path / ".git/info/exclude").write_text("src/d.md\n")
    grow(tmp_path, ["src/d.md"])

    assert found(tmp_path / "src") == ["c.md"]


def test_stronger_ignore_files_win_wherever_they_stand(tmp_path: Path) -> None:
    grow(tmp_path, {".jackdawignore": "!a.log\n!b.log\n", "sub/.ignore": "b.log\n", "sub/.gitignore": "*.log\n"})
    grow(tmp_path, ["sub/a.log", "sub/b.log", "sub/c.log"])

    assert found(tmp_path) == ["sub/a.log", "sub/b.log"]
    assert len(found(tmp_path, ScanRules(ignore_files=False))) == 3


def test_ignore_files_for_searching_ask_for_what_is_left_out_otherwise(tmp_path: Path) -> None:
    files = [".github/ci.yml", "node_modules/a.js", "src/.env", "src/a.min.js", ".vscode/a.json"]
    grow(tmp_path, files)
    grow(tmp_path, {".jackdawignore": "!.github/\n!node_modules/\n!*.min.js\n!.env\n", ".gitignore": "!.vscode/\n"})

    assert found(tmp_path) == [".github/ci.yml", "node_modules/a.js", "src/a.min.js"]


def test_an_ignore_file_that_is_a_link_or_a_pipe_counts_for_nothing(tmp_path: Path) -> None:
    grow(tmp_path, {"rules.txt": "*.md\n", "a.md": "x"})
    (tmp_path / ".gitignore").symlink_to("rules.txt")
    os.mkfifo(tmp_path / ".ignore")

    assert "a.md" in found(tmp_path)


def test_the_rule_and_its_place_are_told(tmp_path: Path) -> None:
    grow(tmp_path, {"sub/.gitignore": "\n*.log\n", "sub/a.log": "x"})

    word = next(word for word in walk(tmp_path, ScanRules(), Cancel()) if word.path == "sub/a.log")

    assert isinstance(word, Left)
    assert word.detail == "*.log in sub/.gitignore, line 2"


# Roots


def test_a_root_that_is_a_file_is_itself(tmp_path: Path) -> None:
    grow(tmp_path, {".gitignore": "*.log\n", "a.log": "x", ".env": "x"})

    assert found(tmp_path / "a.log") == ["a.log"]
    assert left(tmp_path / ".env") == {".env": "secret"}
    assert found(tmp_path / ".env", ScanRules(include=(".env",))) == [".env"]


def test_a_root_that_is_gone_is_said_in_words(tmp_path: Path) -> None:
    with pytest.raises(RootNotFound, match="is not there"):
        found(tmp_path / "gone")


def test_a_walk_stops_when_asked(tmp_path: Path) -> None:
    grow(tmp_path, ["a/x.md", "b/x.md"])
    cancel = Cancel()
    words = walk(tmp_path, ScanRules(), cancel)
    next(words)
    cancel.set()

    with pytest.raises(Cancelled):
        list(words)


# Single paths


def test_looking_at_paths_says_what_a_walk_says(tmp_path: Path) -> None:
    grow(tmp_path, TREE)
    grow(tmp_path, ["package.json", "dist/a.js", "node_modules/x.js", ".env"])
    words = list(walk(tmp_path, ScanRules(), Cancel()))

    for word in words:
        assert list(look(tmp_path, [word.path], ScanRules())) == [word]


def test_looking_into_folders_gives_what_is_below(tmp_path: Path) -> None:
    grow(tmp_path, ["sub/a.md", "sub/deep/b.md", "node_modules/x/y.js", "c.md"])

    words = list(
        look(tmp_path, ["sub", "sub/a.md", "node_modules/x/y.js", "node_modules/z.js", "gone.md"], ScanRules())
    )

    assert [(word.path, getattr(word, "reason", "")) for word in words] == [
        ("sub/a.md", ""),
        ("sub/deep/b.md", ""),
        ("node_modules", "generated"),
        ("gone.md", "vanished"),
    ]


def test_looking_at_the_root_is_a_walk_and_above_it_there_is_nothing(tmp_path: Path) -> None:
    grow(tmp_path, ["root/a.md", "root/b/c.md", "outside.md"])

    assert [word.path for word in look(tmp_path / "root", ["."], ScanRules())] == ["a.md", "b/c.md"]
    assert list(look(tmp_path / "root", ["../outside.md", "b/../../outside.md"], ScanRules())) == []


def test_looking_never_follows_a_link_out(tmp_path: Path) -> None:
    root = grow(tmp_path / "root", ["a.md"])
    grow(tmp_path, ["far/c.md"])
    (root / "far").symlink_to("../far")

    words = list(look(root, ["far/c.md", "far"], ScanRules()))

    assert [(word.path, getattr(word, "reason", "")) for word in words] == [("far", "link_outside")]


@pytest.mark.slow
def test_twenty_thousand_files_are_walked_in_no_time(tmp_path: Path) -> None:
    for folder in range(200):
        (tmp_path / f"d{folder}").mkdir()
        for file in range(100):
            (tmp_path / f"d{folder}/f{file}.py").write_text("x")
    (tmp_path / ".gitignore").write_text("".join(f"pattern{number}*.x\n" for number in range(100)))
    began = time.process_time()

    assert len(found(tmp_path)) == 20_000
    assert time.process_time() - began < 1.5
