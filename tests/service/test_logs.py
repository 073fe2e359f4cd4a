"""The log: without keys, of bounded size, and never a reason to fail."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from desktop.service.logs import DroppingFileHandler, RedactingFormatter, close_log, open_log, redact

KEY = "jd-" + "Ab3_-xyz" * 5


@pytest.mark.parametrize(
    "text",
    [
        KEY,
        f"Authorization: Bearer {KEY}",
        "authorization: bearer some.other.token",
        "x-api-key: sk-or-v1-abcdef012345",
        "token=hf_abcdefghijkl",
        f"http://127.0.0.1:5225/{KEY}/v1/models",
    ],
)
def test_keys_are_not_written(text: str) -> None:
    redacted = redact(f"before {text} after")
    for secret in (KEY, "some.other.token", "abcdef012345", "abcdefghijkl"):
        assert secret not in redacted
    assert redacted.startswith("before ")
    assert redacted.endswith(" after")


def test_plain_words_stay() -> None:
    text = "jd-1 is no key, nor is task-force or desk-1234567890"
    assert redact(text) == text


def test_arguments_and_tracebacks_are_redacted_too(tmp_path: Path) -> None:
    handlers = open_log(tmp_path / "service.log")
    try:
        try:
            raise ValueError(KEY)
        except ValueError:
            logging.getLogger("x").exception("failed for %s", KEY)
    finally:
        close_log(handlers)
    written = (tmp_path / "service.log").read_text()
    assert "failed for jd-…" in written
    assert "ValueError: jd-…" in written
    assert KEY not in written


def test_a_full_disk_loses_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    handler = DroppingFileHandler(Path("/dev/full"))
    handler.setFormatter(RedactingFormatter("%(message)s"))
    handler.handle(logging.LogRecord("x", logging.INFO, "", 0, "lost", (), None))
    assert handler.dropped == 1
    handler.close()
    assert capsys.readouterr() == ("", "")


def test_the_file_is_turned_over_before_it_grows_too_large(tmp_path: Path) -> None:
    handlers = open_log(tmp_path / "service.log")
    try:
        for handler in handlers:
            assert isinstance(handler, DroppingFileHandler)
            handler.maxBytes = 2000
        for number in range(300):
            logging.getLogger("x").info("line %d with some more words to fill it", number)
    finally:
        close_log(handlers)
    files = sorted(tmp_path.iterdir())
    assert len(files) == 4
    assert all(file.stat().st_size <= 2000 for file in files)
