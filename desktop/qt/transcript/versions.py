"""Which Qt may show the text of models. Pure."""

from __future__ import annotations

OLDEST_QT = (6, 8, 4)


def check_qt(version: str) -> str | None:
    """Why a Qt of this version ("6.11.3") is too old, None when it is not.

    Before 6.8.4 Qt's own Markdown reader could be made to write past its memory (CVE-2025-3512). It is not used here;
    the check keeps it out of reach all the same.
    """
    numbers = tuple(int(part) for part in version.split(".")[:3] if part.isdigit())
    if numbers >= OLDEST_QT:
        return None
    oldest = ".".join(map(str, OLDEST_QT))
    return f"Qt {version} is too old: at least {oldest} is needed. Install Jackdaw again."
