"""A look at named items alone: what a targeted run asks Confluence for.

It is the tool for one page that went wrong, for a handful of requests: the items are asked for by id, whatever the manifest says of them,
and nothing is concluded about any other item.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import Entry, Space
from airflow_provider_confluence.errors import ConfigurationError
from airflow_provider_confluence.sync.contained import inside
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.scope import Judged, Scope

# Attachments have ids of their own kind; pages, blog posts and comments share theirs.
_ID = re.compile(r"(?:att)?[0-9]{1,19}")
_NAMED = 20


def read_content_ids(given: Iterable[str]) -> tuple[str, ...]:
    """Return the ids to look up, each once.

    :raises ConfigurationError: naming what cannot be an id.
    """
    ids = tuple(dict.fromkeys(given))
    wrong = [content_id for content_id in ids if not _ID.fullmatch(content_id)]
    if wrong:
        raise ConfigurationError(
            f"content_ids: {_named([repr(w[:40]) for w in wrong])}: an id is the number in the address of a page, or such as att98304 "
            "for an attachment"
        )
    return ids


@dataclass(slots=True)
class Targeted:
    """``judged`` holds the targets that Confluence shows, and the pages and blog posts that hold targets; ``notes`` are sentences."""

    judged: Judged = field(default_factory=Judged)
    notes: list[str] = field(default_factory=list)


def look_up_targets(
    client: ConfluenceClient,
    datasource: Datasource,
    scope: Scope,
    spaces: Mapping[str, Space],
    known: Mapping[str, Record],
    targets: Sequence[str],
) -> Targeted:
    """Ask for items by their ids, and say which of them belong to the datasource.

    Cost in requests: ⌈ids / 250⌉ as pages (Data Center: 100), as many again to ask for those that are none as blog posts; on Cloud 1 for
    each attachment and 1 or 2 for each comment, on Data Center ⌈of either / 100⌉; what :meth:`Scope.judge` asks.

    :param spaces: the spaces in scope, by id.
    :param known: what the index is known to hold, by content id.
    """
    known_types = {i: known[i].type for i in targets if i in known}
    files = [i for i in targets if i.startswith("att") or known_types.get(i) == "attachment"]
    comments = [i for i in targets if known_types.get(i) == "comment"]
    plain = {*targets} - {*files, *comments}
    answers = client.look_up_attachments(files) if files else {}
    answers |= client.look_up("comment", comments) if comments else {}
    # Those that the index knows of as well: what vanished is asked for again through what holds it.
    holders = _holders(answers.values()) | {
        str(known[i].container_id) for i in targets if i in known and known[i].container_id
    }
    answers |= _look_up_bodies(client, plain | holders, known)
    strangers = sorted(plain - answers.keys() - known_types.keys())
    found_late = client.look_up("comment", strangers) if strangers else {}
    answers |= found_late | _look_up_bodies(client, _holders(found_late.values()) - answers.keys(), known)

    shown: dict[str, Entry] = {}
    elsewhere: dict[str, Entry] = {}
    for content_id, entry in answers.items():
        holder = answers.get(entry.container_id) if entry.container_id else None
        statuses = ("current",) if entry.type == "comment" else client.shown_statuses
        if entry.container_id and (holder is None or holder.status not in statuses):
            continue  # it is not shown without what holds it
        place = inside(entry, holder) if holder is not None else entry
        if entry.status in statuses:
            (shown if place.space_id in spaces else elsewhere)[content_id] = place
    judged = scope.judge(shown)
    judged.outside.update(elsewhere)
    found = Targeted(judged)
    unknown = [i for i in targets if i not in answers and i not in known]
    hidden = [i for i in targets if i in answers and i not in shown and i not in elsewhere and i not in known]
    outside = [i for i in targets if i in judged.outside]
    off = [i for i in targets if i in judged.within and judged.within[i].type not in datasource.content_types]
    for content_id in off:
        judged.outside[content_id] = judged.within.pop(content_id)
    if unknown:
        found.notes.append(
            f"Confluence shows this account nothing with the id {_named(unknown)}, and nothing of it is indexed"
        )
    if hidden:
        found.notes.append(f"{_named(hidden)} is not shown as current in Confluence, and nothing of it is indexed")
    if outside or off:
        found.notes.append(f"{_named([*outside, *off])} is not in the scope of datasource {datasource.id}")
    return found


def _look_up_bodies(client: ConfluenceClient, ids: Collection[str], known: Mapping[str, Record]) -> dict[str, Entry]:
    """Ask for pages, and for what is none as blog posts."""
    posts = {i for i in ids if i in known and known[i].type == "blogpost"}
    pages = {*ids} - posts
    answers = client.look_up("page", sorted(pages)) if pages else {}
    posts |= {i for i in pages - answers.keys() if i not in known or known[i].type != "page"}
    return answers | (client.look_up("blogpost", sorted(posts)) if posts else {})


def _holders(entries: Iterable[Entry]) -> set[str]:
    return {entry.container_id for entry in entries if entry.container_id}


def concerned(targets: Collection[str], judged: Judged, known: Mapping[str, Record]) -> list[Record]:
    """Return the records on which a targeted look has something to say: its targets, and what goes with a target that is not shown."""
    lost = {content_id for content_id in targets if content_id not in judged.within}
    return [record for record in known.values() if record.content_id in targets or record.container_id in lost]


def _named(ids: list[str]) -> str:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return ", ".join(ids[:_NAMED]) + more
