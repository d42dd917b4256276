"""Where the model finds its items: by id, by parent, by container, and in the orders that listings ask for.

Listings of a hundred thousand pages are read 250 rows at a time, so orders are kept sorted (by id) or kept until the next change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from airflow_provider_confluence.testing.sandbox.readings import Readings
from airflow_provider_confluence.testing.sandbox.records import Item, ItemType

SortKey = int | str
Position = tuple[SortKey, int]
Place = tuple[SortKey, int, int]
"""A position with what decides between items that are alike: sort value, tie, id."""

_KEPT_ORDERS = 16
_TIES: dict[str, Callable[[int], int]] = {
    "id": lambda item_id: item_id,
    "-id": lambda item_id: -item_id,
    "mixed": lambda item_id: item_id * 2_654_435_761 % 2**32,
}


class Index:
    """Items and their orders. Not safe by itself: the model holds its lock."""

    def __init__(self, readings: Readings) -> None:
        self._readings = readings
        self._items: dict[int, Item] = {}
        self._children: dict[int, set[int]] = {}
        self._contained: dict[int, list[int]] = {}
        self._ids: dict[tuple[ItemType, int], list[int]] = {}
        self._hidden: set[int] = set()
        self._orders: dict[tuple[object, ...], list[Place]] = {}
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
    def order(self, types: Sequence[ItemType], space_ids: Sequence[int] | None, field: str) -> list[Place]:
        """Return the places of all items of these types and spaces, ascending."""
        key = (field, self._readings.ties, tuple(types), None if space_ids is None else tuple(space_ids))
        found = self._orders.get(key)
        if found is None:
            wanted = [
                ids for (type_, space), ids in self._ids.items() if type_ in types and self._chosen(space, space_ids)
            ]
            found = self.arrange([self._items[id_] for ids in wanted for id_ in ids], field)
            if len(self._orders) >= _KEPT_ORDERS:
                self._orders.clear()
            self._orders[key] = found
        return found

    @staticmethod
    def _chosen(space_id: int, space_ids: Sequence[int] | None) -> bool:
        return space_ids is None or space_id in space_ids

    def arrange(self, items: Iterable[Item], field: str) -> list[Place]:
        """Return the places of some items, ascending."""
        tie = _TIES[self._readings.ties]
        return sorted((sort_value(item, field), tie(item.id), item.id) for item in items)

    def _place(self, position: Position) -> Place:
        value, item_id = position
        return value, _TIES[self._readings.ties](item_id), item_id

    def walk(
        self,
        order: list[Place],
        *,
        descending: bool = False,
        after: Position | None = None,
        states: Mapping[int, Item] | None = None,
    ) -> Iterator[Item]:
        """Yield the items of an order from its beginning, or from behind a position, which need not exist any more.

        :param states: what to yield for each id, where it is not the item as it is now.
        """
        known = self._items if states is None else states
        if descending:
            start = len(order) if after is None else bisect_left(order, self._place(after))
            positions: Iterable[int] = range(start - 1, -1, -1)
        else:
            start = 0 if after is None else bisect_right(order, self._place(after))
            positions = range(start, len(order))
        for position in positions:
            yield known[order[position][2]]


def sort_value(item: Item, field: str) -> SortKey:
    """Return what an item is sorted by, as something that a cursor can hold."""
    if field == "modified-date":
        return int(item.version.created_at.timestamp() * 1_000_000)
    if field == "created-date":
        return int(item.created_at.timestamp() * 1_000_000)
    if field == "title":
        return item.title.casefold()
    return item.id
