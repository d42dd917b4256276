"""Attached files of the benchmark's wiki, made from their number: kinds that every reader of attachments can read without a picture."""

from __future__ import annotations

import random
from functools import cache

from benchmarks.bodies import words
from tests.content.attachment_files import docx, xlsx

_OFFICE = "application/vnd.openxmlformats-officedocument"
KINDS = {
    "docx": f"{_OFFICE}.wordprocessingml.document",
    "xlsx": f"{_OFFICE}.spreadsheetml.sheet",
    "html": "text/html",
    "csv": "text/csv",
    "txt": "text/plain",
}
DISTINCT_FILES = 200
PARAGRAPHS = 60
"""So many paragraphs, or rows, has each file; that is some 6 KB of text."""


def file_name(number: int) -> str:
    """Return the name of a file, which says its kind."""
    return f"file-{number}.{tuple(KINDS)[number % len(KINDS)]}"


def media_type(number: int) -> str:
    """Return the media type of a file."""
    return tuple(KINDS.values())[number % len(KINDS)]


def fact(number: int) -> str:
    """Return what the text of a file says, and no other file's does, but where there are more files than different ones."""
    return f"fact-{number % DISTINCT_FILES:05}-of-file"


def file_bytes(number: int) -> bytes:
    """Return the bytes of a file."""
    return _made(number % DISTINCT_FILES)


@cache
def _made(number: int) -> bytes:
    chance = random.Random(f"file {number}")
    lines = [f"{words(chance, 8, 24)}." for _ in range(PARAGRAPHS)]
    lines[PARAGRAPHS // 2] += f" {fact(number)}"
    rows = [["subject", "what is said"], *([words(chance, 1, 2), line] for line in lines)]
    kind = tuple(KINDS)[number % len(KINDS)]
    if kind == "docx":
        return docx(paragraphs=lines)
    if kind == "xlsx":
        return xlsx(rows)
    if kind == "html":
        inside = "".join(f"<p>{line}</p>" for line in lines)
        return f"<!doctype html><html><head><title>File</title></head><body>{inside}</body></html>".encode()
    if kind == "csv":
        return "".join(f'{left},"{right}"\r\n' for left, right in rows).encode()
    return "\n\n".join(lines).encode()
