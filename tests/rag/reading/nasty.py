"""A folder of files that nobody should be able to break anything with, and good files between them."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rag.types import SkipReason
from tests.rag.reading import making

LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><lolz>&i;</lolz>"
)
EXTERNAL = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>'


@dataclass(frozen=True, slots=True)
class Nasty:
    """`bad` has the reason of each file that gives nothing, `good` a word of each that is read, by name in `root`.

    `outside` is a file that nothing in the folder may lead to.
    """

    root: Path
    bad: dict[str, SkipReason]
    good: dict[str, str]
    outside: Path

    @property
    def names(self) -> list[str]:
        return sorted((*self.bad, *self.good))


def make_nasty(folder: Path) -> Nasty:
    """Write everything below `folder`, about 70 MB with one sparse file of 8 GB more."""
    root, outside = folder / "nasty", folder / "outside.txt"
    root.mkdir()
    outside.write_text("the canary")
    good = _good(root)
    bad = {**_no_files(root, outside), **_sizes(root), **_binaries(root), **_archives(root), **_broken(root)}
    return Nasty(root, bad, good, outside)


def _good(root: Path) -> dict[str, str]:
    contents: dict[str, tuple[bytes, str]] = {
        "plain.md": (b"# Title\n\nplain words\n", "plain words"),
        "code.py": (b"def findme():\n    return 1\n", "findme"),
        "utf8-bom.txt": (b"\xef\xbb\xbfgr\xc3\xbcn", "grün"),
        "utf16.txt": ("gelb und größer".encode("utf-16"), "größer"),
        "utf16-without-mark.txt": ("violett, ohne Marke am Anfang".encode("utf-16-le"), "violett"),
        "cp1252.txt": ("“quoted” café costs 3 €".encode("cp1252"), "café"),
        "cyrillic.txt": (("Съешь ещё этих мягких французских булок. " * 20).encode("cp1251"), "мягких"),
        "shift-jis.txt": (("吾輩は猫である。名前はまだ無い。" * 20).encode("shift_jis"), "吾輩"),
        "latin-coded.py": ("# -*- coding: latin-1 -*-\nname = 'Größe'\n".encode("latin-1"), "Größe"),
        "broken-utf8.txt": ("schöne Grüße aus Köln, überall Übung ".encode() * 40 + b"\xff\xfe end", "Köln"),
        "nothing-fits.txt": (b"word \x81\x8d\x90 word " * 20, "word"),
        "surrogates.json": (b'{"a": "\\ud800 lone"}', "lone"),
        "deep-but-readable.json": (b"[" * 200 + b'"inside"' + b"]" * 200, "inside"),
        "entities.xml": (b'<!DOCTYPE a [<!ENTITY name "value">]><a>&name; harmless</a>', "harmless"),
        "long-line.txt": (b"word " * 2_000_000, "word"),
        "text.docx": (making.docx(), "Unpack"),
        "text.pdf": (making.pdf(["A page with words on it."]), "words on it"),
        "loop.pdf": (_looping_pdf(), "in a circle"),
        "cut-off-table.csv": (b'a,b\n"never closed,1\n2,3\n', "never closed"),
        "ünïcode näme \U0001f389.txt": (b"name is fine", "name is fine"),
    }
    for name, (data, _) in contents.items():
        (root / name).write_bytes(data)
    (root / "deep").mkdir()
    path = root / "deep"
    for _ in range(40):
        path = path / "deeper"
        path.mkdir()
    (path / "down.txt").write_text("far down")
    inside = {str((path / "down.txt").relative_to(root)): "far down"}
    (root / "link-inside.txt").symlink_to("plain.md")
    return {name: word for name, (_, word) in contents.items()} | inside | {"link-inside.txt": "plain words"}


def _no_files(root: Path, outside: Path) -> dict[str, SkipReason]:
    os.mkfifo(root / "fifo.txt")
    (root / "folder.txt").mkdir()
    (root / "loop.txt").symlink_to("loop.txt")
    (root / "link-outside.txt").symlink_to(outside)
    (root / "link-to-device.txt").symlink_to("/dev/zero")
    (root / "dangling.txt").symlink_to("nowhere")
    return {
        "fifo.txt": "not_a_file",
        "folder.txt": "not_a_file",
        "loop.txt": "not_a_file",
        "link-outside.txt": "link_outside",
        "link-to-device.txt": "link_outside",
        "dangling.txt": "vanished",
        "never-there.txt": "vanished",
    }


def _sizes(root: Path) -> dict[str, SkipReason]:
    (root / "empty.txt").touch()
    (root / "blank.md").write_text(" \n\t\n")
    with open(root / "sparse.txt", "wb") as file:
        file.truncate(8 * 1024**3)
    (root / "one-line-60-mb.json").write_bytes(b'{"a": "' + b"x" * 60_000_000 + b'"}')
    return {"empty.txt": "empty", "blank.md": "empty", "sparse.txt": "too_large", "one-line-60-mb.json": "too_large"}


def _binaries(root: Path) -> dict[str, SkipReason]:
    contents = {
        "program.txt": b"\x7fELF\x02\x01\x01" + bytes(range(256)) * 8,
        "picture.md": b"\x89PNG\r\n\x1a\n" + bytes(1000),
        "noise.py": bytes((n * 7919 + n // 13) % 256 for n in range(4096)),
        "zeros.txt": bytes(4096),
        "database.log": b"SQLite format 3\x00" + bytes(200),
    }
    for name, data in contents.items():
        (root / name).write_bytes(data)
    return dict.fromkeys(contents, "binary")


def _archives(root: Path) -> dict[str, SkipReason]:
    document = making.docx()
    zeros = bytes(60 * 1024 * 1024)
    contents: dict[str, tuple[bytes, SkipReason]] = {
        "bomb.docx": (making.zipped({"[Content_Types].xml": "<a/>", "word/document.xml": zeros}), "bomb"),
        "bomb.xlsx": (making.zipped({"xl/worksheets/sheet1.xml": zeros}), "bomb"),
        "bomb.zip": (making.zipped({"a.bin": zeros}), "bomb"),
        "liar.docx": (_lying(document), "damaged"),
        "laughs.docx": (making.zipped({"[Content_Types].xml": LAUGHS, "word/document.xml": LAUGHS}), "bomb"),
        "laughs.odt": (making.zipped({"content.xml": LAUGHS}), "bomb"),
        "laughs.epub": (making.zipped({"META-INF/container.xml": LAUGHS}), "bomb"),
        "encrypted.zip": (_encrypted(making.zipped({"a.txt": "secret"})), "encrypted"),
        "encrypted.docx": (_encrypted(document), "encrypted"),
        "locked.xlsx": (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512) + "EncryptedPackage".encode("utf-16-le") + bytes(512),
            "encrypted",
        ),
        "old.doc": (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2048), "unsupported"),
        "harmless.zip": (making.zipped({"a.txt": "hello"}), "unsupported"),
        "cut.docx": (document[: len(document) // 2], "damaged"),
        "nothing-in-it.docx": (making.zipped({"a.txt": "hello"}), "damaged"),
        "no-zip.docx": (b"just words", "damaged"),
        "garbage.pptx": (b"PK\x03\x04" + bytes(range(256)), "damaged"),
        "many.zip": (_many_entries(), "bomb"),
    }
    for name, (data, _) in contents.items():
        (root / name).write_bytes(data)
    return {name: reason for name, (_, reason) in contents.items()}


def _broken(root: Path) -> dict[str, SkipReason]:
    contents: dict[str, tuple[bytes, SkipReason]] = {
        "laughs.xml": (LAUGHS.encode(), "bomb"),
        "external.xml": (EXTERNAL.encode(), "bomb"),
        "nested.json": (b"[" * 200_000 + b"]" * 200_000, "too_deep"),
        "nested.ipynb": (b'{"cells":' * 50_000, "too_deep"),
        "broken.ipynb": (b'{"cells": [{"cell_type": "code", "source": [', "damaged"),
        "no-notebook.ipynb": (json.dumps({"a": 1}).encode(), "damaged"),
        "encrypted.pdf": (making.encrypted_pdf(), "encrypted"),
        "picture.pdf": (making.picture_pdf(), "no_text"),
        "no-pages.pdf": (making.pdf([]), "damaged"),
        "garbage.pdf": (b"%PDF-1.7\n" + bytes((n * 31) % 251 for n in range(20_000)), "damaged"),
        "no.pdf": (b"<html>not found</html>", "damaged"),
        "no-mail.eml": (b"just words\n", "damaged"),
        "parts.eml": (_many_parts(), "bomb"),
    }
    for name, (data, _) in contents.items():
        (root / name).write_bytes(data)
    return {name: reason for name, (_, reason) in contents.items()}


def _looping_pdf() -> bytes:
    """A PDF whose page tree and outline contain themselves."""
    made = making.pdf(["Round and round in a circle.", "Second"], outline=[("One", 0), ("Two", 1)])
    return made.replace(b"/Kids [4 0 R 6 0 R]", b"/Kids [4 0 R 2 0 R]").replace(b"/Next 10 0 R", b"/Next  9 0 R")


def _lying(archive: bytes) -> bytes:
    """The archive with the sizes of its entries understated in the directory."""
    changed = bytearray(archive)
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        at = opened.start_dir
    while (at := changed.find(b"PK\x01\x02", at)) >= 0:
        changed[at + 24 : at + 28] = struct.pack("<I", 5)
        at += 4
    return bytes(changed)


def _encrypted(archive: bytes) -> bytes:
    """The archive with every entry marked as encrypted."""
    changed = bytearray(archive)
    for mark, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = -1
        while (at := changed.find(mark, at + 1)) >= 0:
            changed[at + flags] |= 1
    return bytes(changed)


def _many_entries() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for number in range(21_000):
            archive.writestr(str(number), b"")
    return out.getvalue()


def _many_parts() -> bytes:
    part = b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n"
    return b"Subject: x\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n" + part * 1500 + b"--B--\r\n"
