"""The one gate between a link in a text and the programs of this computer.

Whatever a model or a document calls a link comes here, is judged, and is shown in full before anything opens. Nothing
else in the program calls QDesktopServices.openUrl.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from urllib.parse import urlsplit

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QDialog, QWidget

from desktop.qt.components.dialog import Dialog
from desktop.qt.components.label import Label
from desktop.qt.theme import Theme

SCHEMES = ("https", "http", "mailto")
MAX_LENGTH = 2048
_DELIMITERS = frozenset('\\<>"`{}|^')


@dataclass(frozen=True, slots=True)
class LinkVerdict:
    """Whether a link may be opened. `url` is what would be opened, letter for letter; `reason` says why not."""

    allowed: bool
    url: str
    reason: str = ""
    host: str = ""


def judge_link(url: str) -> LinkVerdict:
    """Judge a link: https, http and mailto with a real host or address, at most 2,048 characters.

    Refused are credentials before the host, control, bidirectional, invisible and delimiting characters (also hidden
    behind percent signs in the host), and host names of mixed or foreign scripts unless written as xn--.
    """
    reason = _characters(url)
    if reason:
        return LinkVerdict(False, url, reason)
    scheme, colon, rest = url.partition(":")
    if not colon or scheme.lower() not in SCHEMES:
        name = scheme if colon and scheme.isascii() and scheme.isalnum() else "such"
        return LinkVerdict(False, url, f"Only https, http and mailto links are opened, no {name} links.")
    return _judge_mail(url, rest) if scheme.lower() == "mailto" else _judge_web(url)


def _characters(url: str) -> str:
    if not url or len(url) > MAX_LENGTH:
        return "The link is empty." if not url else f"The link is longer than {MAX_LENGTH:,} characters."
    for char in url:
        if char.isspace() or unicodedata.category(char) in ("Cc", "Cf", "Co", "Cn", "Cs", "Zl", "Zp"):
            return f"The link holds an invisible character (U+{ord(char):04X}) that can hide where it leads."
        if char in _DELIMITERS:
            return f"The link holds a character that does not belong into a link ({char})."
    return ""


def _judge_mail(url: str, address: str) -> LinkVerdict:
    mailbox = address.partition("?")[0]
    if "attach" in address.lower():
        return LinkVerdict(False, url, "The link would attach a file of this computer to a mail.")
    if mailbox.startswith("/") or mailbox.count("@") != 1:
        return LinkVerdict(False, url, "The link holds no mail address.")
    return LinkVerdict(True, url, host=mailbox.partition("@")[2])


def _judge_web(url: str) -> LinkVerdict:
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname or "", parts.port
    except ValueError:
        return LinkVerdict(False, url, "The link's address cannot be read.")
    if "@" in parts.netloc:
        return LinkVerdict(False, url, "The link puts a name before its host, which hides where it leads.")
    if not url.partition(":")[2].startswith("//") or not host or "%" in host:
        return LinkVerdict(False, url, "The link names no host.")
    if not host.isascii():
        return LinkVerdict(False, url, "The host is written in letters that can pass for others.")
    if not QUrl(url, QUrl.ParsingMode.StrictMode).isValid():
        return LinkVerdict(False, url, "The link's address cannot be read.")
    return LinkVerdict(True, url, host=host)


class LinkDialog(Dialog):
    """Shows a link in full and opens it when told to; a refused one only with the reason."""

    def __init__(self, theme: Theme, url: str, parent: QWidget | None = None) -> None:
        self.verdict = judge_link(url)
        title = "Open this link?" if self.verdict.allowed else "This link is not opened"
        super().__init__(theme, title, self.verdict.reason, parent)
        shown = Label(theme, "\u200b".join(visible_link(url)), "code", mono=True, wrap=True)  # may break anywhere
        shown.setAccessibleName(f"Full address: {visible_link(url)}")
        self.content.addWidget(shown)
        self.add_cancel("Cancel" if self.verdict.allowed else "Close")
        if self.verdict.allowed:
            self.add_accept("Open in browser" if not url.lower().startswith("mailto:") else "Write mail")


def ask_to_open(theme: Theme, url: str, parent: QWidget) -> LinkDialog:
    """Show the gate for `url` over `parent`'s window and open the link when the user says so."""
    dialog = LinkDialog(theme, url, parent.window())
    dialog.finished.connect(lambda result: _decided(dialog, result))
    dialog.open()
    return dialog


def _decided(dialog: LinkDialog, result: int) -> None:
    if result == QDialog.DialogCode.Accepted and dialog.verdict.allowed:
        QDesktopServices.openUrl(QUrl(dialog.verdict.url, QUrl.ParsingMode.StrictMode))
    dialog.deleteLater()


def visible_link(url: str) -> str:
    """A link with what cannot be seen written out as <U+202E>; beyond the greatest length it is cut."""
    shown = (
        f"<U+{ord(char):04X}>" if char.isspace() or unicodedata.category(char)[0] == "C" else char
        for char in url[:MAX_LENGTH]
    )
    return "".join(shown) + ("…" if len(url) > MAX_LENGTH else "")
