"""The kinds of files that have text in them: by name and media type before a download, by their first bytes after it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

IMAGE: Final = "image"
# What each kind is called in a datasource's ``attachment_types``: its endings, and its media types (a trailing * stands for any).
KINDS: Final[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "pdf": (("pdf",), ("application/pdf", "application/x-pdf")),
    "word": (
        ("docx", "docm", "dotx", "dotm", "doc", "dot", "rtf"),
        (
            "application/vnd.openxmlformats-officedocument.wordprocessingml.*",
            "application/vnd.ms-word.*",
            "application/msword",
            "application/rtf",
            "text/rtf",
        ),
    ),
    "powerpoint": (
        ("pptx", "pptm", "ppsx", "potx", "potm", "ppt", "pps", "pot"),
        ("application/vnd.openxmlformats-officedocument.presentationml.*", "application/vnd.ms-powerpoint*"),
    ),
    "excel": (
        ("xlsx", "xlsm", "xltx", "xltm", "xlsb", "xls", "xlt"),
        ("application/vnd.openxmlformats-officedocument.spreadsheetml.*", "application/vnd.ms-excel*"),
    ),
    "opendocument": (("odt", "ods", "odp"), ("application/vnd.oasis.opendocument.*",)),
    "html": (("html", "htm", "xhtml"), ("text/html", "application/xhtml+xml")),
    "csv": (("csv", "tsv"), ("text/csv", "text/tab-separated-values")),
    "markdown": (("md", "markdown"), ("text/markdown", "text/x-markdown", "text/x-web-markdown")),
    "email": (("eml", "msg"), ("message/rfc822", "application/vnd.ms-outlook")),
    "text": (
        ("txt", "text", "log", "json", "yaml", "yml", "xml", "ini", "toml", "conf", "properties", "sql", "sh"),
        ("text/*", "application/json", "application/xml", "application/yaml", "application/x-yaml"),
    ),
    IMAGE: (("png", "jpg", "jpeg", "gif", "webp", "bmp", "tif", "tiff"), ("image/*",)),
}
ALL_KINDS: Final = tuple(KINDS)
# Read by ourselves, so that they need no library.
BUILT_IN: Final = ("text", "markdown")

_TOO_FEW: Final = 12  # letters outside ASCII; fewer do not tell one old encoding from another
_BY_ENDING: Final = {ending: kind for kind, (endings, _) in KINDS.items() for ending in endings}
_NOT_TEXT: Final = re.compile(r"\.(svg|drawio|mmd|key|pem|p12|pfx)$", re.I)
_ENDING: Final = re.compile(r"\.([A-Za-z0-9]{1,10})$")


def ending_of(filename: str) -> str:
    """Return a file name's ending in small letters, without the dot; ``""`` where it has none."""
    found = _ENDING.search(filename)
    return found[1].lower() if found else ""


def kind_of(filename: str, media_type: str | None) -> str | None:
    """Return the kind that a file says it is, or ``None`` for one that nothing can be read of. The name counts before the media type.

    A media type is often a guess of the browser that sent the file (``application/vnd.ms-excel`` for CSV), so it counts only where the
    name says nothing.
    """
    if _NOT_TEXT.search(filename):
        return None
    known = _BY_ENDING.get(ending_of(filename))
    if known is not None:
        return known
    declared = (media_type or "").partition(";")[0].strip().lower()
    if declared in ("", "application/octet-stream"):
        return None
    for kind, (_, media_types) in KINDS.items():
        if any(declared == m or (m.endswith("*") and declared.startswith(m[:-1])) for m in media_types):
            return None if declared == "image/svg+xml" else kind
    return None


# ------------------------------------------------------------------------------------------ by their bytes
_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"BM", "image/bmp"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)
_MARKUP: Final = re.compile(
    rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|table)\b", re.I | re.S
)
_PACKAGES: Final = (("word/", "word"), ("ppt/", "powerpoint"), ("xl/", "excel"))
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_OPEN: Final = {
    "word": f"{_OFFICE}.wordprocessingml.document",
    "powerpoint": f"{_OFFICE}.presentationml.presentation",
    "excel": f"{_OFFICE}.spreadsheetml.sheet",
}
_OLD: Final = {
    "word": "application/msword",
    "powerpoint": "application/vnd.ms-powerpoint",
    "excel": "application/vnd.ms-excel",
    "email": "application/vnd.ms-outlook",
}
# The streams of a compound file that tell the old formats apart, as their names stand in it.
_STREAMS: Final = (
    ("WordDocument", "word"),
    ("PowerPoint Document", "powerpoint"),
    ("Workbook", "excel"),
    ("Book", "excel"),
    ("__substg1.0_", "email"),
)
_TEXTS: Final = {
    "html": "text/html",
    "csv": "text/csv",
    "markdown": "text/markdown",
    "text": "text/plain",
    "email": "message/rfc822",
}


def looks_like_image(data: bytes) -> str | None:
    """Return the media type of a picture by its first bytes, ``None`` for anything else."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((media_type for magic, media_type in _IMAGES if data.startswith(magic)), None)


def recognise(data: bytes, declared: str, ending: str, package: Iterable[str] | None) -> tuple[str, str]:
    """Return the kind and media type of bytes; a kind that is none of ours is ``zip``, ``ole`` or ``binary``.

    :param declared: the kind that the name promised, which decides between texts.
    :param package: the names in the archive, where the bytes are one; the names of an OpenDocument file begin with its media type.
    """
    if package is not None:
        names = list(package)
        if names and names[0].startswith("application/vnd.oasis.opendocument."):
            return "opendocument", names[0]
        for prefix, kind in _PACKAGES:
            if any(name.startswith(prefix) for name in names):
                is_binary_workbook = kind == "excel" and any(name.endswith("workbook.bin") for name in names)
                return kind, "application/vnd.ms-excel.sheet.binary.macroEnabled.12" if is_binary_workbook else _OPEN[
                    kind
                ]
        return "zip", "application/zip"
    if b"%PDF-" in data[:1024]:
        return "pdf", "application/pdf"
    if data.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        kind = next(
            (k for name, k in _STREAMS if name.encode("utf-16-le") in data), declared if declared in _OLD else "ole"
        )
        return kind, _OLD.get(kind, "application/x-ole-storage")
    picture = looks_like_image(data)
    if picture is not None:
        return IMAGE, picture
    if data.startswith(b"{\\rtf"):
        return "word", "application/rtf"
    if _is_binary(data):
        return "binary", "application/octet-stream"
    if declared in _TEXTS:
        if declared == "csv" and ending == "tsv":
            return "csv", "text/tab-separated-values"
        return declared, _TEXTS[declared]
    # Wikis and reporting tools send HTML under the names of Word and Excel.
    kind = "html" if _MARKUP.match(data[:4096]) else "text"
    return kind, _TEXTS[kind]


def _is_binary(data: bytes) -> bool:
    head = data[:8192]
    if head.startswith((b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")) or _utf16(head):
        return False
    odd = sum(head.count(bytes((code,))) for code in range(32) if code not in (9, 10, 12, 13, 27))
    return odd > len(head) // 100


def _utf16(head: bytes) -> str | None:
    """Return the byte order of UTF-16 without a mark, by where its zeros stand; ``None`` for anything else."""
    if len(head) < 4:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = len(head) // 2
    if odd > half * 0.6 and even < half * 0.05:
        return "utf-16-le"
    if even > half * 0.6 and odd < half * 0.05:
        return "utf-16-be"
    return None


def decode(data: bytes) -> str:
    """Return bytes as text, by their mark, else as UTF-8, else as what they most likely are. Never raises."""
    for mark, encoding in ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return data[len(mark) :].decode(encoding, "replace")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.reason == "unexpected end of data" and not data[: error.start].isascii():  # cut within a character
            return data.decode("utf-8", "replace")
    wide = _utf16(data[:8192])
    if wide is not None:
        return data.decode(wide, "replace")
    if sum(byte > 127 for byte in data[:65536]) < _TOO_FEW:
        return data.decode("cp1252", "replace")
    try:
        from charset_normalizer import from_bytes  # comes with requests, though not with all of its versions to come

        best = from_bytes(data[:65536]).best()
        guess = best.encoding if best is not None else "cp1252"
    except ImportError:
        guess = "cp1252"
    return data.decode(guess, "replace")
