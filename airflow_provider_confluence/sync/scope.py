"""Which spaces, and which of their items, belong to a datasource."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from airflow_provider_confluence.confluence.client import ConfluenceClient
from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.documents import CONTAINED_TYPES, TREE_TYPES, Entry, Space
from airflow_provider_confluence.errors import ConfigurationError, SpaceNotFoundError
from airflow_provider_confluence.sync.labels import Labels
from airflow_provider_confluence.sync.manifest import Record
from airflow_provider_confluence.sync.readers import Readers
from airflow_provider_confluence.sync.surroundings import Surroundings

_NOTHING = "Nothing was deleted"


@dataclass(slots=True)
class Spaces:
    """By id: the spaces in scope, and those that the account sees but the settings leave out (known for ``"*"`` only)."""

    within: dict[str, Space] = field(default_factory=dict)
    left_out: dict[str, Space] = field(default_factory=dict)


def find_spaces(client: ConfluenceClient, datasource: Datasource, known: Mapping[str, str | None]) -> Spaces:
    """Return the spaces in scope. 1 request for 250 spaces (Data Center: 50 named ones, or 200), 1 or 2 more where known ones are missing.

    :param known: ids of the spaces that the index holds items of, with the key by which each was seen last, or ``None``. One of them that
        ``"*"`` does not bring is asked for again: what is left out of that list would be deleted.
    :raises SpaceNotFoundError: when a space that is named cannot be seen, and when ``"*"`` leaves none.
    """
    if datasource.everywhere:
        return _every_space(client, datasource, known)
    found = {space.key: space for space in client.spaces(datasource.space)}
    missing = [key for key in datasource.space if key not in found]
    if missing:
        raise SpaceNotFoundError(
            missing,
            f"datasource {datasource.id}: space {', '.join(missing)} does not exist at {client.site}, or this account may "
            f"not see it; check the key (it is in the space's address) and the account's permission. {_NOTHING}",
        )
    return Spaces({found[key].id: found[key] for key in datasource.space})


def _every_space(client: ConfluenceClient, datasource: Datasource, known: Mapping[str, str | None]) -> Spaces:
    seen = {space.id: space for space in client.spaces(["*"])}
    absent = {space_id: key for space_id, key in known.items() if space_id not in seen}
    keys = [key for key in absent.values() if key is not None]
    again = client.spaces(keys) if keys else []
    if len(keys) < len(absent):
        again += client.spaces(["*"])
    # An archived space is in no list of current ones, but answers to its key.
    seen.update((space.id, space) for space in again if space.status == "current")
    found = Spaces()
    for space in seen.values():
        (found.within if admits_space(datasource, space) else found.left_out)[space.id] = space
    if not found.within:
        why = (
            f"the account sees {len(found.left_out)} spaces, and exclude_spaces and personal_spaces leave none of them"
            if found.left_out
            else "this account sees no space there; check its permission"
        )
        raise SpaceNotFoundError(
            ["*"], f'datasource {datasource.id}: space "*" finds nothing at {client.site}: {why}. {_NOTHING}'
        )
    return found


def admits_space(datasource: Datasource, space: Space) -> bool:
    """Say whether a space that is seen is in a datasource's scope. Keys to exclude hold whatever their case: Confluence has no two such."""
    if not datasource.everywhere:
        return space.key in datasource.space
    personal = space.type == "personal" or space.key.startswith("~")
    excluded = {key.casefold() for key in datasource.exclude_spaces}
    return (datasource.personal_spaces or not personal) and space.key.casefold() not in excluded


def check_roots(client: ConfluenceClient, datasource: Datasource, spaces: Mapping[str, Space]) -> None:
    """Return where every page of ``root_pages`` is there and in one of the spaces. 1 request for 250 pages (Data Center: 100).

    :raises ConfigurationError: naming those that are not: what was below them would be deleted.
    """
    found = client.look_up("page", datasource.root_pages) if datasource.root_pages else {}
    problems = []
    for content_id in datasource.root_pages:
        page = found.get(content_id)
        if page is None:
            problems.append(f"page {content_id} does not exist, or this account may not see it")
        elif page.status not in client.shown_statuses:
            problems.append(f"page {content_id} is {page.status}")
        elif page.space_id not in spaces:
            problems.append(f"page {content_id} is in a space that the datasource does not take")
    if problems:
        raise ConfigurationError(f"datasource {datasource.id}: root_pages: {'; '.join(problems)}. {_NOTHING}")


@dataclass(slots=True)
class Judged:
    """Items by content id: ``within`` the scope; ``outside`` it, though Confluence shows them; ``unknown`` where it would not say."""

    within: dict[str, Entry] = field(default_factory=dict)
    outside: dict[str, Entry] = field(default_factory=dict)
    unknown: dict[str, Entry] = field(default_factory=dict)


class Scope:
    """Judges which items belong to a datasource.

    ``seen`` holds every item that was judged, in scope or not, and ``surroundings`` what is around them.

    :param spaces: the spaces in scope, by id.
    :param labels: asks for those that listings do not tell.
    :param known: what is recorded of items, by content id.
    """

    def __init__(
        self,
        client: ConfluenceClient,
        datasource: Datasource,
        spaces: Mapping[str, Space],
        labels: Labels,
        known: Mapping[str, Record],
    ) -> None:
        self.seen: dict[str, Entry] = {}
        self._labels = labels
        self._known = known
        self.surroundings = Surroundings(client, self.seen, spaces)
        self.readers = Readers(client, datasource, known, self.surroundings, spaces)
        if datasource.enable_permissions:
            self.surroundings.readers = self.readers
        self._client = client
        self._datasource = datasource
        self._spaces = spaces
        self._admitted = {space_id for space_id, space in spaces.items() if admits_space(datasource, space)}

    def judge(self, entries: Mapping[str, Entry]) -> Judged:
        """Return which of the current items belong to the datasource, with their labels where those decide.

        Cost in requests: where labels decide, 1 an item whose labels the listing could not tell, within a bound
        (:class:`~airflow_provider_confluence.sync.labels.Labels`); where the tree does, what is above the items and was not seen is
        looked up; where restrictions do, both, and what :meth:`Readers.look_up <airflow_provider_confluence.sync.readers.Readers.look_up>`
        asks. Attachments and comments follow their container, where that is among the entries.
        """
        judged = Judged()
        self.seen.update(entries)
        by_label = self._datasource.include_labels or self._datasource.exclude_labels
        if by_label:
            entries = self._labels.fill(entries, decide=True)
        if self._datasource.root_pages or self._datasource.leaves_out_restricted:
            self.surroundings.look_up_parents()
        if self._datasource.leaves_out_restricted:
            # What is elsewhere is out, whoever may read it.
            self.readers.look_up(e for e in entries.values() if self._is_in_a_space(self._datasource, e))
        contained = []
        for content_id, entry in entries.items():
            if entry.type in CONTAINED_TYPES:
                contained.append(entry)
                continue
            admitted = self.would_admit(self._datasource, entry)
            group = judged.unknown if admitted is None else judged.within if admitted else judged.outside
            group[content_id] = entry
        for entry in contained:
            groups = (group for group in (judged.outside, judged.unknown) if entry.container_id in group)
            next(groups, judged.within)[entry.content_id] = entry
        return judged

    def tree_above(self, entries: Mapping[str, Entry]) -> dict[str, Entry]:
        """Return the folders and their like that belong to the datasource because items of it stand below them.

        Cost in requests: what is above the items and was not seen is looked up, which their ancestors need anyway.
        """
        if not set(TREE_TYPES) & set(self._datasource.content_types):
            return {}
        self.seen.update(entries)
        self.surroundings.look_up_parents()
        above = self.surroundings.nodes_above(entry for entry in entries.values() if entry.type == "page")
        found = {i: e for i, e in above.items() if e.status == "current" and self._is_in_a_space(self._datasource, e)}
        found = {i: e for i, e in found.items() if self._is_below(self._datasource.root_pages, e)}
        self.seen.update(found)
        return self._open_ones(found)

    def tree_found(self) -> dict[str, Entry]:
        """Return the folders and their like that a search finds and that belong to the datasource, though no item of it stands below them.

        None where certain labels are wanted: what has no labels is in only for what stands below it. The search may lag or find nothing;
        what it misses is no reason to take anything for gone. Cost in requests: ⌈found / 200⌉ for 50 spaces, 1 for each that holds no page,
        and what is above it and was not seen.
        """
        if not set(TREE_TYPES) & set(self._datasource.content_types) or self._datasource.include_labels:
            return {}
        nodes = self._client.find_tree_nodes(list(self._spaces.values()))
        new = [node for node in nodes if node[0] not in self.seen]
        found = {i: e for i, e in self._client.tree_nodes(new).items() if e.status == "current"}
        self.seen.update(found)
        self.surroundings.look_up_parents()
        found.update((i, e) for i, e in self.surroundings.nodes_above(found.values()).items() if e.status == "current")
        return self._open_ones(
            {
                i: e
                for i, e in found.items()
                if self._is_in_a_space(self._datasource, e) and self._is_below(self._datasource.root_pages, e)
            }
        )

    def _open_ones(self, found: dict[str, Entry]) -> dict[str, Entry]:
        self.readers.look_up(found.values())
        return {i: e for i, e in found.items() if self._is_open(self._datasource, e)}

    def would_admit(self, datasource: Datasource, entry: Entry) -> bool | None:
        """Say whether an item that hangs on no other is in a datasource's scope, today's or a former one; ``None`` is not known."""
        if not self._is_in_a_space(datasource, entry) or entry.type not in datasource.content_types:
            return False
        if entry.status == "archived" and not datasource.archived:
            return False
        answers = (
            _admits_labels(datasource, entry.labels),
            self._is_below(datasource.root_pages, entry),
            self._is_open(datasource, entry),
        )
        return False if False in answers else None if None in answers else True

    def is_restricted(self, entry: Entry) -> bool:
        """Say whether an item is out of scope because Confluence named who alone may read it, or what is above it."""
        return self._datasource.leaves_out_restricted and self.readers.is_restricted(entry)

    def others_may_read(self, judged: Judged) -> bool:
        """Say whether something that was seen has other readers than its document: what is below it has them too, and was not seen.

        Cost in requests: what is above the items, and who may read them, is looked up.
        """
        if any(self.is_restricted(entry) for i, entry in judged.outside.items() if i in self._known):
            return True
        if not self._datasource.enable_permissions:
            return False
        self.surroundings.look_up_parents()
        self.readers.look_up(judged.within.values())
        for content_id, entry in judged.within.items():
            record = self._known.get(content_id)
            if entry.type in CONTAINED_TYPES or record is None or not record.readers:
                continue
            is_settled = not record.pending and record.failure is None and not self.readers.is_doubtful(entry)
            if is_settled and record.readers != self.readers.levels(entry):
                return True
        return False

    def left_out(self, judged: Judged) -> dict[str, int]:
        """Return how many items are out because they are restricted, and because who may read them cannot be read."""
        if not self._datasource.leaves_out_restricted:
            return {}
        closed = [entry for entry in judged.outside.values() if self.readers.is_open(entry) is False]
        restricted = sum(self.is_restricted(entry) for entry in closed)
        return {"restricted": restricted, "unreadable": len(closed) - restricted}

    def _is_open(self, datasource: Datasource, entry: Entry) -> bool | None:
        return self.readers.is_open(entry) if datasource.leaves_out_restricted else True

    def _is_in_a_space(self, datasource: Datasource, entry: Entry) -> bool:
        if datasource is self._datasource:
            return entry.space_id in self._admitted
        space = self._spaces.get(entry.space_id)
        return space is not None and admits_space(datasource, space)

    def _is_below(self, roots: tuple[str, ...], entry: Entry) -> bool | None:
        # Blog posts stand in no tree: whether they are in is said by enable_blogposts alone.
        if not roots or entry.type == "blogpost" or entry.content_id in roots:
            return True
        above, whole = self.surroundings.way_up(entry)
        return bool(set(roots) & set(above)) or (False if whole else None)


def _admits_labels(datasource: Datasource, labels: tuple[str, ...] | None) -> bool | None:
    if not datasource.include_labels and not datasource.exclude_labels:
        return True
    if labels is None:
        return None
    included, excluded = _lower(datasource.include_labels), _lower(datasource.exclude_labels)
    found = _lower(labels)
    return not found & excluded and (not included or bool(found & included))


def _lower(labels: tuple[str, ...]) -> set[str]:
    # Confluence keeps labels in lower case, whatever was typed.
    return {label.lower() for label in labels}
