"""Where the model finds its items: by id, by parent, by container, and in the orders that listings ask for.

Listings of a hundred thousand pages are read 250 rows at a time, so orders are kept sorted (by id) or kept until the next change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence

from airflow_provider_confluence.testing.sandbox.records import Item, ItemType

SortKey = int | str
Position = tuple[SortKey, int]

_KEPT_ORDERS = 16


class Index:
    """Items and their orders. Not safe by itself: the model holds its lock."""

    def __init__(self) -> None:
        self._items: dict[int, Item] = {}
        self._children: dict[int, set[int]] = {}
        self._contained: dict[int, list[int]] = {}
        self._ids: dict[tuple[ItemType, int], list[int]] = {}
        self._hidden: set[int] = set()
        self._orders: dict[tuple[object, ...], list[Position]] = {}
        self.generation = 0

    def touch(self) -> None:
        """Forget the orders that are kept: something changed."""
        self.generation += 1
        self._orders.clear()

    def add(self, item: Item) -> None:
        """Take in a new item."""
        self._items[item.id] = item
        insort(self._ids.setdefault((item.type, item.space_id), []), item.id)
        if item.container_id is not None:
            self._contained.setdefault(item.container_id, []).append(item.id)
        if item.parent_id is not None:
            self._children.setdefault(item.parent_id, set()).add(item.id)
        self.touch()

    def remove(self, item: Item) -> None:
        """Forget an item."""
        if self._items.pop(item.id, None) is None:
            return
        self._ids[(item.type, item.space_id)].remove(item.id)
        if item.container_id is not None and item.container_id in self._contained:
            self._contained[item.container_id].remove(item.id)
        if item.parent_id is not None and item.parent_id in self._children:
            self._children[item.parent_id].discard(item.id)
        self._children.pop(item.id, None)
        self._contained.pop(item.id, None)
        self._hidden.discard(item.id)
        self.touch()

    def reparent(self, item: Item, parent_id: int | None) -> None:
        """Hang an item below another one, or at the root."""
        if item.parent_id is not None and item.parent_id in self._children:
            self._children[item.parent_id].discard(item.id)
        item.parent_id = parent_id
        if parent_id is not None:
            self._children.setdefault(parent_id, set()).add(item.id)
        self.touch()

    def rehome(self, item: Item, space_id: int) -> None:
        """Put an item into another space."""
        self._ids[(item.type, item.space_id)].remove(item.id)
        item.space_id = space_id
        insort(self._ids.setdefault((item.type, space_id), []), item.id)
        self.touch()

    def note_hidden(self, item: Item) -> None:
        """Keep account of the items that are hidden."""
        (self._hidden.add if item.hidden else self._hidden.discard)(item.id)
        self.touch()

    @property
    def anything_hidden(self) -> bool:
        """Whether any item at all is hidden; where none is, nobody needs to climb the tree."""
        return bool(self._hidden)

    def get(self, item_id: int) -> Item | None:
        """Return an item, or ``None``."""
        return self._items.get(item_id)

    def items(self) -> Iterable[Item]:
        """Return all items, in the order in which they were made."""
        return self._items.values()

    def children(self, item_id: int) -> list[Item]:
        """Return the direct children in the tree, in no order."""
        return [self._items[child] for child in self._children.get(item_id, ())]

    def contained(self, item_id: int, *types: ItemType) -> list[Item]:
        """Return the attachments and comments of a container, or those of some types, in the order of their ids."""
        found = [self._items[contained] for contained in self._contained.get(item_id, ())]
        return [item for item in found if not types or item.type in types]

    # ------------------------------------------------------------------------------------ orders
    def order(self, types: Sequence[ItemType], space_ids: Sequence[int] | None, field: str) -> list[Position]:
        """Return the positions (sort value, id) of all items of these types and spaces, ascending."""
        key = (field, tuple(types), None if space_ids is None else tuple(space_ids))
        found = self._orders.get(key)
        if found is None:
            wanted = [
                ids for (type_, space), ids in self._ids.items() if type_ in types and self._chosen(space, space_ids)
            ]
            found = sorted((sort_value(self._items[id_], field), id_) for ids in wanted for id_ in ids)
            if len(self._orders) >= _KEPT_ORDERS:
                self._orders.clear()
            self._orders[key] = found
        return found

    @staticmethod
    def _chosen(space_id: int, space_ids: Sequence[int] | None) -> bool:
        return space_ids is None or space_id in space_ids

    def walk(self, order: list[Position], *, descending: bool = False, after: Position | None = None) -> Iterator[Item]:
        """Yield the items of an order from its beginning, or from behind a position, which need not exist any more."""
        if descending:
            start = len(order) if after is None else bisect_left(order, after)
            positions: Iterable[int] = range(start - 1, -1, -1)
        else:
            start = 0 if after is None else bisect_right(order, after)
            positions = range(start, len(order))
        for position in positions:
            yield self._items[order[position][1]]


def sort_value(item: Item, field: str) -> SortKey:
    """Return what an item is sorted by, as something that a cursor can hold."""
    if field == "modified-date":
        return int(item.version.created_at.timestamp() * 1_000_000)
    if field == "created-date":
        return int(item.created_at.timestamp() * 1_000_000)
    if field == "title":
        return item.title.casefold()
    return item.id
