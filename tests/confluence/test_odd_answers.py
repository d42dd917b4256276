"""Every question that the client asks, answered with JSON that makes no sense: it is answered somehow, or by one of our errors."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import closing, suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.testing.sandbox import Model, Sandbox
from tests.odd_answers import Odd

# More are tried by CONFLUENCE_ODD_ANSWERS=1000 pytest tests/confluence/test_odd_answers.py
EXAMPLES = int(os.environ.get("CONFLUENCE_ODD_ANSWERS", "15"))


@pytest.fixture(scope="module", params=["cloud", "datacenter"])
def asking(request: pytest.FixtureRequest) -> Any:
    """Yield a sandbox and every question about its wiki, by name."""
    with Sandbox(request.param, Model()) as sandbox:
        model = sandbox.model
        model.create_space("DOCS", "Documentation")
        home = model.create_page("DOCS", "Home", "<p>Welcome</p>", labels=["a"])
        page = model.create_page("DOCS", "Guide", "<p>How</p>", parent=home, labels=["b"])
        model.create_blogpost("DOCS", "News", "<p>n</p>")
        model.attach(page, "plan.txt", b"the plan", "text/plain")
        model.reply(model.create_comment(page, "<p>Well said</p>"), "<p>Thanks</p>")
        gate = Gate(max_in_flight=4, sleep=lambda _: None, jitter=lambda: 0.0, patience_seconds=1e9)
        settings = ConnectionSettings(sandbox.endpoint, sandbox.username, sandbox.token)
        with closing(connect(settings, gate=gate)) as client:
            yield sandbox, questions(client, page)


def questions(client: Any, page: str) -> dict[str, Callable[[], object]]:
    (space,) = client.spaces(["DOCS"])
    entry = next(found for found in client.list_content(space, "page") if found.content_id == page)
    (attachment,) = client.attachments_of(entry)
    comments = list(client.list_comments([space]))
    types = ("page", "blogpost", "attachment", "comment")
    return {
        "identity": client.identity,
        "spaces": lambda: client.spaces(["DOCS"]),
        "pages": lambda: list(client.list_content(space, "page")),
        "blog posts": lambda: list(client.list_content(space, "blogpost")),
        "attachments": lambda: list(client.list_attachments([space])),
        "comments": lambda: list(client.list_comments([space])),
        # (A quick look stops by itself; without a bound it would follow a list for as long as one is shown.)
        "newest": lambda: [found for found, _ in zip(client.list_newest([space], types), range(5), strict=False)],
        "attachments of": lambda: list(client.attachments_of(entry)),
        "labels": lambda: client.labels_of("page", [page]),
        "readers": lambda: client.readers_of("page", [page]),
        "inherited readers": lambda: client.inherited_readers(page),
        "readers of a space": lambda: client.space_readers(space),
        "look-up": lambda: client.look_up("page", [page]),
        "look-up of comments": lambda: client.look_up("comment", [comments[0].content_id]),
        "look-up of attachments": lambda: client.look_up_attachments([attachment.content_id]),
        "bodies": lambda: list(client.fetch_bodies("page", [page])),
        "bodies of comments": lambda: list(client.fetch_comments(comments)),
        "text of an attachment": lambda: client.server_text(attachment),
        "views": lambda: list(client.export_views([(page, "<p/>")])),
        "names of files": lambda: client.file_names(entry),
        "folders": lambda: client.tree_nodes([("folder", "1"), ("page", page)]),
        "folders found": lambda: client.find_tree_nodes([space]),
        "people": lambda: client.people(["admin"]),
    }


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(seed=st.integers(0, 2**32))
@example(seed=4714016)  # half a character as what a conversion is to be asked for by
def test_any_question_may_be_answered_with_nonsense(asking: Any, seed: int) -> None:
    sandbox, questions = asking
    for name, ask in questions.items():
        odd = Odd(random.Random(f"{seed} {name}"), 0.7)
        sandbox.faults.add(odd)
        try:
            with suppress(ConfluenceProviderError):
                ask()
        finally:
            sandbox.faults.remove(odd)
