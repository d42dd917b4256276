"""The probe says of a site what the sandbox was set to, by GETs alone, and names nothing of it."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from urllib.parse import quote

import pytest

from airflow_provider_confluence.cli import main
from airflow_provider_confluence.confluence.client import ConnectionSettings
from airflow_provider_confluence.confluence.probe import CLOUD, DATACENTER, MAX_REQUESTS, probe
from airflow_provider_confluence.testing.sandbox import Readings, Sandbox
from airflow_provider_confluence.testing.sandbox.clock import ManualClock, real_time
from airflow_provider_confluence.testing.sandbox.faults import FAULTS
from tests.cli.program import credentials

# Planted: none of it may appear in a report.
SECRETS = ("Zanzibar", "zanzifile", "zanzilabel", "ZANZI", "Zanzi Person", "zanzicomment", "zanzikey")


def fill(sandbox):
    """A wiki in which each assumption that can be seen at all shows itself."""
    model = sandbox.model
    model.clock = ManualClock(real_time() - timedelta(days=30))
    model.create_space("ZANZI", "Zanzibar space")
    model.create_space("OTHER", "Zanzibar other")
    pages = []
    for number in range(6):
        pages.append(model.create_page("ZANZI", f"Zanzibar {number}", "<p>zanzicomment</p>", labels=["zanzilabel"]))
        model.clock.advance(days=1)
    top = model.create_page("ZANZI", "Zanzibar top", "<p>x</p>")
    archived = model.create_page("ZANZI", "Zanzibar archived", "<p>x</p>", parent=top)
    model.create_page("ZANZI", "Zanzibar child", "<p>x</p>", parent=archived)
    model.attach(archived, "zanzifile.txt", b"x", "text/plain")
    model.create_comment(archived, "<p>zanzicomment</p>")
    model.archive(archived)
    hidden = model.create_page("ZANZI", "Zanzibar hidden", "<p>x</p>", parent=top)
    model.create_page("ZANZI", "Zanzibar below", "<p>x</p>", parent=hidden)
    model.hide(hidden)
    model.trash(model.create_page("ZANZI", "Zanzibar trashed", "<p>x</p>"))
    model.attach(pages[0], "zanzifile.txt", b"x", "text/plain")
    for number in range(3):
        model.create_blogpost("ZANZI", f"Zanzibar news {number}", "<p>x</p>")
    model.create_comment(pages[0], "<p>zanzicomment</p>", selection="zanzicomment")
    resolved = model.create_comment(pages[0], "<p>zanzicomment</p>", selection="zanzicomment")
    model.resolve_comment(resolved)
    model.clock.set(real_time() - timedelta(seconds=30))
    model.edit(pages[2], body="<p>edited</p>")  # the order of changes is none of the ids
    model.clock.set(real_time())
    return sandbox


def report_of(sandbox, **options):
    settings = ConnectionSettings(
        sandbox.endpoint, sandbox.username, sandbox.token, deployment=sandbox.edition, requests_per_second=1000
    )
    return probe(settings, **options)


def found(sandbox, name):
    return next(finding for finding in report_of(sandbox).findings if finding.assumption.name == name)


# What only shows itself where it is not as assumed.
ONE_SIDED = ("archiving_lifts_children", "hidden_covers_descendants")
BOTH = {
    "cql_zone_offset_minutes": (0, 120, -480, 345, 840, -720),
    "cql_lists_archived": (False, True),
    "search_cap_bare": (1000, 500),
    "search_cap_expanded": (200, 100),
    "search_cap_body": (50, 25),
}
ON_CLOUD = {
    **BOTH,
    "archiving_lifts_children": (False,),
    "hidden_covers_descendants": (False,),
    "comments_follow_container": (True, False),
    "attachments_follow_container": (True, False),
    "cloud_cursor": ("keyset", "offset"),
    "cloud_default_sort": ("id", "-id", "-modified-date"),
    "cloud_lists_resolved_comments": (True, False),
    "page_by_id_answers_trashed": (True, False),
    "legacy_download_refused": (True, False),
    "anonymous_identity_is_403": (True, False),
}
ON_DATACENTER = {
    **BOTH,
    "scan_cursor_with_type": ("accepted", "refused"),
    "scan_remembers_type": (True, False),
    "datacenter_links_relative_to": ("base", "host", "nothing"),
    "list_cap_bare": (500, 100),
    "list_cap_expanded": (200, 50),
    "datacenter_utc_offset_minutes": (120, -330, 0),
    "datacenter_version": ("10.0.3", "7.19.1"),
    "location_of_resolved_comment": ("resolved", "inline"),
    "trash_listing_allowed": (False, True),
}
# These have tests of their own.
APART = {
    "cql_index_lag_seconds",
    "anonymous_access",
    "invalid_token_is_anonymous",
    "basic_auth_disabled",
    "scan_available",
}


@pytest.mark.parametrize("turn", range(6))
def test_a_site_is_reported_as_it_was_set(sandbox, turn):
    table = ON_CLOUD if sandbox.edition == "cloud" else ON_DATACENTER
    # A turn is a site of its own; among them each switch has every value that it can have.
    site = {name: values[(turn + place) % len(values)] for place, (name, values) in enumerate(table.items())}
    for name, value in site.items():
        setattr(sandbox.model.readings, name, value)
    found = {finding.assumption.name: finding for finding in report_of(fill(sandbox)).findings}
    assert {name: found[name].value for name in site} == site
    for name, value in site.items():
        as_assumed = found[name].assumption.assumed in (None, value)
        assert found[name].verdict == ("holds" if as_assumed else "differs"), name


def test_the_turns_take_every_value():
    assert max(len(values) for table in (ON_CLOUD, ON_DATACENTER) for values in table.values()) <= 6


@pytest.mark.parametrize("name", ["anonymous_access", "scan_available"])
@pytest.mark.parametrize("value", [True, False])
def test_what_rules_out_others_is_reported_as_it_was_set(datacenter, name, value):
    setattr(datacenter.model.readings, name, value)
    assert found(fill(datacenter), name).value is value


@pytest.mark.parametrize("value", [True, False])
def test_a_cloud_that_lets_visitors_in_is_reported(cloud, value):
    cloud.model.readings.anonymous_access = value
    assert found(fill(cloud), "anonymous_access").value is value


def test_where_no_child_is_below_the_archive_and_no_page_below_a_hidden_one_it_cannot_tell(cloud):
    fill(cloud)
    for name in ONE_SIDED:
        assert found(cloud, name).verdict == "cannot tell"


@pytest.mark.parametrize(
    ("anonymous", "reading", "value"), [(True, True, True), (True, False, False), (False, True, None)]
)
def test_a_made_up_token_is_tried_where_visitors_are_let_in(datacenter, anonymous, reading, value):
    datacenter.model.readings.anonymous_access = anonymous
    datacenter.model.readings.invalid_token_is_anonymous = reading
    assert found(fill(datacenter), "invalid_token_is_anonymous").value is value


@pytest.mark.parametrize("disabled", [True, False])
def test_basic_authentication_that_is_off_is_reported(disabled):
    with Sandbox("datacenter", username="indexer") as sandbox:
        sandbox.model.readings.basic_auth_disabled = disabled
        report = report_of(fill(sandbox))
    finding = next(each for each in report.findings if each.assumption.name == "basic_auth_disabled")
    assert (finding.value, report.logged_in) == (disabled, not disabled)


def test_an_index_that_lags_is_reported_with_its_lag(sandbox):
    sandbox.model.readings.cql_index_lag_seconds = 3600.0
    finding = found(fill(sandbox), "cql_index_lag_seconds")
    assert finding.verdict == "differs"
    assert 20 <= finding.value <= 60  # the latest change is half a minute old
    sandbox.model.readings.cql_index_lag_seconds = 0.0
    assert found(sandbox, "cql_index_lag_seconds").verdict == "holds"


def test_every_switch_of_the_sandbox_is_tried_or_listed_with_the_reason(cloud, datacenter):
    known = {assumption.name: assumption for assumption in (*CLOUD, *DATACENTER)}
    missing = {field.name for field in dataclasses.fields(Readings)} - known.keys()
    assert missing == set()
    for sandbox, tested in ((cloud, ON_CLOUD), (datacenter, ON_DATACENTER)):
        report = report_of(sandbox)
        tried = {finding.assumption.name for finding in report.findings}
        assert tried <= tested.keys() | APART
        assert all(assumption.not_tried for assumption in report.not_tried)
        assert not tried & {assumption.name for assumption in report.not_tried}


def test_the_assumed_values_are_the_switches_defaults():
    defaults = Readings()
    for assumption in (*CLOUD, *DATACENTER):
        if assumption.assumed is not None and hasattr(defaults, assumption.name):
            assert assumption.assumed == getattr(defaults, assumption.name), assumption.name


def test_nothing_of_the_site_is_in_the_report(sandbox, monkeypatch, capfd):
    sandbox.model.rename_user("admin", "Zanzi Person")
    fill(sandbox)
    monkeypatch.setenv("CONFLUENCE_TOKEN", sandbox.token)
    texts = []
    for options in ([], ["--json"]):
        assert main(["probe", *credentials(sandbox), *options]) == 0
        texts.append("".join(capfd.readouterr()))
    ids = {str(item.id) for item in sandbox.model} | {str(space.id) for space in sandbox.model.spaces()}
    host = sandbox.origin.removeprefix("http://")
    planted = (*SECRETS, *ids, host, "127.0.0.1", sandbox.token, sandbox.cloud_id, "indexer", "Index Er")
    for text in texts:
        assert "cql_zone_offset_minutes" in text
        assert not [secret for secret in planted if secret in text or quote(secret) in text]


def test_names_that_a_site_made_up_do_not_get_into_a_shape():
    from airflow_provider_confluence.confluence.probe.asking import shape_of

    answer = {"results": [{"id": "1", "zanzikey": {"zanzikey": 1}, "title": "Zanzibar"}], "Zanzibar": 1}
    assert shape_of(answer) == "{results[1 × {id, title, 1 other}], 1 other}"


def test_only_gets_are_sent_each_once_and_no_more_than_allowed(sandbox):
    fill(sandbox)
    sandbox.requests.clear()
    report = report_of(sandbox)
    assert {request.method for request in sandbox.requests} == {"GET"}
    assert {request.host for request in sandbox.requests} == {"site"}
    assert len(sandbox.requests) == report.requests <= MAX_REQUESTS
    assert report.stopped is None


@pytest.mark.parametrize("most", [1, 5, 17])
def test_what_the_bound_does_not_allow_cannot_be_told(sandbox, most):
    fill(sandbox)
    sandbox.requests.clear()
    report = report_of(sandbox, max_requests=most)
    assert len(sandbox.requests) == report.requests == most
    assert report.stopped == "the number of requests is used up"
    assert report.findings[-1].verdict == "cannot tell"


def test_a_site_that_asks_for_a_pause_is_left_alone(sandbox):
    fill(sandbox)
    sandbox.faults.add(FAULTS["respond"](status=429, headers={"Retry-After": "600"}))
    sandbox.requests.clear()
    report = report_of(sandbox)
    assert (len(sandbox.requests), report.stopped) == (1, "the site answered 429")


def test_an_empty_wiki_tells_little_and_breaks_nothing(sandbox):
    report = report_of(sandbox)
    assert report.logged_in
    assert {finding.verdict for finding in report.findings} <= {"holds", "differs", "cannot tell"}


def test_a_wrong_token_is_tried_once_said_and_ends_with_1(sandbox, monkeypatch, capfd):
    monkeypatch.setenv("CONFLUENCE_TOKEN", "wrong-token-zanzi")
    assert main(["probe", *credentials(sandbox), "--deployment", sandbox.edition, "--json"]) == 1
    report = json.loads(capfd.readouterr().out)
    assert (report["logged_in"], report["stopped"]) == (False, "the credential was not taken")
    assert len(sandbox.requests) == 1
    assert "zanzi" not in json.dumps(report)
