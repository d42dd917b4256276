"""The macro handlers that a page writes do what it says, in tests and in a run (writing-a-macro-handler.md)."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from airflow_provider_confluence.cli.search import index_file
from airflow_provider_confluence.cli.sync import sync
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.sinks.local import LocalIndex
from tests.docs.examples import CHECKOUT
from tests.docs.packages import write_package

PAGE = (CHECKOUT / "docs" / "writing-a-macro-handler.md").read_text(encoding="utf-8")


@pytest.fixture
def package(tmp_path):
    write_package(PAGE, tmp_path, "acme-confluence")
    return tmp_path


def test_the_tests_of_the_page_pass(package):
    (command,) = re.findall(r"^\$ python (-m pytest .*)$", PAGE, re.MULTILINE)
    done = subprocess.run(
        [sys.executable, *command.split(), "-p", "no:cacheprovider", "-W", "error"],
        cwd=package,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert "3 passed" in done.stdout


def test_a_run_finds_the_installed_handlers_and_looks_up_who_they_name(package, monkeypatch, cloud):
    monkeypatch.syspath_prepend(str(package))
    wiki = cloud.model
    wiki.create_space("DOCS")
    owner = wiki.add_user("u-7", "Ada Lovelace")
    macro = (
        '<ac:structured-macro ac:name="acme-ticket"><ac:parameter ac:name="headline">New</ac:parameter><ac:parameter '
        f'ac:name="owner"><ri:user ri:account-id="{owner}"/></ac:parameter><ac:rich-text-body><p>Read this.</p></ac:rich-text-body>'
        '</ac:structured-macro><p><ac:structured-macro ac:name="acme-rating"><ac:parameter ac:name="stars">4</ac:parameter>'
        "</ac:structured-macro></p>"
    )
    page = wiki.create_page("DOCS", "Ticket", macro)
    docs = read_datasource("docs", {"space": "DOCS"})
    result = sync(docs, endpoint=cloud.endpoint, username=cloud.username, token=cloud.token, storage=package)
    sys.modules.pop("acme_confluence", None)

    assert result.clean
    with LocalIndex(index_file(package)) as index:
        (hit,) = index.search("read").hits
        document = index.get(hit.id)
    assert document.content_id == page
    assert document.content == "> **Tip: New**\n>\n> Owner: Ada Lovelace\n>\n> Read this.\n\n**4 of 5**\n"
    assert document.properties == {"Rating": "4"}
    assert document.warnings == ()
