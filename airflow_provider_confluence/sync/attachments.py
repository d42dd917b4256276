"""The texts of a shard's attachments: kept ones from the cache, the others fetched and read, several at a time."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping

from airflow_provider_confluence.confluence.batches import FIRST_DOUBT, LITTLE_HOPE, TRIES_FOR_ONE, Answers, Doubts
from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.confluence.downloads import FileTooLargeError
from airflow_provider_confluence.confluence.transport import MAX_TRIES, AbsentError
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
    ConfluenceProviderError,
    ConfluenceUnavailableError,
    ContractError,
    CredentialsError,
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
_SILENCES = 10  # downloads in a row that nobody answers, after which the host is left alone


class _NotTriedError(ConfluenceUnavailableError):
    """The host of the files was left alone."""


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
        self._doubts = Doubts(client.identity)
        self._silences = 0
        self._unreachable = ""
        self.outcomes: Counter[str] = Counter()

    def close(self) -> None:
        """Kill what still reads; safe to repeat."""
        self._extractor.close()

    def read(self, entries: Mapping[str, Entry]) -> Answers[tuple[str, Text | Failure]]:
        """Return the text of each attachment, in any order, and a Failure for each that could not be fetched.

        A file that cannot be read is no failure: its document says why it has no text.

        Where ten downloads in a row get no answer while Confluence itself answers, the rest of the shard's are not tried: on Cloud the
        bytes lie on another host, which a proxy may block.

        :raises ConfluenceProviderError: when Confluence itself does not answer either, or no longer takes the credential.
        """

        def one(content_id: str, stop: threading.Event) -> tuple[str, Extraction | ConfluenceProviderError]:
            try:
                return content_id, self._extraction(entries[content_id], stop)
            except (ContractError, AccessDeniedError, CredentialsError, ConfluenceUnavailableError) as error:
                return content_id, error

        def text(answer: tuple[str, Extraction | ConfluenceProviderError] | Failure) -> tuple[str, Text | Failure]:
            if isinstance(answer, Failure):
                return answer.content_id, answer
            content_id, found = answer
            if isinstance(found, ConfluenceProviderError):
                return content_id, self._failure(entries[content_id], found)
            self.outcomes[found.outcome] += 1
            return content_id, _text(found)

        return self._client.in_parallel(one, list(entries), type_="attachment", cut=self._extractor.close).map(text)

    def _failure(self, entry: Entry, error: ConfluenceProviderError) -> Failure:
        """Return what became of a download. :raises ConfluenceProviderError: when it is about more than this file."""
        if isinstance(error, _NotTriedError):
            return Failure(entry.content_id, entry.type, "download_not_tried", str(error))
        if isinstance(error, CredentialsError):  # log-ins in front of downloads alone are met where single sign-on is
            self._doubts.failed(ask_now=self._doubts.in_a_row == 0)
        if not isinstance(error, ConfluenceUnavailableError):
            return Failure(entry.content_id, entry.type, "download_refused", str(error))
        self._doubts.failed()
        # Without an answer there is the broken connection as its cause.
        self._silences = self._silences + 1 if error.__cause__ is not None else 0
        if self._silences >= _SILENCES and not self._unreachable:
            self._client.identity()
            self._unreachable = f"not tried, because {self._silences} downloads in a row got no answer; is their host reachable from here?"
        return Failure(entry.content_id, entry.type, "download_failed", str(error))

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
        if self._unreachable:
            raise _NotTriedError(self._unreachable)
        path = self._extractor.new_file()
        in_a_row = self._doubts.in_a_row
        tries = MAX_TRIES if in_a_row < FIRST_DOUBT else TRIES_FOR_ONE if in_a_row < LITTLE_HOPE else 1
        try:
            self._client.download(entry, path, max_bytes=most, tries=tries, cancelled=stop)
        except FileTooLargeError:
            return Extraction("too_large")
        except AbsentError:
            return Extraction("not_available")
        self._doubts.good()
        self._silences = 0
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
