"""What bodies refer to, looked up in bulk: people by name, everything else by the address that Confluence itself resolves."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeGuard
from urllib.parse import quote, quote_plus, urljoin

from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched
from airflow_provider_confluence.content import Handler, adf, markdown, model, storage_format, summary
from airflow_provider_confluence.documents import Entry, Heading
from airflow_provider_confluence.sync.assemble import Text
from airflow_provider_confluence.sync.includes import Includes, Place
from airflow_provider_confluence.sync.manifest import TITLE_ALONE, Edge
from airflow_provider_confluence.sync.smart_links import read_link
from airflow_provider_confluence.sync.titles import LINKED, LinkedType, Titles

# An address that joining would give back as it is, as nearly all are; joining takes 40 times as long as to see that.
_WHOLE = re.compile(
    r"https?://[^/?#;\[\]\s\x00-\x20\x7f-\U0010ffff]+(?:/[^?#;\s\x00-\x20]*)?(?:\?[^#;\s\x00-\x20]+)?(?:#[^\s\x00-\x20]+)?\Z"
)
_NOT_IN_A_PATH = frozenset("/\\%;")
_SHOWN = ("current", "archived")
# No account id (128 characters), user key or user name (255) is longer. Data Center is asked for people by address, and an address that is
# too long is refused, which would be the end of the whole batch.
_LONGEST_PERSON = 255


class References:
    """Reads bodies and answers for what they refer to. People are asked for once a task.

    :param client: where people, and the pages that others show, are looked up.
    :param titles: returns what titles and ids mean; called once, when the first include or link by id alone is met.
    :param macros: own handlers by macro name.
    """

    def __init__(
        self, client: ConfluenceClient, titles: Callable[[], Titles], macros: Mapping[str, Handler] | None = None
    ) -> None:
        self._client = client
        self._macros = macros
        self._titles = cache(titles)
        self._includes = Includes(client, self._titles, self.read)
        self._names: dict[str, str | None] = {}
        self._files: dict[str, Mapping[str, str]] = {}
        self._targets: dict[str, Entry | None] = {}

    def read(self, fetched: Fetched) -> model.Content:
        """Return the content of a body; nothing is looked up yet."""
        if fetched.representation == "atlas_doc_format":
            return adf.read(fetched.body, self._macros)
        return storage_format.read(fetched.body, self._macros)

    def look_up(self, contents: Sequence[tuple[Fetched, model.Content, Place]]) -> None:
        """Look up, at once, the pages that these bodies show, those that they link by id alone, the people whom they mention and those who
        wrote them.

        Cost in requests: ⌈unknown pages / 50⌉ at each of three levels, ⌈unknown links by id / 250⌉ (Data Center 100) for pages and for blog
        posts in scope, none for others, ⌈unknown people / 250⌉, and 1 for a body in ADF that names a file of its own page by nothing but
        an id.

        :param contents: each body with its place.
        """
        shown = self._includes.look_up([(place, content) for _, content, place in contents])
        wanted: set[str] = set()
        by_space: dict[str, set[str]] = defaultdict(set)
        for fetched, content, space_id in (
            *((fetched, content, place.space_id) for fetched, content, place in contents),
            *((each.fetched, each.content, each.fetched.entry.space_id) for each in shown),
        ):
            entry = fetched.entry
            if entry.content_id not in self._files and any(
                _is_nameless(r) and _container_id(r, entry) == entry.content_id for r in content.references
            ):
                self._files[entry.content_id] = self._client.file_names(entry)
            wanted.update(
                r.id for r in content.references if isinstance(r, model.UserReference) and len(r.id) <= _LONGEST_PERSON
            )
            by_space[space_id].update(self._linked_by_id(content, entry))
            for person in (entry.creator, entry.last_editor):
                if person is not None and person.name is not None:
                    self._names.setdefault(person.id, person.name)
                elif person is not None:
                    wanted.add(person.id)
        unknown = sorted(wanted - self._names.keys())
        if unknown:
            people = self._client.people(unknown)
            self._names.update({i: people.get(i) for i in unknown})
        self._look_up_linked(by_space)

    def _look_up_linked(self, by_space: Mapping[str, set[str]]) -> None:
        """Look up what is linked by id. :param by_space: the ids, by the space in which the bodies stand."""
        linked: dict[LinkedType, set[str]] = {type_: set() for type_ in LINKED}
        if unknown := set().union(*by_space.values()) - self._targets.keys():
            self._titles().reach(unknown)
        for space_id, written in by_space.items():
            for content_id in written & unknown:
                # What is not in scope is not asked for: its title may not stand here.
                if type_ := self._titles().type_of(space_id, content_id):
                    linked[type_].add(content_id)
        for type_, ids in linked.items():
            if ids:
                found = self._client.look_up(type_, sorted(ids))
                self._targets.update({i: found.get(i) for i in ids})

    def _linked_by_id(self, content: model.Content, entry: Entry) -> Iterator[str]:
        """Yield what a body writes as the ids of what it links without saying its title: authors may have typed anything."""
        for reference in content.references:
            if isinstance(reference, model.ContentReference):
                yield reference.content_id
            elif isinstance(reference, model.UrlReference):
                _, title, content_id = _understood(reference.url, entry.url, self._client.site)
                if content_id is not None and not title:
                    yield content_id

    def names_for(self, entry: Entry, known: Mapping[str, str]) -> dict[str, str]:
        """Return the names of an item's people: those that the plan knew, and those that an edit since then brought in."""
        names = dict(known)
        for person in (entry.creator, entry.last_editor):
            name = self._names.get(person.id) if person else None
            if person is not None and name is not None:
                names.setdefault(person.id, name)
        return names

    def text(self, fetched: Fetched, content: model.Content, place: Place) -> Text:
        """Return the text of a body with everything resolved."""
        targets = _Targets(self._targets, self._titles)
        resolve = _Resolver(self._client.site, fetched.entry, place, self._names, self._files, targets, self._includes)
        written = markdown.written(content, resolve)
        return Text(
            content=written.text,
            summary=summary(content, resolve=resolve),
            outline=tuple(Heading(entry.level, entry.text) for entry in written.outline),
            links=written.links,
            properties=markdown.properties(content, resolve),
            warnings=content.warnings,
            includes=self._edges(fetched.entry, place, content),
        )

    def _edges(self, entry: Entry, place: Place, content: model.Content) -> tuple[Edge, ...]:
        """Return the pages that a body shows, and what it and they link by id: their titles must go when fewer may read them."""
        edges = self._includes.edges(place, content)
        shown = (self._includes.kept(edge.content_id) for edge in edges if edge.content_id)
        bodies = [(entry, content), *((each.fetched.entry, each.content) for each in shown if each is not None)]
        linked = sorted({content_id for entry, body in bodies for content_id in self._linked_by_id(body, entry)})
        titles = self._titles() if linked else None
        return edges + tuple(
            Edge(f"#{content_id}", titles.named(place.space_id, content_id, place.readers), TITLE_ALONE)
            for content_id in linked
            if titles is not None and content_id.isascii() and content_id.isdigit()
        )


@dataclass(frozen=True, slots=True)
class _Targets:
    """What was looked up of links by id, and who may know its title."""

    found: Mapping[str, Entry | None]
    titles: Callable[[], Titles]

    def shown_at(self, place: Place, content_id: str) -> Entry | None:
        """Return what is linked by id, where its title may stand there."""
        target = self.found.get(content_id)
        if target is None or target.space_id != place.space_id or target.status not in _SHOWN:
            return None
        named = target.title and target.url and self.titles().may_show(place.readers, content_id)
        return target if named else None


class _Resolver:
    """Answers for the references of one item.

    ``/display/<space key>/<title>`` and ``/pages/viewpage.action?pageId=<id>`` are addresses that both editions redirect to the page, also
    after it was renamed or moved; so a link by title costs no request. What is linked by id alone has its title from a look-up, and only
    where it is in the same space, the datasource takes it, and all may read it who may read this item: they need not be allowed to know
    what is elsewhere, and what is left out of the index is left out with its title.
    """

    def __init__(
        self,
        site: str,
        entry: Entry,
        place: Place,
        names: Mapping[str, str | None],
        files: Mapping[str, Mapping[str, str]],
        targets: _Targets,
        includes: Includes,
        above: frozenset[str] = frozenset(),
    ) -> None:
        self._site = site
        self._entry = entry
        self._place = place
        self._names = names
        self._files = files
        self._targets = targets
        self._includes = includes
        # The pages on the way from the document to this body: none of them is shown within itself.
        self._way = above | {entry.content_id}
        # Text, links, outline and properties of one body ask for the same references.
        self._answers: dict[model.Reference, model.Resolved | None] = {}

    def __call__(self, reference: model.Reference) -> model.Resolved | None:
        found = self._answers.get(reference)
        if found is None:
            found = self._answers[reference] = self._answer(reference)
        return found

    def _answer(self, reference: model.Reference) -> model.Resolved | None:
        if isinstance(reference, model.UserReference):
            return model.Resolved(text=self._names.get(reference.id))
        if isinstance(reference, model.IncludeReference):
            return self._include(reference)
        if isinstance(reference, model.PageReference):
            return model.Resolved(url=self._page_url(reference))
        if isinstance(reference, model.BlogpostReference) and reference.posting_day:
            day = quote(reference.posting_day)
            return model.Resolved(url=f"{self._space_url(reference.space_key)}/{day}/{quote_plus(reference.title)}")
        if isinstance(reference, model.ContentReference):
            if (target := self._linked(reference.content_id)) is not None:
                return model.Resolved(target.title, target.url, target.content_id)
            url = f"{self._site}/pages/viewpage.action?pageId={quote(reference.content_id, safe='')}"
            return model.Resolved(url=url, content_id=reference.content_id)
        if isinstance(reference, model.SpaceReference):
            return model.Resolved(url=self._space_url(reference.key))
        if isinstance(reference, model.AttachmentReference):
            return self._attachment(reference)
        if isinstance(reference, model.UrlReference):
            url, title, content_id = _understood(reference.url, self._entry.url, self._site)
            if content_id is not None and not title and (target := self._linked(content_id)) is not None:
                # (What an address says behind its path, such as a place within the page, leads there only as it stands.)
                return model.Resolved(target.title, url if "#" in url else target.url, content_id)
            return model.Resolved(title, url, content_id)
        if isinstance(reference, model.AnchorReference):
            return model.Resolved(url=f"{self._entry.url}#{quote(reference.anchor, safe='')}")
        return None

    def _include(self, reference: model.IncludeReference) -> model.Resolved | None:
        found = self._includes.find(reference, self._place)
        if found is None or found.fetched.entry.content_id in self._way:
            return None
        entry = found.fetched.entry
        inside = _Resolver(
            self._site, entry, self._place, self._names, self._files, self._targets, self._includes, self._way
        )
        return model.Resolved(entry.title, entry.url, entry.content_id, found.content, inside)

    def _attachment(self, reference: model.AttachmentReference) -> model.Resolved | None:
        container = reference.container
        if isinstance(container, (model.PageReference, model.BlogpostReference)):
            # The file's own address needs the id of its page, which only a look-up would tell; the page shows the file.
            return self(container)
        holder = container.content_id if container is not None else self._entry.container_id or self._entry.content_id
        name = reference.filename or self._files.get(holder, {}).get(reference.file_id or "", "")
        if not name:
            return None
        folder = f"{self._site}/download/attachments/{quote(holder, safe='')}"
        return model.Resolved(text=None if reference.filename else name, url=f"{folder}/{quote(name, safe='')}")

    def _page_url(self, reference: model.PageReference) -> str:
        if _NOT_IN_A_PATH.isdisjoint(reference.title):
            return f"{self._space_url(reference.space_key)}/{quote_plus(reference.title)}"
        # Servers in front of Confluence refuse these in a path even when they are encoded.
        key = quote(reference.space_key or self._place.space_key, safe="~")
        return f"{self._site}/pages/viewpage.action?spaceKey={key}&title={quote_plus(reference.title)}"

    def _space_url(self, key: str | None) -> str:
        return f"{self._site}/display/{quote(key or self._place.space_key, safe='~')}"

    def _linked(self, content_id: str) -> Entry | None:
        return self._targets.shown_at(self._place, content_id)


# So much of an address is kept for its page's other questions; a drawing may stand in a link, with megabytes.
_LONG = 2_000


def _understood(url: str, page_url: str, site: str) -> tuple[str, str | None, str | None]:
    """Return an address as the page on which it stands means it, and the title and the content id that it gives away."""
    return (_understand if len(url) <= _LONG else _understand.__wrapped__)(url, page_url, site)


@lru_cache(maxsize=1_000)
def _understand(url: str, page_url: str, site: str) -> tuple[str, str | None, str | None]:
    # The look-up, the text and the edges of a page ask the same.
    whole = absolute(url, page_url, site)
    return whole, *read_link(whole, site)


def absolute(url: str, page_url: str, site: str) -> str:
    """Return an address as the page on which it stands means it. Never raises."""
    if _WHOLE.match(url):
        return url
    try:
        return urljoin(page_url or f"{site}/", url)
    except ValueError:  # an author may type anything into a link
        return url


def _is_nameless(reference: model.Reference) -> TypeGuard[model.AttachmentReference]:
    return isinstance(reference, model.AttachmentReference) and bool(reference.file_id) and not reference.filename


def _container_id(reference: model.AttachmentReference, entry: Entry) -> str | None:
    """Return the id of the item on which an attachment hangs; ``None`` where it is known by title only."""
    if reference.container is None:
        return entry.container_id or entry.content_id
    return reference.container.content_id if isinstance(reference.container, model.ContentReference) else None
