"""Whoever searches the index finds what the wiki lets them read: random trees, groups, restrictions, changes and unreadable parts, both
editions."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.sinks.local import LocalIndex, LocalSink
from airflow_provider_confluence.sync.context import RunContext
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.sync.storage import Storage
from airflow_provider_confluence.testing.sandbox import Sandbox
from airflow_provider_confluence.testing.sandbox.permissions import EVERYONE, SpaceAccess

MODELS = int(os.environ.get("READER_MODELS", "25"))
"""So many wikis are drawn for each edition; ``make readers`` draws 250, as CI does."""
PEOPLE = ("ann", "bob", "cyd", "dee")
GROUPS = ("red", "green", "blue")
CHANGES = (
    *("restrict", "restrict", "restrict", "free", "move", "move", "edit", "trash", "restore", "create"),
    *("attach", "refuse", "hide", "show", "space"),
)
READINGS = {
    "hidden_covers_descendants": (True, False),
    "search_cap_expanded": (200, 2),
    "list_cap_expanded": (200, 2),
    "restrictions_cap": (200, 1, 2),
    "cql_lists_archived": (True, False),
    "cql_index_lag_seconds": (0.0, 600.0),
    "scan_available": (True, True, False),
    "space_roles": (False, True),
    "move_bumps_version": (False, True),
    "anonymous_access": (False, True),
    "site_permissions_told": (True, True, False),
    "relevant_restrictions": (True, False),
    "space_permissions": ("rest", "rest", "json-rpc"),
}


@pytest.fixture(scope="module", params=["cloud", "datacenter"])
def server(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(request.param) as sandbox:
        for person in PEOPLE:
            sandbox.model.add_user(person, person.title())
        yield sandbox


@dataclass
class World:
    """A wiki in one space of a sandbox that many share, with its datasource; what is drawn hangs on the number alone."""

    sandbox: Sandbox
    folder: Path
    number: int
    items: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.chance = random.Random(self.number)
        self.model = self.sandbox.model
        self.key = f"S{self.number}"
        self.datasource_id = f"docs{self.number}"
        self.index = self.folder.parent / "index.sqlite3"  # that of all worlds
        for name, values in READINGS.items():
            setattr(self.model.readings, name, self.chance.choice(values))
        if self.sandbox.edition == "datacenter":  # where attachments are listed by the search alone
            self.model.readings.cql_index_lag_seconds = 0.0
        for group in GROUPS:
            self.model.permissions.add_group(group, self.some(PEOPLE))
        self.model.create_space(self.key)
        # What documents say may be left out of the index instead.
        self.definition = {
            "space": self.key,
            "enable_attachments": True,
            "enable_comments": True,
            "enable_blogposts": True,
            **({"enable_permissions": True} if self.chance.random() < 0.7 else {"restricted": "skip"}),
        }
        self.act("space")
        for _ in range(self.chance.randint(3, 8)):
            self.act("create")
        for _ in range(self.chance.randint(0, 4)):
            self.act(self.chance.choice(["restrict", "restrict", "refuse", "hide", "attach"]))

    def some(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.chance.sample(names, self.chance.randint(0, len(names))))

    def shown(self, *types: str) -> list[str]:
        found = (self.model.item(content_id) for content_id in self.items)
        return [i.public_id for i in found if i is not None and i.type in types and i.status == "current"]

    def act(self, action: str) -> None:
        model, chance = self.model, self.chance
        pages = self.shown("page")
        page = chance.choice(pages) if pages else None
        if action == "create":
            self.items.append(
                model.create_page(self.key, f"Page {len(self.items)}", parent=chance.choice([None, *pages]))
            )
            if chance.random() < 0.15:
                self.items.append(model.create_blogpost(self.key, f"Post {len(self.items)}"))
            if self.sandbox.edition == "cloud" and chance.random() < 0.15:
                folder = model.create_folder(
                    self.key, f"Folder {len(self.items)}", parent=chance.choice([None, *pages])
                )
                self.items += [folder, model.create_page(self.key, f"Page {len(self.items)}", parent=folder)]
        elif action == "space":
            access = SpaceAccess(users=self.some(PEOPLE), groups=self.some((EVERYONE, *GROUPS)))
            access.visitors = self.sandbox.edition == "datacenter" and chance.random() < 0.3
            access.refused = chance.random() < 0.08
            if self.sandbox.edition == "cloud" and model.readings.space_roles:
                access.by_role = chance.random() < 0.5
                access.classes = self.some(("authenticated-users", "all-product-admins", "anonymous-users"))
            model.open_space(self.key, access)
        elif action == "restore":
            gone = [i for i in self.items if (item := model.item(i)) is not None and item.status == "trashed"]
            if gone:
                model.restore(chance.choice(gone))
        elif page is None:
            return
        elif action in ("restrict", "refuse"):
            one = chance.choice(self.shown("page", "blogpost", "folder"))
            model.restrict(
                one, users=self.some(PEOPLE), groups=self.some((EVERYONE, *GROUPS)), refused=action == "refuse"
            )
        elif action == "free":
            restricted = [
                i for i in self.items if (item := model.item(i)) and item.id in model.permissions.restrictions
            ]
            model.restrict(chance.choice(restricted or [page]))
        elif action == "move":
            below = {str(i.id) for i in model.descendants(model.item(page))} | {page}
            model.move(page, parent=chance.choice([None, *(other for other in pages if other not in below)]))
        elif action == "edit":
            model.edit(page, body=f"<p>{chance.random()}</p>")
        elif action == "attach":
            model.attach(page, "file.bin", b"x")
            model.create_comment(page, "<p>Well</p>")
        else:
            getattr(model, action)(page)

    def run(self, mode: str):
        endpoint, username, token = self.sandbox.endpoint, self.sandbox.username, self.sandbox.token
        settings = ConnectionSettings(endpoint, username, token, requests_per_second=100_000)
        context = RunContext(
            storage=Storage(self.folder),
            connect=lambda _: connect(settings),
            make_sink=lambda _: LocalSink(self.index),
        )
        return run_once(context, read_datasource(self.datasource_id, self.definition), mode=mode)

    # ------------------------------------------------------------------------------------ what the wiki says
    def chain(self, content_id: str) -> list:
        item = self.model.item(content_id)
        holder = item if item.container_id is None else self.model.item(str(item.container_id))
        above = self.model.ancestors(holder)
        if self.sandbox.edition == "datacenter":
            above = [step for step in above if step.type != "folder"]
        return [*above, holder]

    def is_told(self, content_id: str) -> bool:
        """Whether our account can learn who may read an item."""
        restrictions, chain = self.model.permissions.restrictions, self.chain(content_id)
        refused = any(step.id in restrictions and restrictions[step.id].refused for step in chain)
        return not refused and not any(step.hidden for step in chain)

    def is_restricted(self, content_id: str) -> bool:
        restrictions = self.model.permissions.restrictions
        found = (restrictions[step.id] for step in self.chain(content_id) if step.id in restrictions)
        return any(restriction.users or restriction.groups for restriction in found)

    def principals(self, person: str | None) -> set[str]:
        if person is None:
            return {"anonymous"}
        groups = self.model.permissions.groups_of(person)
        named = {f"group:{group.id if self.sandbox.edition == 'cloud' else group.name}" for group in groups}
        return {f"user:{person}", "authenticated", "anonymous"} | named

    def check(self, result) -> int:
        """Hold the index against the wiki; return how many pairs of a reader and a document were compared."""
        with LocalIndex(self.index) as index:
            return self.check_index(index, result)

    def found_by(self, index: LocalIndex, principals: set[str] | None) -> dict[str, str]:
        """Return what a search finds that knows who searches (or does not): ids of documents by content id."""
        found = index.search(None, datasource=self.datasource_id, principals=principals, limit=10_000, facets=["type"])
        assert found.total == len(found.hits) == sum(found.facets["type"].values())
        return {hit.content_id: hit.id for hit in found.hits}

    def check_index(self, index: LocalIndex, result) -> int:
        found = {content_id: index.get(id_) for content_id, id_ in self.found_by(index, None).items()}
        there = {r.id for r in self.model.visible([self.key], ["page", "blogpost", "attachment", "comment"])}
        if not self.definition.get("enable_permissions"):
            assert set(found) == {i for i in there if self.is_told(i) and not self.is_restricted(i)}
            assert all(document.permissions is None for document in found.values())
            for person in (*PEOPLE, None):
                assert self.found_by(index, self.principals(person)) == {}
            return len(there)
        assert set(found) == there
        space = self.model.space(self.key)
        closed = {i for i in there if self.model.permissions.space(space.id).refused or not self.is_told(i)}
        assert closed <= {i for i, document in found.items() if [] in document.permissions}
        access, readings = self.model.permissions.space(space.id), self.model.readings
        if access.refused or (access.visitors and not readings.site_permissions_told):
            assert not result.clean or result.mode == "changes"
            # Whether the site lets visitors in is not told, so they are left out.
            readings.anonymous_access &= access.refused
        assert result.counts["unreadable"] == sum([] in document.permissions for document in found.values())
        for person in (*PEOPLE, None):
            readable = {i for i in found if i not in closed and self.model.may_read(person, i)}
            shown = set(self.found_by(index, self.principals(person)))
            assert shown == readable, f"{person}: { {i: found[i].permissions for i in shown ^ readable} }"
        return len(found) * (len(PEOPLE) + 1)


def test_whoever_may_read_an_item_finds_it_and_nobody_else(server: Sandbox, tmp_path: Path) -> None:
    compared = 0
    for number in range(MODELS):
        world = World(server, tmp_path / str(number), number)
        try:
            compared += world.check(world.run("auto"))
            if number % 2:  # every other one goes on
                for _ in range(world.chance.randint(1, 8)):
                    world.act(world.chance.choice(CHANGES))
                if world.chance.random() < 0.3:
                    world.run("changes")
                compared += world.check(world.run("reconcile"))
        except BaseException:
            print(f"world {number} of {server.edition}: {world.definition}, {world.model.readings}")
            raise
        finally:
            world.model.delete_space(world.key)
    assert compared > 10 * MODELS
