"""What only the server can show, in the documents of those who want it (``rendered_macros``), and when it is asked for again.

A page is read from its storage format all the same; only the macros that the setting names are shown by the server, and stand in their own
place. What they show changes without the page, so the record of such a page says when it was shown (``rendered``), and a look at everything
plans it again when that is older than ``rendered_macros_max_age``. Outside law 5: between two looks the index is as old as that, and older
where Confluence gives no answer or the run has asked for enough: what it showed before stays until it shows something again.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched
from airflow_provider_confluence.content import Handler, model, storage_format
from airflow_provider_confluence.content.rendered import Question, find_macros, shown_in_place, token_in
from airflow_provider_confluence.datasource import Datasource, parse_duration
from airflow_provider_confluence.sync.journal import PlanItem
from airflow_provider_confluence.sync.manifest import Record, digest

_log = logging.getLogger(__name__)

_RETRY_MS = 3_600_000
"""What could not be shown is asked for again after this long, where the maximum age is not shorter."""
_SOME = 5
"""Where not one of at least so many pages came back, the task asks for no more: Confluence shows nothing to this account."""
_OVERDUE = 1
"""The ``rendered`` of a page that was not asked for, because the run had asked for enough: the next look at everything takes it first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A body with what the server shows in it.

    ``rendered`` is what is counted from until that is due again (milliseconds, as revisions are); for a page that was asked for and had no
    answer, until it is asked for again.
    """

    content: model.Content
    rendered: int
    asked: bool
    answered: bool

    def leaves(self, item: PlanItem, body: Fetched) -> bool:
        """Return whether the document stays as it is, with what was shown before.

        So it does where the page is here for its age alone and Confluence said nothing of it. An error or nothing in a macro's place is
        an answer: so it is where the account may no longer see what was shown.
        """
        is_same = item.why == "rendered" and has_body(item.body, body.body)
        return is_same and not self.answered and item.entry is not None and item.entry.version == body.entry.version


class Renderings:
    """Asks, for one task, for what only the server can show.

    :param macros: own handlers by macro name.
    :param share: for how many of the run's shards this one asks.
    """

    def __init__(
        self,
        client: ConfluenceClient,
        datasource: Datasource,
        macros: Mapping[str, Handler],
        revision: int,
        shards: int,
    ) -> None:
        self._client = client
        self._names = datasource.rendered_macros
        self._max_age_ms = _max_age_ms(datasource)
        self._macros = macros
        self._revision = revision
        self._left = -(-datasource.rendered_macros_max_pages // max(shards, 1))
        self.not_shown = 0
        """Pages of which Confluence did not show every macro, without those that a run is not to ask for any more."""
        self._gave_up = False

    def show(self, bodies: Sequence[tuple[Fetched, model.Content]]) -> dict[str, Shown]:
        """Return those of the pages and blog posts that hold macros to be shown, by content id. See :meth:`ConfluenceClient.export_views`
        for its cost in requests.

        What could not be shown is as storage format has it, with a warning, unless it :meth:`leaves <Shown.leaves>` the document as it is;
        no page fails for it.

        :param bodies: each with its content as it was read already.
        """
        questions: dict[str, tuple[Fetched, Question]] = {}
        found: dict[str, Shown] = {}
        for body, content in bodies if self._names else ():
            if body.representation != "storage" or body.entry.type not in ("page", "blogpost"):
                continue
            macros = find_macros(body.body, self._names, self._macros)
            if macros and self._left > 0:
                self._left -= 1
                questions[body.entry.content_id] = (body, Question(macros))
            elif macros:
                self.not_shown += self._gave_up
                found[body.entry.content_id] = Shown(content, _OVERDUE, asked=False, answered=False)
        if not questions:
            return found
        by_token = {question.token: content_id for content_id, (_, question) in questions.items()}
        shown: dict[str, dict[str, model.Content]] = {}  # without those that had no answer of use
        came = 0
        for html in self._client.export_views([(i, question.body) for i, (_, question) in questions.items()]):
            came += 1
            if (token := token_in(html, by_token)) is not None:
                content_id = by_token[token]
                if (pieces := questions[content_id][1].read(html)) is not None:
                    shown[content_id] = pieces
        if not came and len(questions) >= _SOME:
            _log.warning(
                "none of %d pages had its macros shown by Confluence; this task asks for no more", len(questions)
            )
            self._left, self._gave_up = 0, True
        for content_id, (body, question) in questions.items():
            pieces = shown.get(content_id, {})
            handlers = shown_in_place(self._names, self._macros, question.macros, pieces)
            whole = len(pieces) == len(question.macros)
            self.not_shown += not whole
            retry_ms = max(self._max_age_ms - _RETRY_MS, 0)
            found[content_id] = Shown(
                storage_format.read(body.body, handlers),
                self._revision - (0 if whole else retry_ms),
                asked=True,
                answered=content_id in shown,
            )
        return found


def find_due(records: Mapping[str, Record], datasource: Datasource, now_ms: int) -> set[str]:
    """Return the ids of the pages whose macros are to be shown again, the longest ago first, no more than a run may ask for."""
    before = now_ms - _max_age_ms(datasource)
    due = sorted((record.rendered, record.content_id) for record in records.values() if 0 < record.rendered <= before)
    return {content_id for _, content_id in due[: datasource.rendered_macros_max_pages]}


def mark_of(body: str, text: str | None = None) -> str:
    """Return what stands for a body, and for the text that the server's part in it made of it, in the record."""
    return digest(body) if text is None else f"{digest(body)}-{digest(text)}"


def has_body(mark: str, body: str) -> bool:
    """Return whether a mark stands for this body."""
    return mark.partition("-")[0] == digest(body)


def _max_age_ms(datasource: Datasource) -> int:
    return int(parse_duration(datasource.rendered_macros_max_age).total_seconds() * 1000)
