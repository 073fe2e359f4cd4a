"""Changes to the engine's source: made once, wholly or not at all, and recorded."""

from __future__ import annotations

from pathlib import Path

from engine_mends import MENDS, Mend, apply_mends, mend_key

ONE = Mend("one", "a/b.cpp", ((r"old\(\)", "new()"), (r"wait (\d+)", r"until \1")))


def source(folder: Path, text: str) -> Path:
    (folder / "a").mkdir()
    path = folder / "a" / "b.cpp"
    path.write_text(text)
    return path


def test_a_mend_is_made_once(tmp_path: Path) -> None:
    path = source(tmp_path, "old();\nwait 5\n")
    assert apply_mends(tmp_path, (ONE,)) == {"one": "made"}
    assert path.read_text() == "// mended: one\nnew();\nuntil 5\n"
    assert apply_mends(tmp_path, (ONE,)) == {"one": "made"}
    assert path.read_text().count("new()") == 1


def test_a_mend_that_does_not_fit_exactly_once_changes_nothing(tmp_path: Path) -> None:
    text = "old(); old();\nwait 5\n"
    path = source(tmp_path, text)
    assert "reads otherwise" in apply_mends(tmp_path, (ONE,))["one"]
    assert path.read_text() == text


def test_half_a_mend_is_not_made(tmp_path: Path) -> None:
    path = source(tmp_path, "old();\n")
    assert "reads otherwise" in apply_mends(tmp_path, (ONE,))["one"]
    assert path.read_text() == "old();\n"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert apply_mends(tmp_path, (ONE,)) == {"one": "a/b.cpp is not there"}


def test_the_key_changes_with_the_mends() -> None:
    assert mend_key(MENDS) != mend_key((ONE,)) != mend_key(())
