"""Bytes of a file to text, in the child process: the only place that gives a file to a library."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from typing import Any

from airflow_provider_confluence.content.attachments.kinds import BUILT_IN, IMAGE, KINDS, decode, recognise

Result = dict[str, Any]

# The library's own limits, below those of the process; a file beyond them is refused at once instead of being worked on in vain.
_UNPACKED_BYTES = 500 * 1024 * 1024
_CONTENT_BYTES = 100 * 1024 * 1024
_TABLE_CELLS = 2_000_000
_PAGES = 20_000
_LANGUAGE_LETTERS = 200  # fewer do not tell a language with certainty
_WORD = re.compile(r"\S+")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

# ISO 639-3, which the library speaks, to the two letters that BCP 47 asks for where there are some.
_LANGUAGES_SAID = """
afr=af amh=am arb=ar ara=ar aze=az bel=be ben=bn bul=bg cat=ca ces=cs cmn=zh dan=da deu=de ell=el
eng=en epo=eo est=et eus=eu fas=fa pes=fa fin=fi fra=fr gle=ga glg=gl guj=gu heb=he hin=hi hrv=hr
hun=hu hye=hy ind=id isl=is ita=it jpn=ja kan=kn kat=ka kaz=kk khm=km kor=ko lat=la lav=lv lit=lt
mal=ml mar=mr mkd=mk mya=my nep=ne nld=nl nob=nb nor=no ori=or pan=pa pol=pl por=pt ron=ro rus=ru
sin=si slk=sk slv=sl spa=es sqi=sq srp=sr swe=sv tam=ta tel=te tgl=tl tha=th tuk=tk tur=tr ukr=uk
urd=ur uzb=uz vie=vi yid=yi zho=zh zul=zu
"""
_LANGUAGES = dict(pair.split("=") for pair in _LANGUAGES_SAID.split())


def prepare() -> None:
    """Load the library, once for many files, since nothing can be loaded behind the lock."""
    # asyncio too, which costs a fork more than most files do (20 ms of 45): the library speaks nothing else.
    import asyncio  # noqa: F401

    load_for(b"PK\xff")
    with suppress(ImportError):
        _configuration(import_module("xberg"))


def load_for(data: bytes) -> None:
    """Load what these bytes may need to become text; most are UTF-8 and need nothing."""
    if data.startswith(b"PK"):
        # With all it loads it is a third of the child's start, and its forks for text never need it.
        import zipfile  # noqa: F401
    with suppress(UnicodeDecodeError):
        data.decode("utf-8")
        return
    import encodings
    import pkgutil

    for module in pkgutil.iter_modules(encodings.__path__):
        with suppress(ImportError):  # those of another operating system
            import_module(f"encodings.{module.name}")
    with suppress(ImportError):
        import charset_normalizer

        charset_normalizer.from_bytes("Zaż".encode("cp1250")).best()  # it loads the rest of itself when it is used


def reader(types: Collection[str], *, library: bool) -> Callable[[bytes, str, str], Result]:
    """Return the function that reads bytes; what needs files or sockets of its own is made here, before the lock.

    :param types: the kinds that are wanted.
    :param library: whether the library may be needed.
    """
    xberg: Any = None
    loop: Any = None
    if library:
        import asyncio

        with suppress(ImportError):
            xberg = import_module("xberg")
        loop = asyncio.new_event_loop()

    def read(data: bytes, declared: str, ending: str) -> Result:
        return _read(data, declared, ending, types, xberg, loop)

    return read


def _read(data: bytes, declared: str, ending: str, types: Collection[str], xberg: Any, loop: Any) -> Result:
    """Return ``outcome``, ``text``, ``language`` and ``warnings`` of one file."""
    if not data.strip(b"\0 \t\r\n"):
        return _result("empty")
    package, locked = _package(data)
    kind, media_type = recognise(data, declared, ending, package)
    if data.startswith(b"PK") and package is None:
        return _result("damaged", warnings=["broken_archive"])
    if locked or (data.startswith(_OLE) and "EncryptedPackage".encode("utf-16-le") in data):
        return _result("encrypted")
    warnings = [] if kind == declared else [f"content_is={kind}"]
    if kind not in types or kind not in KINDS or kind == IMAGE:
        return _result("skipped_type", warnings=warnings)
    if kind in BUILT_IN:
        text = decode(data)
        return _result("extracted" if text.strip() else "empty", text, warnings=warnings)
    if xberg is None:
        return _result("no_extractor", warnings=warnings)
    return _by_library(data, kind, media_type, warnings, xberg, loop)


def _by_library(data: bytes, kind: str, media_type: str, warnings: list[str], xberg: Any, loop: Any) -> Result:
    given = xberg.ExtractInput(kind="bytes", bytes=data, mime_type=media_type)

    def extract(**how: Any) -> Any:
        async def asked() -> Any:
            return await xberg.extract(given, _configuration(xberg, **how))

        return loop.run_until_complete(asked())

    try:
        answer = extract(pages=kind == "powerpoint")
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a library says of a bad file, it is the file's fault
        return _refused(data, kind, type(error).__name__, str(error), warnings)
    if not answer.results:
        told = answer.errors[0] if answer.errors else None
        return _refused(data, kind, str(told and told.error_type), str(told and told.message), warnings)
    document = answer.results[0]
    text = _with_notes(document) if kind == "powerpoint" else document.content
    if kind == "pdf" and text.strip():
        with suppress(Exception):
            text = _unglued(text, extract(output_format="plain").results[0].content)
    # Its remarks on pictures of text are meant for whoever has text recognition.
    warnings += sorted({f"partly_read={w.source}" for w in document.processing_warnings if w.source != "ocr"})
    if not text.strip():
        if kind == "pdf" and b"/Encrypt" in data:
            return _result("encrypted")
        return _result("empty", warnings=warnings)
    languages = document.detected_languages or []
    is_sure = len(languages) == 1 and sum(map(str.isalpha, text[:5000])) >= _LANGUAGE_LETTERS
    return _result("extracted", text, _LANGUAGES.get(languages[0], languages[0]) if is_sure else None, warnings)


def _with_notes(document: Any) -> str:
    """Return the slides with what the speaker notes below each, which the library keeps apart."""
    slides = document.pages or []
    if not any((slide.speaker_notes or "").strip() for slide in slides):
        return str(document.content)
    parts = []
    for slide in slides:
        parts.append(slide.content.strip())
        if (slide.speaker_notes or "").strip():
            parts.append(f"**Notes:** {slide.speaker_notes.strip()}")
    return "\n\n".join(part for part in parts if part)


def _unglued(text: str, plain: str) -> str:
    """Return text in which words that were run together are apart again, as they stand in the plain text of the same file.

    xberg 1.3.9 takes some spaces of a PDF for parts of a ligature when it writes Markdown ("of it" becomes "ofit"), and none when it
    writes plain text. To be removed when a version no longer does so.
    """
    words = plain.split()
    known = set(words)
    apart = {a + b: f"{a} {b}" for a, b in pairwise(words) if a + b not in known}
    return _WORD.sub(lambda word: apart.get(word[0], word[0]), text) if apart else text


def _refused(data: bytes, kind: str, name: str, message: str, warnings: list[str]) -> Result:
    said = f"{name} {message}".lower()
    if "password" in said or "encrypt" in said or (kind == "pdf" and b"/Encrypt" in data):
        return _result("encrypted")
    if "security" in said:
        return _result("damaged", warnings=[*warnings, "beyond_limits"])
    return _result("damaged", warnings=warnings)


def _package(data: bytes) -> tuple[list[str] | None, bool]:
    """Return the names in an archive (none where it is no archive), and whether its content is encrypted."""
    if not data.startswith(b"PK"):
        return None, False
    import zipfile  # loaded by now: nothing can be loaded behind the lock

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            names = [entry.filename for entry in entries]
            locked = any(entry.flag_bits & 1 for entry in entries)
            first = next((entry for entry in entries if entry.filename == "mimetype"), None)
            if first is not None and first.file_size < 200 and not first.flag_bits & 1:
                names.insert(0, archive.read(first).decode("ascii", "replace").strip())
                manifest = next((entry for entry in entries if entry.filename == "META-INF/manifest.xml"), None)
                if manifest is not None and manifest.file_size < 4 * 1024 * 1024:
                    locked = locked or b"encryption-data" in archive.read(manifest)
            return names, locked
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - zipfile raises half a dozen kinds of error for an archive that is broken
        return None, False


def _configuration(xberg: Any, *, pages: bool = False, output_format: str = "markdown") -> Any:
    """Return the library's settings: text alone; no text recognition, model, cache, archive in an archive or second thread."""
    return xberg.ExtractionConfig(
        use_cache=False,
        disable_ocr=True,
        enable_quality_processing=False,
        output_format=output_format,
        max_archive_depth=0,
        concurrency=xberg.ConcurrencyConfig(max_threads=1),
        postprocessor=xberg.PostProcessorConfig(enabled=False),
        html_options=xberg.ConversionOptions(extract_metadata=False),
        pages=xberg.PageConfig(extract_pages=True) if pages else None,
        language_detection=xberg.LanguageDetectionConfig(enabled=True, min_confidence=0.9, detect_multiple=False),
        security_limits=xberg.SecurityLimits(
            max_archive_size=_UNPACKED_BYTES,
            max_content_size=_CONTENT_BYTES,
            max_table_cells=_TABLE_CELLS,
            max_pages=_PAGES,
        ),
    )


def _result(outcome: str, text: str = "", language: str | None = None, warnings: list[str] | None = None) -> Result:
    return {"outcome": outcome, "text": text, "language": language, "warnings": warnings or []}
