"""Runs over a Confluence whose answers are JSON and make no sense: any value may stand in any place."""

from __future__ import annotations

import os
import random
import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_confluence.confluence.client import connect
from airflow_provider_confluence.confluence.gate import Gate
from airflow_provider_confluence.errors import ConfluenceProviderError
from airflow_provider_confluence.sync.commit import RunResult
from airflow_provider_confluence.sync.run import run_once
from airflow_provider_confluence.testing.sandbox import Model, Sandbox
from tests.odd_answers import Odd
from tests.sync.conftest import Wiki, fill

# Further ones are drawn by CONFLUENCE_ODD_ANSWERS=1000 pytest tests/sync/test_odd_answers.py
EXAMPLES = int(os.environ.get("CONFLUENCE_ODD_ANSWERS", "5"))
SECONDS = 30


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)
@given(seed=st.integers(0, 2**32), share=st.sampled_from([0.05, 0.3, 1.0]), quiet=st.booleans())
def test_whatever_confluence_answers_a_run_ends_in_time_by_a_result_or_one_of_our_errors_and_the_next_one_mends_it(
    edition: Any, seed: int, share: float, quiet: bool
) -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        with Sandbox(edition, Model()) as sandbox:
            wiki = fill(Wiki(sandbox, folder))
            wiki.definition |= {
                "enable_comments": True,
                "enable_folders": edition == "cloud",
                "enable_permissions": True,
            }
            page = wiki.model.find("Guide")
            wiki.model.create_comment(page, "<p>Well said</p>")
            if quiet:
                wiki.run()
                wiki.model.edit(page, body="<p>Edited</p>")
            odd = Odd(random.Random(seed), share)
            sandbox.faults.add(odd)
            began = time.monotonic()
            for mode in ("auto", "full"):
                outcome = ended(wiki, mode)
                assert isinstance(outcome, (RunResult, ConfluenceProviderError))
                assert sandbox.token not in str(outcome)
                assert len(str(outcome)) < 20_000
            assert time.monotonic() - began < SECONDS
            sandbox.faults.remove(odd)
            result = run_once(hurried(wiki), wiki.datasource, mode="full")
            if not result.problems:
                assert wiki.indexed() == wiki.expected()
    finally:
        shutil.rmtree(folder)


def hurried(wiki: Wiki) -> Any:
    """The wiki's context, but nothing waits."""
    gate = Gate(max_in_flight=4, sleep=lambda _: None, jitter=lambda: 0.0, patience_seconds=1e9)
    return replace(wiki.context, connect=lambda _: connect(wiki.settings, gate=gate))


def ended(wiki: Wiki, mode: str) -> RunResult | ConfluenceProviderError:
    try:
        return run_once(hurried(wiki), wiki.datasource, mode=mode)
    except ConfluenceProviderError as error:
        return error
