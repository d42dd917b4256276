"""What only shows a run must not fail it."""

from __future__ import annotations

import logging
from dataclasses import replace

from airflow_provider_confluence.sync.run import run_once


def test_an_observer_that_raises_at_everything_fails_no_step_and_is_logged_once(wiki, caplog):
    seen = []

    def observer(event):
        seen.append(event.name)
        raise RuntimeError("a broken observer")

    with caplog.at_level(logging.WARNING):
        result = run_once(replace(wiki.context, observer=observer), wiki.datasource)
    assert result.clean
    assert wiki.indexed() == wiki.expected()
    assert set(seen) == {"listed", "planned", "extracted", "indexed", "committed"}
    assert len([r for r in caplog.records if "the observer failed" in r.getMessage()]) == 1


def test_a_task_that_is_stopped_while_it_tells_is_stopped(wiki):
    import pytest

    def observer(_event):
        raise SystemExit("the task was asked to stop")

    with pytest.raises(SystemExit):
        run_once(replace(wiki.context, observer=observer), wiki.datasource)
    assert wiki.run().clean
    assert wiki.indexed() == wiki.expected()
