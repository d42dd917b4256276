"""A small wiki for the console commands."""

from __future__ import annotations

import pytest


def fill(sandbox):
    model = sandbox.model
    model.create_space("DOCS", "Documentation")
    page = model.create_page("DOCS", "Rollback", "<p>How to roll back a <strong>deployment</strong></p>")
    model.create_blogpost("DOCS", "News", "<p>Shipped</p>")
    model.attach(page, "plan.txt", b"plan", "text/plain")
    return sandbox


@pytest.fixture
def filled(sandbox):
    return fill(sandbox)


@pytest.fixture
def filled_cloud(cloud):
    return fill(cloud)
