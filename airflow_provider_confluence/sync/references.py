"""What bodies refer to, looked up in bulk: people by name, everything else by the address that Confluence itself resolves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus, urljoin

from airflow_provider_confluence.confluence.client import ConfluenceClient, Fetched
from airflow_provider_confluence.content import markdown, model, storage_format, summary
from airflow_provider_confluence.documents import Entry
from airflow_provider_confluence.sync.assemble import Text


class References:
    """Reads bodies and answers for what they refer to. People are asked for once a task.

    :param client: where people are looked up.
    """

    def __init__(self, client: ConfluenceClient) -> None:
        self._client = client
        self._names: dict[str, str | None] = {}

    def read(self, fetched: Fetched) -> model.Content:
        """Return the content of a body; nothing is looked up yet."""
        if fetched.representation != "storage":
            return model.Content(warnings=(f"unread_representation={fetched.representation}",))
        return storage_format.read(fetched.body)

    def look_up(self, contents: Iterable[tuple[Fetched, model.Content]]) -> None:
        """Look up, at once, the people whom these bodies mention and those who wrote them. Cost: ⌈unknown people / 250⌉ requests."""
        wanted: set[str] = set()
        for fetched, content in contents:
            wanted.update(r.id for r in content.references if isinstance(r, model.UserReference))
            for person in (fetched.entry.creator, fetched.entry.last_editor):
                if person is not None and person.name is not None:
                    self._names.setdefault(person.id, person.name)
                elif person is not None:
                    wanted.add(person.id)
        unknown = sorted(wanted - self._names.keys())
        if unknown:
            found = self._client.people(unknown)
            self._names.update({i: found.get(i) for i in unknown})

    def names_for(self, entry: Entry, known: Mapping[str, str]) -> dict[str, str]:
        """Return the names of an item's people: those that the plan knew, and those that an edit since then brought in."""
        names = dict(known)
        for person in (entry.creator, entry.last_editor):
            name = self._names.get(person.id) if person else None
            if person is not None and name is not None:
                names.setdefault(person.id, name)
        return names

    def text(self, fetched: Fetched, content: model.Content, space_key: str) -> Text:
        """Return the text of a body with everything resolved."""
        resolve = _Resolver(self._client.site, fetched.entry, space_key, self._names)
        return Text(
            content=markdown.write(content, resolve),
            summary=summary(content, resolve=resolve),
            links=tuple(markdown.links(content, resolve)),
            properties=markdown.properties(content, resolve),
            warnings=content.warnings,
        )


class _Resolver:
    """Answers for the references of one item.

    ``/display/<space key>/<title>`` and ``/pages/viewpage.action?pageId=<id>`` are addresses that both editions redirect to the page, also
    after it was renamed or moved; so a link costs no request.
    """

    def __init__(self, site: str, entry: Entry, space_key: str, names: Mapping[str, str | None]) -> None:
        self._site = site
        self._entry = entry
        self._space_key = space_key
        self._names = names

    def __call__(self, reference: model.Reference) -> model.Resolved | None:
        if isinstance(reference, model.UserReference):
            return model.Resolved(text=self._names.get(reference.id))
        if isinstance(reference, model.PageReference):
            return model.Resolved(url=f"{self._space(reference.space_key)}/{quote_plus(reference.title)}")
        if isinstance(reference, model.BlogpostReference) and reference.posting_day:
            day = quote(reference.posting_day)
            return model.Resolved(url=f"{self._space(reference.space_key)}/{day}/{quote_plus(reference.title)}")
        if isinstance(reference, model.ContentReference):
            url = f"{self._site}/pages/viewpage.action?pageId={quote(reference.content_id, safe='')}"
            return model.Resolved(url=url, content_id=reference.content_id)
        if isinstance(reference, model.SpaceReference):
            return model.Resolved(url=self._space(reference.key))
        if isinstance(reference, model.AttachmentReference) and reference.container is None:
            name = quote(reference.filename, safe="")
            return model.Resolved(
                url=f"{self._site}/download/attachments/{self._entry.container_id or self._entry.content_id}/{name}"
            )
        if isinstance(reference, model.UrlReference):
            return model.Resolved(url=self._absolute(reference.url))
        if isinstance(reference, model.AnchorReference):
            return model.Resolved(url=f"{self._entry.url}#{quote(reference.anchor, safe='')}")
        return None

    def _space(self, key: str | None) -> str:
        return f"{self._site}/display/{quote(key or self._space_key, safe='~')}"

    def _absolute(self, url: str) -> str:
        try:
            return urljoin(self._entry.url or f"{self._site}/", url)
        except ValueError:  # an author may type anything into a link
            return url
