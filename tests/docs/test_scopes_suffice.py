"""The page about getting in names scopes that are enough, and none that is not needed: whole runs through the gateway with just these."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_confluence.confluence.client import ConnectionSettings
from airflow_provider_confluence.errors import AccessDeniedError
from tests.sync.conftest import Wiki, fill

PAGE = (Path(__file__).parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
ON: dict[str, dict[str, Any]] = {
    "always": {},
    "restricted": {"restricted": "skip"},
    "enable_permissions": {"enable_permissions": True},
    "enable_attachments": {"enable_attachments": True},
    "enable_comments": {"enable_comments": True},
    "enable_folders": {"enable_folders": True},
    "rendered_macros": {"rendered_macros": ["jira"]},
}


def rows() -> dict[str, list[list[str]]]:
    """For each setting its scopes, each as the list of those of which one is enough."""
    table = PAGE.split("## Scopes\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `?(\w+)`? \| (`.*) \|$", table, re.MULTILINE)
    return {
        setting: [re.findall(r"`([^`]+)`", each) for each in re.findall(r"(?:`[^`]+`(?: / )?)+ \(", text)]
        for setting, text in found
    }


SCOPES = rows()


@dataclass
class Scoped(Wiki):
    """A datasource that reads through the gateway, where tokens have scopes."""

    @property
    def settings(self) -> ConnectionSettings:
        return replace(super().settings, cloud_id=self.sandbox.cloud_id, gateway_url=self.sandbox.origin)


@pytest.fixture
def scoped(cloud, tmp_path):
    wiki = fill(Scoped(cloud, tmp_path))
    model = wiki.model
    folder = model.create_folder("DOCS", "Drawer")
    macro = '<ac:structured-macro ac:name="jira"><ac:parameter ac:name="key">OPS-1</ac:parameter></ac:structured-macro>'
    page = model.create_page("DOCS", "In the drawer", f"<p>See</p>{macro}", parent=folder)
    model.create_comment(page, "<p>Well</p>")
    wiki.definition = {"name": "Docs", "space": ["DOCS"], "enable_blogposts": True, "restricted": "include"}
    return wiki


def needed(setting: str) -> list[list[str]]:
    """The scopes of a setting with those that are always needed, and of what it brings with it."""
    asks_readers = setting in ("restricted", "enable_permissions")
    return [
        *SCOPES["always"],
        *(SCOPES["restricted"] if asks_readers else ()),
        *(SCOPES[setting] if setting not in ("always", "restricted") else ()),
    ]


def test_the_table_has_a_row_for_each_setting_that_is_tried_here():
    assert SCOPES.keys() == ON.keys()
    assert all(len(scopes) >= 1 for scopes in SCOPES.values())


@pytest.mark.parametrize(
    ("setting", "which"),
    [*((setting, 0) for setting in ON), *((setting, -1) for setting in ("enable_permissions", "rendered_macros"))],
    ids=lambda value: {0: "granular", -1: "classic"}.get(value, value),
)
def test_the_scopes_of_the_table_are_enough_for_a_whole_run(scoped, setting, which):
    scoped.definition.update(ON[setting])
    scoped.model.readings.token_scopes = tuple({scopes[which] for scopes in needed(setting)})
    assert scoped.run().problems == ()
    assert {"In the drawer", "Guide", "News"} <= {each.title for each in scoped.documents().values()}


# As the page says: what these are for is made do without, or not in this wiki.
DONE_WITHOUT = ("search:confluence", "read:content.metadata:confluence")
NOT_HERE = ("read:whiteboard:confluence", "read:database:confluence", "read:embed:confluence")


@pytest.mark.parametrize(
    ("setting", "scopes"), [(setting, scopes) for setting in ON for scopes in SCOPES[setting]], ids=str
)
def test_without_one_of_them_the_run_ends_with_its_name_or_makes_do(scoped, setting, scopes):
    scoped.definition.update(ON[setting])
    scoped.model.readings.token_scopes = tuple({scope for each in needed(setting) for scope in each} - set(scopes))
    if set(scopes) & {*DONE_WITHOUT, *NOT_HERE}:
        assert scoped.run().problems == ()
        return
    with pytest.raises(AccessDeniedError) as caught:
        scoped.run()
    assert all(scope in str(caught.value) for scope in scopes)
