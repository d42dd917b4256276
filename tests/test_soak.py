"""The soak itself: a few of its histories, and that it sees what it is there to see."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from airflow_provider_confluence.testing.sandbox.fault import Faults
from airflow_provider_confluence.testing.sandbox.faults import DrawnFault
from airflow_provider_confluence.testing.sandbox.web import Request, Response
from tests.soak.history import draw, make_fault
from tests.soak.play import compare, play

CHECKOUT = Path(__file__).parents[1]


def test_a_few_histories_lose_nothing_and_the_last_line_says_so():
    # Processes of its own, as it starts some itself and leaves a server of forks behind.
    command = [sys.executable, "-m", "tests.soak.run", "--histories", "10", "--seed", "100"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "histories 10 lost 0 ghosts 0 stale 0", done.stdout + done.stderr
    assert done.returncode == 0


def test_a_seed_is_a_history():
    assert draw(7) == draw(7)
    assert len({str(draw(seed)) for seed in range(50)}) == 50


@pytest.mark.parametrize("edition", ["cloud", "datacenter"])
def test_a_history_with_one_request_at_a_time_sends_the_same_requests_each_time_it_is_played(edition, tmp_path):
    plays = (history for seed in count(1000) if (history := draw(seed)).edition == edition and history.in_flight == 1)
    # Long enough to list, fetch and compare, with faults, and without what a killed process does in its own time.
    history = next(h for h in plays if len(h.steps) > 2 and any(s.faults for s in h.steps) and not killed(h))
    told = []
    for number in (1, 2):
        asked = []
        play(
            history,
            tmp_path / str(number),
            observer=lambda request, answer, to=asked: to.append(as_told(request, answer)),
        )
        told.append(asked)
    assert len(told[0]) > 30
    assert told[0] == told[1]


def killed(history):
    return any(step.killed for step in history.steps)


def as_told(request, answer):
    """Return a request and its status, without what is drawn anew for each sandbox."""
    cursor = {"cursor": ["…"]} if "cursor" in request.query else {}
    return request.method, request.path, {**request.query, **cursor}, answer.status


def test_where_requests_overtake_each_other_the_same_ones_are_struck():
    spec = DrawnFault("respond", {"status": 503, "route": "*", "times": 1, "after": 1})
    questions = [Request("GET", f"/content/{n}/label", {"limit": ["2"]}, {}) for n in range(12)]
    pages = [(request, replace(request, query={**request.query, "start": ["2"]})) for request in questions]
    orders = [[page for both in pages for page in both], [both[n] for n in (0, 1) for both in reversed(pages)]]
    struck = []
    for order in orders:
        switched_on = Faults()
        switched_on.add(make_fault(spec, None, in_flight=4))
        answers = [(r, switched_on.around(r, lambda _: Response(200)).status) for r in order]
        struck.append({r.path for r, status in answers if status == 503 and "start" in r.query})
        assert not [r for r, status in answers if status == 503 and "start" not in r.query]
    assert struck[0] == struck[1]
    assert 0 < len(struck[0]) < len(questions)


def test_cutting_a_history_down_comes_to_an_end():
    history, steps = draw(3), 0
    while smaller := history.smaller():
        assert history not in smaller
        history, steps = smaller[0], steps + 1
    assert history.steps == ()
    assert steps < 100


def test_what_is_missing_too_much_or_otherwise_is_told_apart():
    expected = {"1": {"title": "One"}, "2": {"title": "Two"}, "3": {"title": "Three"}}
    indexed = {"2": {"title": "2"}, "3": {"title": "Three"}, "4": {"title": "Four"}}
    assert [(f.kind, f.text[0]) for f in compare(expected, indexed)] == [("lost", "1"), ("ghost", "4"), ("stale", "2")]
