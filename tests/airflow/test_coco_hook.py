"""The connection of type coco: its form, and what its test button says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from airflow_provider_confluence.get_provider_info import get_provider_info
from airflow_provider_confluence.testing.coco import PERMISSIONS, FakeCoco


def set_connection(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_COCO_DEFAULT", json.dumps({"conn_type": "coco", **fields}))


def test_a_good_token_is_said_to_be_with_the_version(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_confluence.hooks.coco import CocoHook

    with FakeCoco(version="0.10.2") as coco:
        set_connection(monkeypatch, host=coco.endpoint, password=coco.token)
        works, sentence = CocoHook().test_connection()

    assert works
    assert sentence.startswith(f"Connected to Coco Server 0.10.2 at {coco.endpoint}")


def test_what_is_wrong_is_said_without_the_token(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_confluence.hooks.coco import CocoHook

    with FakeCoco() as coco:
        token = coco.add_token("ann", PERMISSIONS - {"coco#document/update"})
        set_connection(monkeypatch, host=coco.endpoint, password=token)
        works, sentence = CocoHook().test_connection()

    assert not works
    assert "coco#document/update" in sentence
    assert token not in sentence


def test_a_connection_that_is_not_there_is_said() -> None:
    from airflow_provider_confluence.hooks.coco import CocoHook

    works, sentence = CocoHook("no_such_connection").test_connection()
    assert (works, "no_such_connection" in sentence) == (False, True)


def test_airflow_finds_the_connection_type_with_its_form() -> None:
    from airflow.providers_manager import ProvidersManager
    from airflow.sdk.providers_manager_runtime import ProvidersManagerTaskRuntime

    hook = ProvidersManagerTaskRuntime().hooks["coco"]
    assert hook is not None
    assert (hook.hook_name, hook.connection_id_attribute_name) == ("Coco Server", "coco_conn_id")
    assert ProvidersManager().field_behaviours["coco"]["relabeling"]["password"] == "API token"


def test_every_extra_that_the_sink_reads_has_a_field_in_the_form() -> None:
    from airflow_provider_confluence.sinks._coco_server import EXTRAS

    _, coco = get_provider_info()["connection-types"]
    assert set(coco["conn-fields"]) == set(EXTRAS)
