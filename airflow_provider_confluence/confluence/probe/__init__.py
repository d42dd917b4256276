"""Trying on a real Confluence what nobody could verify, by a bounded number of GETs, and reporting it without naming anything there.

Each assumption is one that the sandbox has a switch for, under the same name (:mod:`airflow_provider_confluence.testing.sandbox.readings`).
"""

from __future__ import annotations

from typing import cast

from airflow_provider_confluence import __version__
from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
from airflow_provider_confluence.confluence.probe.asking import MAX_REQUESTS, Asker
from airflow_provider_confluence.confluence.probe.cloud import probe_cloud
from airflow_provider_confluence.confluence.probe.datacenter import probe_datacenter
from airflow_provider_confluence.confluence.probe.report import CLOUD, DATACENTER, Asked, Assumption, Finding, Report
from airflow_provider_confluence.confluence.shared import ClientOverTransport

__all__ = ["CLOUD", "DATACENTER", "MAX_REQUESTS", "Asked", "Assumption", "Finding", "Report", "probe"]


def probe(settings: ConnectionSettings, *, max_requests: int = MAX_REQUESTS) -> Report:
    """Return what a site answers to each assumption. GETs alone, ``max_requests`` at most, none of them repeated.

    Where ``settings`` leave the edition open, 1 or 2 more requests find it. One request is made without a credential, or two on Cloud; on
    Data Center one with a made-up token. It ends early where the credential is refused, and where the site answers 429 or 503, or not at
    all.

    :raises ConfluenceProviderError: when the edition cannot be found; later refusals are in the report.
    """
    client = connect(settings)
    # Both clients are over a transport; the protocol does not speak of it.
    asker = Asker(cast(ClientOverTransport, client).transport, max_requests=max_requests)
    try:
        identity = asker.get("/rest/api/user/current")
        logged_in = identity.status == 200 and identity.data.get("type") != "anonymous"
        if not logged_in:
            # A second try with a wrong password may lock its owner out.
            asker.stop("the credential was not taken")
        if client.edition == "cloud":
            findings, assumptions = tuple(probe_cloud(asker)), CLOUD
        else:
            findings, assumptions = tuple(probe_datacenter(asker, identity, basic=bool(settings.username))), DATACENTER
    finally:
        client.close()
    return Report(
        version=__version__,
        edition=client.edition,
        requests=asker.made,
        logged_in=logged_in,
        findings=findings,
        not_tried=tuple(assumption for assumption in assumptions if assumption.not_tried is not None),
        stopped=asker.stopped,
    )
