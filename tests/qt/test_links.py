"""Links: what may be opened, and that there is one place that opens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, QUrl, Slot
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QLabel, QPushButton, QWidget
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from desktop.qt.links import LinkDialog, ask_to_open, judge_link, visible_link
from desktop.qt.theme import Theme

ROOT = Path(__file__).parents[2]

GOOD = [
    "https://example.com",
    "http://example.com:8080/path?q=1#part",
    "HTTPS://EXAMPLE.COM/",
    "https://example.com/a(b)_c",
    "https://xn--bcher-kva.example/",
    "http://127.0.0.1:5225/",
    "http://[::1]/",
    "https://example.com/%E2%80%AE",
    "mailto:someone@example.com",
    "mailto:someone@example.com?subject=hello",
]
BAD = [
    "",
    "example.com",
    "//example.com/",
    "/etc/passwd",
    "\\\\server\\share\\file",
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "smb://server/share",
    "javascript:alert(1)",
    "data:text/html,hi",
    "vbscript:x",
    "ms-msdt:/id",
    "ms-officecmd:x",
    "search-ms:query=x",
    "vscode://file/etc/passwd",
    "vscode-insiders://x",
    "jetbrains://x",
    "ftp://example.com/",
    "sftp://example.com/",
    "ssh://example.com/",
    "telnet://example.com/",
    "ldap://example.com/",
    "nfs://example.com/",
    "jar:file:///x!/y",
    "view-source:https://example.com",
    "about:blank",
    "chrome://settings",
    "tel:+123",
    "callto:x",
    "steam://run/1",
    "blob:https://example.com/x",
    "intent://x#Intent;end",
    "qrc:/x",
    "https:example.com",
    "https:/example.com",
    "https://",
    "https:///path",
    "https://user@example.com/",
    "https://bank.example:pw@evil.example/",
    "https://bank.example%40evil.example/",
    "https://b\u0430nk.example/",
    "https://example.com/\u202egpj.exe",
    "https://example.com/\u200b",
    "https://exam\nple.com/",
    "https://example.com/a b",
    "https://example.com\\@evil.example/",
    "https://example.com/\x00",
    " https://example.com/",
    "https://example.com:99999/",
    "https://[::1/",
    "mailto:",
    "mailto://someone@example.com",
    "mailto:a@b.example?attach=/etc/passwd",
    "mailto:a@b.example?Attachment=/etc/passwd",
    "https://example.com/" + "a" * 3000,
]


@pytest.mark.accept(21)
@pytest.mark.parametrize("url", GOOD)
def test_good_links_are_allowed_letter_for_letter(url: str) -> None:
    verdict = judge_link(url)
    assert verdict.allowed, verdict.reason
    assert verdict.url == url
    assert verdict.host


@pytest.mark.accept(21)
@pytest.mark.parametrize("url", BAD, ids=ascii)
def test_bad_links_are_refused_with_a_reason(url: str) -> None:
    verdict = judge_link(url)
    assert not verdict.allowed
    assert verdict.reason.endswith((".", ")."))


@pytest.mark.accept(21)
def test_only_one_place_opens_links() -> None:
    calls = [
        f"{path.relative_to(ROOT)}:{number}"
        for package in ("desktop", "engine", "models", "rag")
        for path in (ROOT / package).rglob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if ".openUrl(" in line or "webbrowser" in line or "setOpenExternalLinks(True" in line
    ]
    assert len(calls) == 1
    assert calls[0].startswith("desktop/qt/links.py:")


def test_what_cannot_be_seen_is_written_out() -> None:
    assert visible_link("https://a.example/\u202egpj") == "https://a.example/<U+202E>gpj"
    assert len(visible_link("x" * 5000)) == 2049


class Opened(QObject):
    """Stands where the browser would."""

    def __init__(self) -> None:
        super().__init__()
        self.urls: list[str] = []

    @Slot(QUrl)
    def take(self, url: QUrl) -> None:
        self.urls.append(url.toString(QUrl.ComponentFormattingOption.FullyEncoded))


@pytest.fixture
def browser() -> Iterator[Opened]:
    opened = Opened()
    QDesktopServices.setUrlHandler("https", opened, "take")  # type: ignore[arg-type]
    yield opened
    QDesktopServices.unsetUrlHandler("https")


def press(dialog: LinkDialog, name: str) -> None:
    next(button for button in dialog.findChildren(QPushButton) if button.accessibleName() == name).click()


def test_a_link_opens_only_after_its_full_address_was_shown(
    qtbot: QtBot, theme: Theme, window: QWidget, browser: Opened
) -> None:
    dialog = ask_to_open(theme, "https://example.com/path?q=1", window)
    shown = [label.text().replace("\u200b", "") for label in dialog.findChildren(QLabel)]
    assert "https://example.com/path?q=1" in shown
    assert browser.urls == []
    press(dialog, "Open in browser")
    qtbot.waitUntil(lambda: browser.urls == ["https://example.com/path?q=1"])


def test_cancel_opens_nothing(qtbot: QtBot, theme: Theme, window: QWidget, browser: Opened) -> None:
    dialog = ask_to_open(theme, "https://example.com/", window)
    press(dialog, "Cancel")
    qtbot.waitUntil(lambda: not isValid(dialog))
    assert browser.urls == []


def test_a_refused_link_has_no_button_to_open_it(qtbot: QtBot, theme: Theme, window: QWidget) -> None:
    dialog = ask_to_open(theme, "file:///etc/passwd", window)
    assert [button.accessibleName() for button in dialog.findChildren(QPushButton)] == ["Close"]
    press(dialog, "Close")
    qtbot.waitUntil(lambda: not isValid(dialog))
