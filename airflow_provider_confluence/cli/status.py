"""``status``: what is known of each datasource, from its state alone."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import shown
from airflow_provider_confluence.cli.places import add_storage, definitions_of, place_of, storage_option

if TYPE_CHECKING:
    from airflow_provider_confluence.sync.status import DatasourceStatus, OpenRun

_EXAMPLES = """
airflow-confluence status
airflow-confluence status docs --storage ./index --datasources datasources.json --json
"""
_PURGE_MAYBE = "purge_if_no_dag_file_defines_it"
_COUNTS = ("listed", "unchanged", "written", "deleted", "failed", "left_for_later", "unfinished")


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "status",
        "show how each datasource stands",
        "Show how each datasource stands, from its state alone: no request is made to Confluence or to a sink.",
        _EXAMPLES,
    )
    parser.add_argument("id", nargs="?", metavar="ID", help="id of a datasource (default: all)")
    add_storage(parser)
    common.add_datasources(
        parser,
        "definitions like the Variable's: says which are enabled, disabled or removed (default, without --storage: the Variable)",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sync.status import read_status

    place = place_of(options)
    storage = place.storage()
    found = read_status(storage, options.id, definitions=definitions_of(options, place))
    option = storage_option(options)
    # What stands in the file is all there is; beside the Variable, DAG files may have datasources of their own.
    is_all = bool(options.datasources)
    if options.json:
        rows = [{**status.to_json(), "commands": _commands(status, option, is_all)} for status in found]
        common.print_json({"storage": storage.where(), "datasources": rows, **shown(place.read_from)})
    else:
        for status in found:
            print("\n".join(_lines(status, option, is_all)))
        if not found:
            print(f"nothing is kept below {storage.where()}")
    return 1 if any(status.error for status in found) else 0


def _commands(status: DatasourceStatus, storage_option: str, is_all: bool) -> dict[str, str]:
    """Return what to type next, by purpose.

    :param is_all: whether what is not configured here is configured nowhere.
    """
    commands = {}
    if status.withheld:
        options = " …" if storage_option else f" --id {status.datasource_id}"
        commands["consent"] = f"airflow-confluence sync{options} --allow-mass-delete {status.withheld}"
    if status.configured in ("disabled", "removed") and (status.revision or status.open_runs or status.error):
        is_sure = is_all or status.configured == "disabled"
        commands["purge" if is_sure else _PURGE_MAYBE] = (
            f"airflow-confluence purge {status.datasource_id}{storage_option}"
        )
    return commands


def _lines(status: DatasourceStatus, storage_option: str, is_all: bool) -> list[str]:
    commands = _commands(status, storage_option, is_all)
    removed = "removed from the configuration" if is_all else "not in the Variable"
    told = {"not told": "", "removed": removed, "broken": "its definition is broken"}
    title = "  ".join(
        part for part in (status.datasource_id, status.name, told.get(status.configured, status.configured)) if part
    )
    rows: list[tuple[str, str]] = []
    if status.error:
        rows.append(("cannot be read", status.error))
    elif status.revision is None:
        rows.append(("last commit", "none yet"))
    else:
        counts = ", ".join(f"{name} {status.counts[name]}" for name in _COUNTS if status.counts.get(name))
        how = f"run {status.revision}" + (f", {status.mode}" if status.mode else "")
        documents = ", ".join(f"{type_} {count}" for type_, count in status.documents.items())
        rows += [
            ("last commit", f"{status.watermark} ({how})" + (f": {counts}" if counts else "")),
            ("last reconcile", status.reconciled or "none yet"),
            ("documents", documents or "none"),
            ("waiting", f"pending {status.pending}, failing {status.failing}"),
        ]
    if status.counts.get("restricted"):
        rows.append(("left out", f"{status.counts['restricted']} items, because they are restricted"))
    if status.counts.get("unreadable"):
        rows.append(("found by nobody", f"{status.counts['unreadable']} items: who may read them cannot be read"))
    rows += [
        ("failing", f"{f['type']} {f['content_id']}: {f['reason']}, tried {f['attempts']} times")
        for f in status.failures[:10]
    ]
    if status.withheld:
        consent = f"{commands['consent']}, or the DAG param allow_mass_delete={status.withheld}"
        rows.append(("withheld", f"{status.withheld_count} deletions; if they are meant: {consent}"))
    rows += [("open run", _open_run(run)) for run in status.open_runs]
    if "purge" in commands:
        rows.append(("to remove it", commands["purge"]))
    elif _PURGE_MAYBE in commands:
        rows.append(("to remove it", f"if no DAG file defines it: {commands[_PURGE_MAYBE]}"))
    return [title, *(f"  {name:<15} {text}" for name, text in rows)]


def _open_run(run: OpenRun) -> str:
    state = "dead; the next run takes over what it did" if run.dead else "in progress, or dead"
    done = f", {run.receipts} of {run.items} items written" if run.items else ""
    return f"{run.revision}, {run.reached}, began {run.began}{done}: {state}"
