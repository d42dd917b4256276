"""Law 5 under every kind of scope: whatever happens to wiki, settings and runs, the index ends as what is shown in scope."""

from __future__ import annotations

from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.errors import ConfigurationError, SpaceNotFoundError
from airflow_provider_confluence.sync.context import CRASH_POINTS
from airflow_provider_confluence.testing.sandbox import Sandbox
from tests.contracts.checker import ContractChecker
from tests.sync.conftest import Wiki, fill
from tests.sync.histories import StopAt, Stopped

LABELS = ("howto", "ops", "start")
ON_PAGES = ("edit", "trash", "archive", "hide", "relabel", "move_below", "move_to_space", "attach")
ON_WIKI = ("create", "create_space", "delete_space", "hide_space", "show", "post")
SETTINGS = ("space", "exclude", "personal", "include_labels", "exclude_labels", "roots", "posts")
steps = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from([*ON_PAGES, *ON_WIKI, *SETTINGS]), st.integers(0, 30)), max_size=6),
        st.sampled_from([None, None, *CRASH_POINTS]),
        st.sampled_from(["auto", "auto", "changes", "changes", "verify", "full"]),
    ),
    min_size=1,
    max_size=5,
)


def act(wiki, action, number):
    """Do one thing to the wiki or to the datasource, where it can be done."""
    model = wiki.model
    items = [item for item in model if item.status == "current" and not item.hidden]
    pages = [item.public_id for item in items if item.type == "page"]
    keys = [space.key for space in model.spaces()]
    if action in SETTINGS:
        choose(wiki.definition, action, number, pages)
    elif action == "create_space":
        key = ("~s0", "S1", "~s2")[number % 3]
        with suppress(ValueError):
            model.create_space(key, type="personal" if key.startswith("~") else "global")
            model.create_page(key, f"In space {number}", labels=[LABELS[number % 3]])
    elif action == "show":
        for key in ("DOCS", "OPS", "~s0", "S1", "~s2"):
            if model.space(key) is not None:
                model.show_space(key)
        for item in model:
            model.show(item.public_id)
    elif not keys:
        return
    elif action in ("delete_space", "hide_space"):
        if keys[number % len(keys)] != "DOCS":
            getattr(model, action)(keys[number % len(keys)])
    elif action == "post":
        model.create_blogpost(keys[number % len(keys)], f"Post {number}", labels=[LABELS[number % 3]])
    elif action == "create":
        parent = pages[number % len(pages)] if pages else None
        key = model.space_by_id(model.item(parent).space_id).key if parent else "DOCS"
        model.create_page(key, f"Created {number}", parent=parent, labels=LABELS[: number % 3])
    elif pages:
        on_page(model, action, pages[number % len(pages)], pages, keys, number)


def on_page(model, action, page, pages, keys, number):
    if action == "edit":
        model.edit(page, body=f"<p>Edit {number}</p>")
    elif action == "relabel":
        model.relabel(page, LABELS[number % 4 :])
    elif action == "attach":
        model.attach(page, f"file{number % 3}.txt", b"x" * number, "text/plain")
    elif action == "move_below":
        with suppress(ValueError):
            model.move(page, parent=pages[number * 7 % len(pages)])
    elif action == "move_to_space":
        model.move(page, space=keys[number % len(keys)])
    else:
        getattr(model, action)(page)


def choose(definition, action, number, pages):
    if action == "space":
        definition["space"] = ["*", ["DOCS"], "*"][number % 3]
        if definition["space"] != "*":
            definition |= {"exclude_spaces": [], "personal_spaces": False}
    elif action == "exclude" and definition["space"] == "*":
        definition["exclude_spaces"] = [["OPS"], [], ["S1", "OPS"]][number % 3]
    elif action == "personal" and definition["space"] == "*":
        definition["personal_spaces"] = not definition.get("personal_spaces", False)
    elif action == "include_labels":
        definition["include_labels"] = [label for label in LABELS[: number % 3] if label != "start"]
    elif action == "exclude_labels":
        definition["exclude_labels"] = ["start"][: number % 2]
    elif action == "roots":
        definition["root_pages"] = [pages[number % len(pages)]] if pages and number % 3 else []
    elif action == "posts":
        definition["enable_blogposts"] = not definition["enable_blogposts"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edition=st.sampled_from(["cloud", "datacenter"]), history=steps)
def test_any_history_of_scopes_with_stops_converges(tmp_path_factory, edition, history):
    checker = ContractChecker(edition)
    with Sandbox(edition, observer=checker) as sandbox:
        wiki = fill(Wiki(sandbox, tmp_path_factory.mktemp("w")))
        wiki.definition["space"] = "*"
        for changes, point, mode in history:
            for action, number in changes:
                act(wiki, action, number)
            wiki.reached = StopAt(point) if point else lambda _: None
            before = wiki.indexed() if (wiki.folder / "index").exists() else {}
            refused = False
            try:
                wiki.run(mode=mode)
            except Stopped:
                pass
            except (SpaceNotFoundError, ConfigurationError):
                refused = True
            after = wiki.indexed() if (wiki.folder / "index").exists() else {}
            assert not refused or after == before, "a scope that cannot be seen must change nothing"
            expected = wiki.expected()
            assert not [i for i in before if i not in after and i in expected], "something in scope was removed"
        wiki.reached = lambda _: None
        wiki.definition["root_pages"] = []
        act(wiki, "show", 0)
        wiki.definition["space"] = ["DOCS"] if not wiki.space_keys() else wiki.definition["space"]
        if wiki.definition["space"] != "*":
            wiki.definition |= {"exclude_spaces": [], "personal_spaces": False}
        result = wiki.run(mode="reconcile")
        assert result.clean, result.problems
        assert wiki.indexed() == wiki.expected()
    checker.assert_clean()
