"""The soak itself: a few of its histories, and that it sees what it is there to see."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.soak.history import draw
from tests.soak.play import compare

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
