"""Faults and readings that are drawn from a seed."""

from __future__ import annotations

import dataclasses
import json
import random

import pytest
import requests

from airflow_provider_confluence.testing.sandbox import Readings, faults, readings
from airflow_provider_confluence.testing.sandbox.faults import FAULTS
from tests.sandbox.conftest import Caller

DRAWN = [faults.draw(random.Random(seed)) for seed in range(1000)]


def test_every_fault_is_drawn_at_some_time_on_many_routes() -> None:
    assert {drawn.name for drawn in DRAWN} == set(FAULTS)
    assert {drawn.arguments["route"] for drawn in DRAWN} == set(faults.ROUTES)


def test_a_seed_draws_the_same_fault_again_and_as_plain_data() -> None:
    assert [faults.draw(random.Random(seed)) for seed in range(1000)] == DRAWN
    for drawn in DRAWN:
        assert json.loads(json.dumps(drawn.arguments)) == drawn.arguments


def test_drawn_faults_are_kept_to_what_is_asked_for() -> None:
    for seed in range(20):
        drawn = faults.draw(random.Random(seed), names=["stall", "cut_short"], routes=["*/pages"])
        assert (drawn.name in ("stall", "cut_short"), drawn.arguments["route"]) == (True, "*/pages")


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_strikes_with_what_is_drawn_for_it(on_cloud: Caller, name: str) -> None:
    address = on_cloud.sandbox.endpoint + "/api/v2/pages?id=1,2,3,4&body-format=storage"
    headers = {"Authorization": on_cloud.sandbox.authorization}
    for seed in range(3):
        drawn = faults.draw(random.Random(seed), names=[name], routes=["*"])
        fault = drawn.make()
        fault.after = 0
        on_cloud.sandbox.faults.clear()
        on_cloud.sandbox.faults.add(fault)
        try:
            # A connection of its own: one that the last fault broke may be found broken only now.
            requests.get(address, headers=headers, timeout=5, allow_redirects=False)
        except OSError:
            assert name in ("drop_connection", "cut_short")
        assert fault.struck == 1


def test_the_admin_route_draws_a_fault_from_a_seed(on_cloud: Caller) -> None:
    address = on_cloud.sandbox.origin + "/_sandbox/faults"
    expected = faults.draw(random.Random(7))
    answer = on_cloud.session.post(address, json={"seed": 7}, timeout=5).json()
    assert {"fault": expected.name, **expected.arguments} == answer
    assert len(list(on_cloud.sandbox.faults)) == 1


def test_every_doubtful_reading_is_drawn_with_its_default_among_the_values() -> None:
    default = Readings()
    settings = {"scoped_token", "basic_auth_disabled", "datacenter_version", "token_scopes", "oauth_token_seconds"}
    settings |= {"access_mode", "application_state", "space_roles", "space_permissions"}
    assert {field.name for field in dataclasses.fields(Readings)} - settings == set(readings.DRAWN)
    for name, values in readings.DRAWN.items():
        assert values[0] == getattr(default, name), name
        assert len(set(values)) > 1, name


def test_drawn_readings_are_what_differs_from_the_defaults() -> None:
    seen = set()
    for seed in range(200):
        drawn = readings.draw(random.Random(seed))
        assert drawn == readings.draw(random.Random(seed))
        assert all(getattr(Readings(**drawn), name) == value for name, value in drawn.items())
        assert all(value != getattr(Readings(), name) for name, value in drawn.items())
        seen.update(drawn)
    assert seen == set(readings.DRAWN)
