"""Files of the formats that are no text, made for the tests."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence


def pdf(pages: Sequence[str], *, title: str = "", outline: Sequence[tuple[str, int]] = ()) -> bytes:
    """A PDF with one line of text per line of each page; `outline` has titles with their page from 0."""
    first = 4 + 2 * len(pages)
    objects = [f"<< /Type /Catalog /Pages 2 0 R /Outlines {first} 0 R >>"]
    kids = " ".join(f"{4 + 2 * index} 0 R" for index in range(len(pages)))
    objects.append(f"<< /Type /Pages /Count {len(pages)} /Kids [{kids}] >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for index, text in enumerate(pages):
        shown = " T* ".join(f"({_escaped(line)}) Tj" for line in text.split("\n"))
        content = f"BT /F1 11 Tf 14 TL 50 780 Td {shown} ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 842]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * index} 0 R >>"
        )
        objects.append(f"<< /Length {len(content)} >>\nstream\n{content}\nendstream")
    last = first + len(outline)
    ends = f"/First {first + 1} 0 R /Last {last} 0 R /Count {len(outline)}" if outline else ""
    objects.append(f"<< /Type /Outlines {ends} >>")
    for index, (name, page) in enumerate(outline):
        after = f"/Next {first + index + 2} 0 R" if index + 1 < len(outline) else ""
        before = f"/Prev {first + index} 0 R" if index else ""
        dest = f"/Dest [{4 + 2 * page} 0 R /Fit]"
        objects.append(f"<< /Title ({_escaped(name)}) /Parent {first} 0 R {after} {before} {dest} >>")
    objects.append(f"<< /Title ({_escaped(title)}) >>")
    return _pdf(objects, f"/Info {len(objects)} 0 R")


def picture_pdf() -> bytes:
    """A PDF whose one page is a picture."""
    picture = bytes(range(64)) * 4
    return _pdf(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] /Contents 5 0 R"
            " /Resources << /XObject << /I 4 0 R >> >> >>",
            "<< /Type /XObject /Subtype /Image /Width 16 /Height 16 /ColorSpace /DeviceGray /BitsPerComponent 8"
            f" /Filter /ASCIIHexDecode /Length {2 * len(picture) + 1} >>\nstream\n{picture.hex()}>\nendstream",
            "<< /Length 30 >>\nstream\nq 100 0 0 100 0 0 cm /I Do Q   \nendstream",
        ],
        "",
    )


def encrypted_pdf() -> bytes:
    """A PDF that says it is encrypted with a password nobody knows."""
    made = pdf(["secret"])
    dictionary = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O (" + b"o" * 32 + b") /U (" + b"u" * 32 + b") /P -4 >>"
    return made.replace(b"trailer\n<<", b"trailer\n<< " + dictionary + b" /ID [(0123456789abcdef) (0123456789abcdef)]")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _pdf(objects: Sequence[str], trailer: str) -> bytes:
    out = bytearray(b"%PDF-1.4\n")
    places = []
    for number, text in enumerate(objects, 1):
        places.append(len(out))
        out += f"{number} 0 obj\n{text}\nendobj\n".encode("latin-1")
    table = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode()
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R {trailer} >>\nstartxref\n{table}\n%%EOF\n".encode()
    return bytes(out)


def zipped(entries: Mapping[str, bytes | str]) -> bytes:
    """A zip file with these entries, deflated."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return out.getvalue()


def docx() -> bytes:
    """A DOCX with a title, two headings, a list, a table and a paragraph."""
    from docx import Document

    document = Document()
    document.core_properties.title = "The handbook"
    document.add_heading("Install", 1)
    document.add_paragraph("Unpack the archive.")
    document.add_heading("From source", 2)
    document.add_paragraph("Needs a compiler.", style="List Bullet")
    document.add_paragraph("Needs patience.", style="List Bullet")
    table = document.add_table(rows=2, cols=2)
    for row, cells in zip(table.rows, (("Name", "Size"), ("alpha", "12")), strict=True):
        for cell, text in zip(row.cells, cells, strict=True):
            cell.text = text
    document.add_paragraph("The end.")
    return _saved(document)


def pptx() -> bytes:
    """A PPTX of two slides, the second with a table and notes."""
    from pptx import Presentation
    from pptx.util import Inches

    deck = Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Why"
    slide.placeholders[1].text = "First reason\nSecond reason"
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Figures"
    table = slide.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for row, cells in enumerate((("Year", "Sum"), ("2024", "17"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    slide.notes_slide.notes_text_frame.text = "Speak slowly."
    return _saved(deck)


def xlsx() -> bytes:
    """An XLSX of two sheets."""
    from openpyxl import Workbook

    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "Sales"
    for row in (("City", "Sum"), ("Bern", 12.5), (None, None), ("Oslo", 3)):
        sheet.append(row)
    book.create_sheet("Notes").append(["Only one cell"])
    return _saved(book)


def _saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined]
    return out.getvalue()


_ODF = (
    'xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"'
    ' xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    ' xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" xmlns:dc="http://purl.org/dc/elements/1.1/"'
)


def odt() -> bytes:
    """An ODT with a heading, a paragraph with an annotation in it, a list and a table."""
    body = (
        '<text:h text:outline-level="1">Install</text:h>'
        "<text:p>Unpack<text:s text:c='2'/>the <text:span>big</text:span> archive"
        "<office:annotation><text:p>why?</text:p></office:annotation>.</text:p>"
        "<text:list><text:list-item><text:p>One</text:p></text:list-item></text:list>"
        "<table:table><table:table-row><table:table-cell><text:p>a</text:p></table:table-cell>"
        "<table:table-cell><text:p>b</text:p></table:table-cell></table:table-row></table:table>"
    )
    body = f"<office:body><office:text>{body}</office:text></office:body>"
    content = f"<office:document-content {_ODF}>{body}</office:document-content>"
    meta = f"<office:document-meta {_ODF}><office:meta><dc:title>Guide</dc:title></office:meta></office:document-meta>"
    return zipped({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content, "meta.xml": meta})


def epub() -> bytes:
    """An EPUB of two chapters; the order of reading is not that of the manifest."""
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/">'
        "<metadata><dc:title>The book</dc:title></metadata><manifest>"
        '<item id="b" href="two.xhtml" media-type="application/xhtml+xml"/>'
        '<item id="a" href="one.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="a"/><itemref idref="b"/></spine></package>'
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/p.opf"/></rootfiles></container>'
    )
    page = '<?xml version="1.0"?><!DOCTYPE html><html><body><h1>{}</h1><p>{}</p></body></html>'
    return zipped(
        {
            "META-INF/container.xml": container,
            "OEBPS/p.opf": package,
            "OEBPS/one.xhtml": page.format("Chapter one", "It began."),
            "OEBPS/two.xhtml": page.format("Chapter two", "It ended."),
        }
    )
