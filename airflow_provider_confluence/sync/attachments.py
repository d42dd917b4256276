"""The texts of a shard's attachments: kept ones from the cache, the others fetched and read, several at a time."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.confluence.downloads import FileTooLargeError
from airflow_provider_confluence.confluence.transport import AbsentError
from airflow_provider_confluence.content.attachments import (
    Extraction,
    Extractor,
    ExtractorSettings,
    kind_of,
    library_version,
)
from airflow_provider_confluence.content.plain import shortened
from airflow_provider_confluence.datasource import Datasource, parse_duration
from airflow_provider_confluence.documents import Entry, Failure
from airflow_provider_confluence.errors import (
    AccessDeniedError,
    ConfluenceUnavailableError,
    ContractError,
    RetryLaterError,
)
from airflow_provider_confluence.sync.assemble import Text
from airflow_provider_confluence.sync.attachment_cache import AttachmentCache
from airflow_provider_confluence.sync.storage import Storage

_SUMMARY_CHARS = 300
_MARKS = re.compile(r"^\s*(?:#{1,6}\s+|[-*+]\s+|>\s*|\|?[\s:|-]+\|?$)|[|*`]+", re.MULTILINE)
_SPACES = re.compile(r"\s+")
# Outcomes in which Confluence's own text is better than none.
_WITHOUT_TEXT = ("no_extractor", "too_large", "damaged", "failed_timeout", "failed_memory", "failed_crash")
_FAILURES_IN_A_ROW = 25


class AttachmentTexts:
    """Reads attachments. Make it once for a shard; nothing is started before the first file that must be read.

    :param revision: the run, noted with what is kept.
    """

    def __init__(
        self,
        client: ConfluenceClient,
        datasource: Datasource,
        settings: ExtractorSettings,
        storage: Storage,
        folder: str,
        revision: int,
    ) -> None:
        self._client = client
        self._datasource = datasource
        self._revision = revision
        self._cache = AttachmentCache(
            storage, folder, [library_version(), *settings.recipe, sorted(datasource.attachment_types)]
        )
        self._extractor = Extractor(
            settings,
            types=datasource.attachment_types,
            timeout_seconds=parse_duration(datasource.attachment_timeout).total_seconds(),
        )
        self.outcomes: Counter[str] = Counter()

    def close(self) -> None:
        """Kill what still reads; safe to repeat."""
        self._extractor.close()

    def read(self, entries: Mapping[str, Entry]) -> Iterator[tuple[str, Text | Failure]]:
        """Yield the text of each attachment, in any order, and a Failure for each that could not be fetched.

        A file that cannot be read is no failure: its document says why it has no text.

        :raises ConfluenceUnavailableError: when 25 in a row cannot be fetched: that is no longer about single files.
        """

        def one(content_id: str, stop: threading.Event) -> tuple[str, Extraction | Failure]:
            entry = entries[content_id]
            try:
                return content_id, self._extraction(entry, stop)
            except (ContractError, AccessDeniedError) as error:
                return content_id, Failure(content_id, entry.type, "download_refused", str(error))
            except ConfluenceUnavailableError as error:
                return content_id, Failure(content_id, entry.type, "download_failed", str(error))

        in_a_row = 0
        for answer in self._client.in_parallel(one, list(entries), type_="attachment", cut=self._extractor.close):
            if isinstance(answer, Failure):  # (what a client's own failure says is about a single id as well)
                answer = answer.content_id, answer
            content_id, found = answer
            if isinstance(found, Failure):
                in_a_row += 1
                if in_a_row >= _FAILURES_IN_A_ROW:
                    raise ConfluenceUnavailableError(
                        f"{in_a_row} attachments in a row could not be fetched, the last because: {found.message}"
                    )
                yield content_id, found
                continue
            in_a_row = 0
            self.outcomes[found.outcome] += 1
            yield content_id, _text(found)

    def _extraction(self, entry: Entry, stop: threading.Event) -> Extraction:
        kind = kind_of(entry.title, entry.media_type)
        outcome = self._extractor.can_read(kind)
        if outcome == "skipped_type":
            return Extraction(outcome)
        kept = self._cache.get(entry.content_id, entry.version)
        if kept is not None:
            return kept
        extraction = self._fetched(entry, stop) if outcome is None else Extraction(outcome)
        if extraction.outcome in _WITHOUT_TEXT:
            extraction = self._told(entry, extraction, stop)
        if not stop.is_set():
            self._cache.put(entry.content_id, entry.version, self._revision, extraction)
        return extraction

    def _fetched(self, entry: Entry, stop: threading.Event) -> Extraction:
        most = self._datasource.attachment_max_bytes
        if (entry.size_bytes or 0) > most:
            return Extraction("too_large")
        path = self._extractor.new_file()
        try:
            self._client.download(entry, path, max_bytes=most, cancelled=stop)
        except FileTooLargeError:
            return Extraction("too_large")
        except AbsentError:
            return Extraction("not_available")
        return self._extractor.extract(path, entry.title, entry.media_type)

    def _told(self, entry: Entry, extraction: Extraction, stop: threading.Event) -> Extraction:
        """Return the text that Confluence itself found in a file, where we have none and it has one."""
        try:
            text = self._client.server_text(entry, cancelled=stop)
        except (AccessDeniedError, RetryLaterError):
            return extraction  # it would have been a gift
        if not text or not text.strip():
            return extraction
        return Extraction("extracted", text, warnings=(*extraction.warnings, "text_of=confluence"))


def _text(extraction: Extraction) -> Text:
    plain = _SPACES.sub(" ", _MARKS.sub(" ", extraction.text[: _SUMMARY_CHARS * 20])).strip()
    return Text(
        content=extraction.text,
        summary=shortened(plain, _SUMMARY_CHARS),
        warnings=extraction.warnings,
        language=extraction.language,
        outcome=extraction.outcome,
    )
