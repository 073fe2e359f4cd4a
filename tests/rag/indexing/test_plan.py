"""What a run has to do: known files against what was found."""

from __future__ import annotations

import pytest

from rag.indexing.plan import IndexPlan, Look, differs
from rag.indexing.plan import plan as plan_of
from rag.scan.rules import Found, Left
from rag.store.rows import FileStat, KnownFile, StoredState


def found(path: str, *, size: int = 10, time: int = 1_000, inode: int = 1) -> Found:
    return Found(path, size, time, inode, device=7)


def known(
    path: str,
    *,
    size: int = 10,
    time: int = 1_000,
    inode: int = 1,
    state: StoredState = "indexed",
    reason: str = "",
) -> KnownFile:
    document = 5 if state == "indexed" else None
    return KnownFile(path, FileStat(size, time, inode, 7), state, reason, b"x" if document else None, document)


def plan(
    files: dict[str, KnownFile],
    seen: list[Found | Left],
    *,
    full: bool = False,
    stale: frozenset[str] = frozenset(),
    within: list[str] | None = None,
) -> IndexPlan:
    return plan_of([Look(1, files, seen, stale, within)], full=full)


def new(made: IndexPlan) -> list[str]:
    return [one.file.path for one in made.read if one.known is None]


def changed(made: IndexPlan) -> list[str]:
    return [one.file.path for one in made.read if one.known is not None]


def moved(made: IndexPlan) -> list[tuple[str, str]]:
    return [(move.path, move.file.path) for move in made.moved]


def vanished(made: IndexPlan) -> list[str]:
    return [path for _, path in made.vanished]


def left_out(made: IndexPlan) -> list[Left]:
    return [left for _, left in made.left_out]


def by_path(*files: KnownFile) -> dict[str, KnownFile]:
    return {file.path: file for file in files}


def test_an_unchanged_tree_gives_an_empty_plan() -> None:
    made = plan(by_path(known("a", inode=1), known("b", inode=2)), [found("a", inode=1), found("b", inode=2)])
    assert made.is_empty
    assert made.unchanged == 2


def test_new_changed_and_vanished_are_told_apart() -> None:
    made = plan(
        by_path(known("same", inode=1), known("grown", inode=2), known("gone", inode=3)),
        [found("same", inode=1), found("grown", inode=2, size=11), found("fresh", inode=4)],
    )
    assert new(made) == ["fresh"]
    assert changed(made) == ["grown"]
    assert vanished(made) == ["gone"]
    assert made.unchanged == 1


def test_a_renamed_file_and_a_moved_folder_are_not_read() -> None:
    made = plan(
        by_path(known("old/a", inode=1), known("old/b", inode=2), known("c.md", inode=3)),
        [found("new/a", inode=1), found("new/b", inode=2), found("d.md", inode=3)],
    )
    assert set(moved(made)) == {("old/a", "new/a"), ("old/b", "new/b"), ("c.md", "d.md")}
    assert not (made.read or made.vanished)


def test_a_moved_file_that_was_edited_is_read() -> None:
    made = plan(by_path(known("old", inode=1)), [found("new", inode=1, time=2_000)])
    assert new(made) == ["new"]
    assert vanished(made) == ["old"]


def test_a_copy_is_no_move() -> None:
    made = plan(by_path(known("a", inode=1)), [found("a", inode=1), found("copy", inode=2)])
    assert new(made) == ["copy"]
    assert not made.moved


def test_of_two_names_of_one_inode_only_one_takes_over_what_is_known() -> None:
    made = plan(by_path(known("old.md", inode=1)), [found("one.md", inode=1), found("two.md", inode=1)])
    assert moved(made) == [("old.md", "one.md")]
    assert new(made) == ["two.md"]


def test_names_that_were_swapped_are_read_again() -> None:
    made = plan(by_path(known("a", inode=1), known("b", inode=2)), [found("a", inode=2), found("b", inode=1)])
    assert set(changed(made)) == {"a", "b"}


@pytest.mark.parametrize(
    ("file", "again"),
    [
        (known("a"), False),
        (known("a", size=11), True),
        (known("a", time=999), True),
        (known("a", inode=2), True),  # replaced by another with the same time
        (known("a", inode=0), False),  # a file system without inodes
        (known("a", state="waiting"), True),
        (known("a", state="failed", reason="damaged"), False),
        (known("a", state="failed", reason="changing"), True),
        (known("a", state="failed", reason="unreadable"), True),
        (known("a", reason="unreadable"), True),  # its old passages were kept
        (known("a", state="skipped", reason="ignored", time=0, inode=0), True),  # a rule kept it out until now
        (known("a", state="skipped", reason="empty"), False),
    ],
)
def test_what_is_read_again(file: KnownFile, again: bool) -> None:
    assert differs(file, found("a")) is again


def test_full_reads_everything_and_takes_nothing_for_moved() -> None:
    made = plan(by_path(known("a", inode=1), known("old", inode=2)), [found("a"), found("new", inode=2)], full=True)
    assert [one.file.path for one in made.read] == ["a", "new"]
    assert vanished(made) == ["old"]


def test_what_other_readers_read_is_read_again_and_not_moved() -> None:
    made = plan(
        by_path(known("a", inode=1), known("old", inode=2)),
        [found("a"), found("new", inode=2)],
        stale=frozenset({"a", "old"}),
    )
    assert changed(made) == ["a"]
    assert new(made) == ["new"]


def test_a_rule_that_keeps_a_file_out_now_takes_it_out_once() -> None:
    left = Left("a", "ignored", ".gitignore")
    assert left_out(plan(by_path(known("a")), [left])) == [left]
    assert plan(by_path(known("a", state="skipped", reason="ignored")), [left]).is_empty
    assert left_out(plan({}, [left])) == [left]


def test_a_folder_that_is_left_out_takes_its_files_with_it() -> None:
    left = Left("build", "generated", folder=True)
    made = plan(by_path(known("build/a"), known("build/b", inode=2)), [left])
    assert left_out(made) == [left]
    assert set(vanished(made)) == {"build/a", "build/b"}


def test_a_look_at_some_paths_leaves_the_others_alone() -> None:
    files = by_path(known("a", inode=1), known("sub/b", inode=2), known("sub/c", inode=3), known("subway", inode=4))
    made = plan(files, [found("sub/b", inode=2)], within=["sub"])
    assert vanished(made) == ["sub/c"]
    made = plan(files, [Left("a", "vanished")], within=["a"])
    assert vanished(made) == ["a"]
    assert not made.left_out


def test_a_file_that_moves_to_another_root_of_the_collection_is_not_read() -> None:
    made = plan_of([Look(1, by_path(known("a")), []), Look(2, {}, [found("b/a")])])
    assert [(move.root_id, move.path, move.to_root_id, move.file.path) for move in made.moved] == [(1, "a", 2, "b/a")]
    assert not (made.read or made.vanished)


def test_another_suffix_may_mean_another_reader() -> None:
    made = plan(by_path(known("a.txt")), [found("a.md")])
    assert new(made) == ["a.md"]
    assert vanished(made) == ["a.txt"]
