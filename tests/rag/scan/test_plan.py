"""What a plan counts, and the sentences for what is left out."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from models.progress import Cancel
from rag.errors import RootNotFound
from rag.scan import FolderCount, ScanRules, plan, reason_sentence
from rag.types import SkipReason


def test_a_plan_counts_without_reading(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two / "node_modules"):
        folder.mkdir(parents=True)
    (one / "a.py").write_text("12345")
    (one / "b.PY").write_text("1")
    (one / ".env").write_text("SECRET=1")
    (two / "notes").write_text("123")

    counted = plan([one, two], ScanRules(), Cancel())

    assert (counted.files, counted.bytes, counted.complete) == (3, 9, True)
    assert counted.reasons == {"secret": 1, "generated": 1}
    assert counted.kinds == {".py": 2, "": 1}
    assert counted.folders == (FolderCount(one, 2, 6, 1), FolderCount(two, 1, 3, 1))
    assert [(path, left.path) for path, left in counted.examples] == [(one, ".env"), (two, "node_modules")]


def test_a_plan_that_takes_too_long_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("x")

    assert plan([tmp_path], ScanRules(), Cancel(), limit_s=-1.0).complete is False


def test_one_reason_does_not_crowd_out_the_others(tmp_path: Path) -> None:
    for number in range(100):
        (tmp_path / f"{number:03}.png").write_text("x")
    (tmp_path / "z.pem").write_text("x")

    counted = plan([tmp_path], ScanRules(), Cancel())

    assert counted.reasons == {"binary": 100, "secret": 1}
    assert "z.pem" in {left.path for _, left in counted.examples}


def test_a_plan_of_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RootNotFound):
        plan([tmp_path / "gone"], ScanRules(), Cancel())


@pytest.mark.parametrize("reason", get_args(SkipReason))
def test_each_reason_is_a_sentence(reason: SkipReason) -> None:
    alone, more = reason_sentence(reason), reason_sentence(reason, "as it says.")

    assert alone[0].isupper()
    assert alone.endswith(".")
    assert more == f"{alone[:-1]}: as it says."
