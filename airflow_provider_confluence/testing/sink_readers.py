"""A small wiki with people in it, for holding sinks to who may read what.

It decides by its own tree and its own lists of names, and knows nothing of levels but how a document writes them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from airflow_provider_confluence.documents import Document
from airflow_provider_confluence.testing.sink_items import make_document

_ODD_NAMES = (
    *("Sales, EMEA", "it's", 'say "hi"', "{curly}", "back\\slash", "per%cent", "two  spaces", "ünïcode", "検索"),
    *("staff", "Staff", "user:p1", "anonymous", "authenticated", "NULL", "*", "') OR 1=1 --"),
)


@dataclass
class _Door:
    """Who comes through: named people, members of named groups, all who are logged in, everybody; nobody where it cannot be read."""

    people: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    logged_in: bool = False
    everybody: bool = False

    def lets_in(self, person: str | None, groups: set[str]) -> bool:
        if self.everybody:
            return True
        return person is not None and (self.logged_in or person in self.people or bool(groups & self.groups))

    def written(self) -> list[str]:
        """The door as a level of a document."""
        names = [f"user:{name}" for name in self.people] + [f"group:{name}" for name in self.groups]
        names += ["authenticated"] * self.logged_in + ["anonymous"] * self.everybody
        return sorted(names)


class SmallWiki:
    """200 pages in a tree behind doors, and 30 readers: a visitor, and 29 people in up to four groups each.

    :param seed: draws another wiki.
    """

    def __init__(self, seed: int, *, pages: int = 200, readers: int = 30) -> None:
        self._chance = chance = random.Random(seed)
        self._groups = (*_ODD_NAMES, "red", "green", "blue", "p2")
        self._people = (*(f"p{number}" for number in range(readers - 1 - 4)), "p1 ", "P2", "o'hara", "red")
        self.members: dict[str | None, set[str]] = {None: set()}
        for person in self._people:
            self.members[person] = set(chance.sample(self._groups, chance.randint(0, 4)))
        self._spaces = [_Door(everybody=True), _Door(logged_in=True), self._drawn(8), self._drawn(8)]
        self._space = [chance.randrange(len(self._spaces)) for _ in range(pages)]
        self._above: list[int | None] = []
        self._doors: list[_Door | None] = []
        for number in range(pages):
            self._above.append(None if chance.random() < 0.1 else self._page_of_its_space(number))
            self._doors.append(self._drawn_or_none())
        # Of these a document says nothing at all, which is not the same as a page without restrictions.
        self._silent = set(chance.sample(range(pages), 10))

    def _drawn(self, most: int) -> _Door:
        chance = self._chance
        people = set(chance.sample(self._people, chance.randint(0, most)))
        return _Door(people, set(chance.sample(self._groups, chance.randint(0, most))), chance.random() < 0.1)

    def _drawn_or_none(self) -> _Door | None:
        drawn = self._chance.random()
        if drawn < 0.5:
            return None
        if drawn < 0.53:
            return _Door()
        if drawn < 0.56:
            return _Door({*self._drawn(6).people, *(f"stranger {number}" for number in range(200))})
        return self._drawn(10)

    def _page_of_its_space(self, number: int) -> int | None:
        """Return a page above: mostly the last one of the space, so that the tree has deep branches."""
        others = [other for other in range(number) if self._space[other] == self._space[number]]
        return (others[-1] if self._chance.random() < 0.3 else self._chance.choice(others)) if others else None

    def close_all_but(self, person: str) -> None:
        """Put a door before every page that is at the top of its space, which lets one person through."""
        for number, above in enumerate(self._above):
            if above is None:
                self._doors[number] = _Door({person})

    # ------------------------------------------------------------------------------------ what the wiki says
    @property
    def readers(self) -> tuple[str | None, ...]:
        """The people, by their ids; ``None`` is a visitor."""
        return tuple(self.members)

    def readable(self, person: str | None) -> set[str]:
        """Return the content ids of what a person may read and an index may show."""
        return {str(number) for number in range(len(self._above)) if self._may_read(person, number)}

    def _may_read(self, person: str | None, number: int) -> bool:
        if number in self._silent or not self._spaces[self._space[number]].lets_in(person, self.members[person]):
            return False
        step: int | None = number
        while step is not None:
            door = self._doors[step]
            if door is not None and not door.lets_in(person, self.members[person]):
                return False
            step = self._above[step]
        return True

    def principals(self, person: str | None) -> list[str]:
        """Return what a search is told of a person."""
        if person is None:
            return ["anonymous"]
        return [
            f"user:{person}",
            *(f"group:{name}" for name in sorted(self.members[person])),
            "authenticated",
            "anonymous",
        ]

    def documents(self, revision: int) -> Iterator[Document]:
        """Yield the pages as they are to be indexed."""
        for number in range(len(self._above)):
            levels: list[list[str]] = []
            step: int | None = number
            while step is not None:
                door = self._doors[step]
                if door is not None:
                    levels.insert(0, door.written())
                step = self._above[step]
            levels.insert(0, self._spaces[self._space[number]].written())
            permissions = None if number in self._silent else levels
            yield replace(make_document(number, revision), permissions=permissions)
