"""Small real files of each format, written by hand, so that each byte of them is ours."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from xml.sax.saxutils import escape

XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
A = "http://schemas.openxmlformats.org/drawingml/2006/main"
P = "http://schemas.openxmlformats.org/presentationml/2006/main"
S = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
R = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
O = "urn:oasis:names:tc:opendocument:xmlns:"  # noqa: E741
OFFICE = "application/vnd.openxmlformats-officedocument"


def zipped(parts: Mapping[str, bytes | str], *, level: int = 6) -> bytes:
    """A zip archive of these parts, in this order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in parts.items():
            archive.writestr(
                zipfile.ZipInfo(name), data, zipfile.ZIP_DEFLATED, level
            )  # of 1980, so the same bytes each time
    return buffer.getvalue()


def _relations(targets: Mapping[str, tuple[str, str]]) -> str:
    rows = "".join(
        f'<Relationship Id="{key}" Type="{R}/{kind}" Target="{target}"/>' for key, (kind, target) in targets.items()
    )
    return f'{XML}<Relationships xmlns="{RELATIONS}">{rows}</Relationships>'


def _types(overrides: Mapping[str, str]) -> str:
    rows = "".join(f'<Override PartName="{part}" ContentType="{kind}"/>' for part, kind in overrides.items())
    return (
        f'{XML}<Types xmlns="{TYPES}"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Default Extension="xml" ContentType="application/xml"/>{rows}</Types>'
    )


# ---------------------------------------------------------------- PDF
def pdf_of(objects: Mapping[int, bytes], *, trailer: bytes = b"") -> bytes:
    """A PDF of these objects, with a right table of them; object 1 is its root."""
    out = b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    offsets = {}
    for number, body in objects.items():
        offsets[number] = len(out)
        out += b"%d 0 obj\n" % number + body + b"\nendobj\n"
    start, most = len(out), max(objects) + 1
    table = b"".join(
        b"%010d 00000 n \n" % offsets[n] if n in offsets else b"0000000000 65535 f \n" for n in range(1, most)
    )
    out += b"xref\n0 %d\n0000000000 65535 f \n" % most + table
    return out + b"trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n" % (most, trailer, start)


def stream(data: bytes, extra: bytes = b"") -> bytes:
    """A PDF stream."""
    return b"<< /Length %d %s >>\nstream\n" % (len(data), extra) + data + b"\nendstream"


def pdf(pages: Sequence[Sequence[str]], *, extra: Mapping[int, bytes] | None = None, root: bytes = b"") -> bytes:
    """A PDF with these lines on its pages, the first line of a page larger, as a heading is."""
    objects: dict[int, bytes] = {
        1: b"<< /Type /Catalog /Pages 2 0 R %s >>" % root,
        3: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    }
    kids = []
    for number, lines in enumerate(pages):
        page, content = 100 + 2 * number, 101 + 2 * number
        kids.append(b"%d 0 R" % page)
        text = b"BT /F1 24 Tf 72 760 Td 28 TL "
        for place, line in enumerate(lines):
            shown = line.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
            text += (b"/F1 12 Tf 16 TL " if place == 1 else b"") + b"(%s) Tj T* " % shown
        objects[page] = (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>"
            % content
        )
        objects[content] = stream(zlib.compress(text + b"ET"), b"/Filter /FlateDecode")
    objects[2] = b"<< /Type /Pages /Count %d /Kids [%s] >>" % (len(kids), b" ".join(kids))
    return pdf_of({**objects, **(extra or {})})


# ---------------------------------------------------------------- Word, PowerPoint, Excel
def docx(
    body: str | None = None, *, paragraphs: Sequence[str] = (), parts: Mapping[str, bytes | str] | None = None
) -> bytes:
    """A Word document: a heading, paragraphs, and a table, unless the body's XML is given."""
    if body is None:
        cells = "".join(
            "<w:tr>" + "".join(f"<w:tc><w:p><w:r><w:t>{escape(c)}</w:t></w:r></w:p></w:tc>" for c in row) + "</w:tr>"
            for row in (("Port", "Service"), ("5432", "Database"))
        )
        body = (
            '<w:p><w:pPr><w:pStyle w:val="Heading1"/></w:pPr><w:r><w:t>Evacuation plan</w:t></w:r></w:p>'
            + "".join(f"<w:p><w:r><w:t xml:space='preserve'>{escape(text)}</w:t></w:r></w:p>" for text in paragraphs)
            + f"<w:tbl>{cells}</w:tbl>"
        )
    document = f'{XML}<w:document xmlns:w="{W}" xmlns:r="{R}"><w:body>{body}<w:sectPr/></w:body></w:document>'
    styles = (
        f'{XML}<w:styles xmlns:w="{W}"><w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/>'
        '<w:pPr><w:outlineLvl w:val="0"/></w:pPr></w:style></w:styles>'
    )
    return zipped(
        {
            "[Content_Types].xml": _types(
                {
                    "/word/document.xml": f"{OFFICE}.wordprocessingml.document.main+xml",
                    "/word/styles.xml": f"{OFFICE}.wordprocessingml.styles+xml",
                }
            ),
            "_rels/.rels": _relations({"rId1": ("officeDocument", "word/document.xml")}),
            "word/document.xml": document,
            "word/styles.xml": styles,
            "word/_rels/document.xml.rels": _relations({"rId1": ("styles", "styles.xml")}),
            **(parts or {}),
        }
    )


def pptx(slides: Sequence[tuple[str, str, str]]) -> bytes:
    """A presentation: title, text and speaker's notes of each slide."""

    def shape(number: int, kind: str, text: str) -> str:
        return (
            f'<p:sp><p:nvSpPr><p:cNvPr id="{number}" name="{kind}"/><p:cNvSpPr/><p:nvPr><p:ph type="{kind}"/></p:nvPr></p:nvSpPr>'
            f"<p:spPr/><p:txBody><a:bodyPr/><a:p><a:r><a:t>{escape(text)}</a:t></a:r></a:p></p:txBody></p:sp>"
        )

    def tree(root: str, shapes: str) -> str:
        head = '<p:nvGrpSpPr><p:cNvPr id="1" name=""/><p:cNvGrpSpPr/><p:nvPr/></p:nvGrpSpPr><p:grpSpPr/>'
        return f'{XML}<p:{root} xmlns:p="{P}" xmlns:a="{A}" xmlns:r="{R}"><p:cSld><p:spTree>{head}{shapes}</p:spTree></p:cSld></p:{root}>'

    kinds = {"/ppt/presentation.xml": f"{OFFICE}.presentationml.presentation.main+xml"}
    parts: dict[str, str] = {}
    ids, targets = "", {}
    for number, (title, text, notes) in enumerate(slides, 1):
        parts[f"ppt/slides/slide{number}.xml"] = tree("sld", shape(2, "title", title) + shape(3, "body", text))
        parts[f"ppt/slides/_rels/slide{number}.xml.rels"] = _relations(
            {"rId1": ("notesSlide", f"../notesSlides/notesSlide{number}.xml")}
        )
        parts[f"ppt/notesSlides/notesSlide{number}.xml"] = tree("notes", shape(2, "body", notes))
        kinds[f"/ppt/slides/slide{number}.xml"] = f"{OFFICE}.presentationml.slide+xml"
        kinds[f"/ppt/notesSlides/notesSlide{number}.xml"] = f"{OFFICE}.presentationml.notesSlide+xml"
        ids += f'<p:sldId id="{255 + number}" r:id="rId{number}"/>'
        targets[f"rId{number}"] = ("slide", f"slides/slide{number}.xml")
    return zipped(
        {
            "[Content_Types].xml": _types(kinds),
            "_rels/.rels": _relations({"rId1": ("officeDocument", "ppt/presentation.xml")}),
            "ppt/presentation.xml": (
                f'{XML}<p:presentation xmlns:p="{P}" xmlns:r="{R}"><p:sldIdLst>{ids}</p:sldIdLst></p:presentation>'
            ),
            "ppt/_rels/presentation.xml.rels": _relations(targets),
            **parts,
        }
    )


def xlsx(rows: Sequence[Sequence[str | int]], *, sheet: str = "Lockers", data: str | None = None) -> bytes:
    """A workbook of one sheet, with its texts inline."""

    def cell(value: str | int) -> str:
        if isinstance(value, int):
            return f"<c><v>{value}</v></c>"
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'

    if data is None:
        data = "".join(
            f'<row r="{number}">{"".join(cell(value) for value in row)}</row>' for number, row in enumerate(rows, 1)
        )
    return zipped(
        {
            "[Content_Types].xml": _types(
                {
                    "/xl/workbook.xml": f"{OFFICE}.spreadsheetml.sheet.main+xml",
                    "/xl/worksheets/sheet1.xml": f"{OFFICE}.spreadsheetml.worksheet+xml",
                }
            ),
            "_rels/.rels": _relations({"rId1": ("officeDocument", "xl/workbook.xml")}),
            "xl/workbook.xml": (
                f'{XML}<workbook xmlns="{S}" xmlns:r="{R}"><sheets>'
                f'<sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/></sheets></workbook>'
            ),
            "xl/_rels/workbook.xml.rels": _relations({"rId1": ("worksheet", "worksheets/sheet1.xml")}),
            "xl/worksheets/sheet1.xml": f'{XML}<worksheet xmlns="{S}"><sheetData>{data}</sheetData></worksheet>',
        }
    )


# ---------------------------------------------------------------- OpenDocument
def open_document(kind: str, body: str, *, prolog: str = "") -> bytes:
    """An OpenDocument file; kind is text, spreadsheet or presentation."""
    spaces = " ".join(
        f'xmlns:{prefix}="{O}{name}:1.0"'
        for prefix, name in (
            ("office", "office"),
            ("text", "text"),
            ("table", "table"),
            ("draw", "drawing"),
            ("presentation", "presentation"),
        )
    )
    content = (
        f'<?xml version="1.0" encoding="UTF-8"?>{prolog}<office:document-content {spaces} office:version="1.3">'
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    manifest = (
        f'<?xml version="1.0"?><manifest:manifest xmlns:manifest="{O}manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="application/vnd.oasis.opendocument.{kind}"/>'
        '<manifest:file-entry manifest:full-path="content.xml" manifest:media-type="text/xml"/></manifest:manifest>'
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("mimetype"), f"application/vnd.oasis.opendocument.{kind}", zipfile.ZIP_STORED)
        archive.writestr("content.xml", content)
        archive.writestr("META-INF/manifest.xml", manifest)
    return buffer.getvalue()


def odt() -> bytes:
    return open_document(
        "text",
        '<text:h text:outline-level="1">Handover</text:h><text:p>The pump is serviced in May.</text:p>'
        "<table:table><table:table-row><table:table-cell><text:p>Valve</text:p></table:table-cell>"
        "<table:table-cell><text:p>Closed</text:p></table:table-cell></table:table-row></table:table>",
    )


def ods() -> bytes:
    def row(*cells: str) -> str:
        found = "".join(
            f'<table:table-cell office:value-type="string"><text:p>{c}</text:p></table:table-cell>' for c in cells
        )
        return f"<table:table-row>{found}</table:table-row>"

    return open_document(
        "spreadsheet",
        f'<table:table table:name="Tariffs">{row("Zone", "Price")}{row("Harbour", "12 crowns")}</table:table>',
    )


def odp() -> bytes:
    return open_document(
        "presentation",
        '<draw:page draw:name="one"><draw:frame presentation:class="title"><draw:text-box><text:p>Quarterly review</text:p>'
        "</draw:text-box></draw:frame><draw:frame><draw:text-box><text:p>Revenue grew by nine percent</text:p></draw:text-box>"
        "</draw:frame></draw:page>",
    )


# ---------------------------------------------------------------- the others
def email() -> bytes:
    message = EmailMessage()
    message["From"] = "Ida Holm <ida@example.com>"
    message["To"] = "Harbour desk <desk@example.com>"
    message["Subject"] = "Crane inspection moved"
    message["Date"] = "Tue, 03 Mar 2026 10:15:00 +0100"
    message.set_content("The inspection of crane 7 moves to Thursday, says Zoë.\n")
    message.add_alternative("<p>The inspection of <b>crane 7</b> moves to Thursday, says Zo&euml;.</p>", subtype="html")
    return message.as_bytes()


RTF = rb"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Arial;}}\f0\fs24 Anchor watch begins at \b nine\b0 .\par Second line with caf\'e9.\par}"
HTML = (
    "<!doctype html><html><head><title>Release notes</title><style>p{color:red}</style><script>alert('x')</script></head>"
    "<body><h1>Release notes</h1><p>Build <b>4711</b> ships on Friday, na&iuml;vely.</p><ul><li>first item</li></ul>"
    "<table><tr><th>Name</th><th>Role</th></tr><tr><td>Ann</td><td>Pilot</td></tr></table></body></html>"
)
CSV = 'Site,Lockers\nHarbour,120\n"North, old town",45\n'
