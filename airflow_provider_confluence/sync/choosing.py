"""What a run does: which mode an automatic one takes, and when a quick look would not see what must be seen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from airflow_provider_confluence.confluence.client import Identity
from airflow_provider_confluence.datasource import Datasource, parse_duration
from airflow_provider_confluence.documents import instant, rfc3339
from airflow_provider_confluence.sync.journal import Head
from airflow_provider_confluence.sync.known import Known
from airflow_provider_confluence.sync.newest_first import OVERLAP_MINUTES

# With more pending items than this a quick look, which asks for their labels one by one, costs more than looking at everything.
MANY_LEFT = 250


def choose_mode(
    mode: str,
    head: Head | None,
    known: Known,
    identity: Identity,
    datasource: Datasource,
    *,
    targeted: bool,
    anew: bool,
    arrivals: Mapping[str, Any],
) -> tuple[str, str]:
    """Return what a run does (full, reconcile, verify, changes, targeted, rebuild), and a sentence where that needs one. No requests.

    :param mode: what was asked for.
    :param anew: whether documents are to be made anew, by another recipe or for another sink.
    :param arrivals: what other datasources saw come into the spaces of this one.
    """
    if targeted:
        return "targeted", ""
    if head is None:
        return "verify" if mode == "verify" else "full", ""
    if mode not in ("auto", "changes"):
        return mode, ""
    scope_is_another = Datasource.from_json(head.datasource).scope != datasource.scope
    if scope_is_another or anew or head.account != identity.account_id or head.withheld:
        return "reconcile", ""  # a quick look would not see what follows from that
    if known.plans or known.lost:
        return "reconcile", ""
    if identity.server_time - instant(head.watermark) < -timedelta(minutes=OVERLAP_MINUTES):
        return "reconcile", (
            f"Confluence's clock went back, from {head.watermark} to {rfc3339(identity.server_time)}: changes by the new time "
            "stand below older ones, so everything was listed"
        )
    if known.records.totals().pending > MANY_LEFT:
        return "reconcile", ""  # a quick look asks for them one by one, labels too
    last = head.reconciled
    if not last["at"]:
        return "reconcile", ""  # the last one missed something
    if mode == "changes":
        return "changes", ""
    if arrivals != last.get("arrivals", {}):
        return "reconcile", ""  # another datasource saw something come into our spaces
    cheap = last["requests"] <= datasource.cheap_reconcile_requests
    return "reconcile" if cheap or _is_due(last["at"], datasource, identity) else "changes", ""


def _is_due(last_at: str, datasource: Datasource, identity: Identity) -> bool:
    age = identity.server_time - instant(last_at)
    # One that seems to lie in the future was dated by a clock that has been set right since.
    return age >= parse_duration(datasource.reconcile_interval) or age < -timedelta(minutes=OVERLAP_MINUTES)
