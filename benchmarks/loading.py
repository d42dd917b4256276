"""One step of a run against the benchmark's server, in a process of its own, so that its time and its memory are its own.

``python -m benchmarks.loading JOB`` does what the job says and prints what it took; :func:`apart` starts it and returns that.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.memory import peak_megabytes

if TYPE_CHECKING:
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sync.commit import RunResult
    from airflow_provider_confluence.sync.context import RunContext
    from airflow_provider_confluence.sync.journal import PlanItem

DATASOURCE = "docs"
_READY = "ready\n"


@dataclass(frozen=True, slots=True)
class Took:
    """What a step took. ``seconds`` begin when everything is imported that it is sure to need, as in a warm worker; ``cpu_seconds`` too."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    requests: int = 0
    items: int = 0
    shards: int = 0
    revision: int = 0
    mode: str = ""


def apart(job: Mapping[str, Any]) -> Took:
    """Do a job in a process of its own. :raises RuntimeError: where it fails, with what it said."""
    return together([job])[0]


def together(jobs: Sequence[Mapping[str, Any]]) -> list[Took]:
    """Do jobs at the same time, each in a process of its own; they begin when all have been started.

    :raises RuntimeError: where one fails, with what it said.
    """
    processes = [_started(job) for job in jobs]
    for process in processes:
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for the type checker
        if process.stdout.readline() != _READY:
            raise RuntimeError(process.communicate()[1])
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    return [_finished(process) for process in processes]


@dataclass(frozen=True, slots=True)
class Load:
    """What a load took: its plan, and then its shards on so many ``cores``. ``seconds`` are those of the plan and of the extraction."""

    planned: Took
    seconds: float
    cpu_seconds: float
    cores: int


def load(job: Mapping[str, Any]) -> Load:
    """List and extract as a run does, a process for each task: the plan's shards in as many at a time as there are cores.

    :raises RuntimeError: where a step fails, with what it said.
    """
    planned = apart({**job, "what": "list"})
    cores = max(1, min(os.cpu_count() or 1, planned.shards))
    seconds, cpu_seconds = planned.seconds, planned.cpu_seconds
    for first in range(0, planned.shards, cores):
        shards = range(first, min(first + cores, planned.shards))
        # Shards share what a connection allows, as the operators have it.
        extract = {
            **job,
            "what": "extract",
            "revision": planned.revision,
            "in_flight": job["in_flight"] // planned.shards,
        }
        took = together([{**extract, "shards": [shard]} for shard in shards])
        seconds += max(each.seconds for each in took)
        cpu_seconds += sum(each.cpu_seconds for each in took)
    return Load(planned, seconds, cpu_seconds, cores)


def _started(job: Mapping[str, Any]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "benchmarks.loading", json.dumps(dict(job))]
    return subprocess.Popen(  # noqa: S603 - ourselves
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def _finished(process: subprocess.Popen[str]) -> Took:
    out, err = process.communicate()
    if process.returncode:
        raise RuntimeError(err)
    return Took(**json.loads(out.strip().splitlines()[-1]))


def _main() -> None:
    job = json.loads(sys.argv[1])
    _import_everything()
    print(_READY, end="", flush=True)
    sys.stdin.readline()
    cpu, clock = _cpu(), time.perf_counter()
    told = _JOBS[job["what"]](job)
    took = Took(time.perf_counter() - clock, _cpu() - cpu, peak_megabytes(), **told)
    print(json.dumps(asdict(took)))


def _cpu() -> float:
    """Return the CPU seconds of this process and of the children it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _import_everything() -> None:
    import lxml.etree
    import requests

    import airflow_provider_confluence.confluence.cloud
    import airflow_provider_confluence.confluence.datacenter
    import airflow_provider_confluence.content
    import airflow_provider_confluence.sync.run  # noqa: F401

    _ = requests, lxml.etree


def _context(job: Mapping[str, Any]) -> tuple[RunContext, Datasource]:
    from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
    from airflow_provider_confluence.datasource import read_datasource
    from airflow_provider_confluence.sinks.registry import make_sink
    from airflow_provider_confluence.sync.context import RunContext
    from airflow_provider_confluence.sync.storage import Storage

    address, folder = job["address"], Path(job["folder"])
    settings = ConnectionSettings(
        address["endpoint"],
        address["username"],
        address["token"],
        deployment=job["edition"],
        requests_per_second=job.get("pace", 1_000_000),  # the pace is Confluence's, and not what is measured
        max_in_flight=job["in_flight"],
    )
    run = RunContext(
        storage=Storage(folder / "state"),
        connect=lambda _: connect(settings),
        make_sink=lambda d: make_sink(d.sink, d.queue_name, storage=folder / "index"),
    )
    datasource = read_datasource(
        DATASOURCE, {"space": job.get("space", "*"), "restricted": "skip", **job.get("settings", {})}
    )
    return run, replace(datasource, max_items_per_run=10_000_000)


def _list(job: Mapping[str, Any]) -> dict[str, Any]:
    from airflow_provider_confluence.sync.journal import Journal
    from airflow_provider_confluence.sync.list_changes import list_changes

    run, datasource = _context(job)
    listed = list_changes(run, datasource, mode=job.get("mode", "full"))
    plan = Journal(run.storage, DATASOURCE).read_plan(listed.revision)
    return {"requests": plan.requests, "items": sum(plan.shards), "shards": len(plan.shards), "revision": plan.revision}


def _extract(job: Mapping[str, Any]) -> dict[str, Any]:
    from airflow_provider_confluence.sync.extract import extract

    run, datasource = _context(job)
    counts = [extract(run, datasource.id, job["revision"], shard) for shard in job["shards"]]
    return {"requests": sum(each.requests for each in counts), "items": sum(each.fetched for each in counts)}


def _index(job: Mapping[str, Any]) -> dict[str, Any]:
    from airflow_provider_confluence.sync.index import index

    run, datasource = _context(job)
    counts = [index(run, datasource.id, job["revision"], shard) for shard in job["shards"]]
    return {"items": sum(each.written for each in counts)}


def _commit(job: Mapping[str, Any]) -> dict[str, Any]:
    from airflow_provider_confluence.sync.commit import commit

    run, datasource = _context(job)
    return {"items": commit(run, datasource.id, job["revision"]).counts["written"]}


def _take_as_indexed(job: Mapping[str, Any]) -> dict[str, Any]:
    run, datasource = _context(job)
    return {"items": take_as_indexed(run, datasource, job["revision"]).counts["written"]}


def take_as_indexed(run: RunContext, datasource: Datasource, revision: int) -> RunResult:
    """Commit a first load without its bodies: the receipts of a sink that took everything, for benchmarks of what comes after."""
    from airflow_provider_confluence.sync.commit import commit
    from airflow_provider_confluence.sync.journal import Journal

    journal = Journal(run.storage, datasource.id)
    plan = journal.read_plan(revision)
    for shard in range(len(plan.shards)):
        items = journal.items(plan, shard)
        for number in range(plan.batches(shard)):
            receipts = (_receipt(item, revision) for item in islice(items, plan.batch_items))
            run.storage.write_lines(journal.receipt_name(revision, shard, number), receipts)
    return commit(run, datasource.id, revision)


def _receipt(item: PlanItem, revision: int) -> dict[str, Any]:
    version = item.entry.version if item.entry else 0
    record = replace(item.record(), version=version, context=item.context, revision=revision, pending=False)
    return {"op": item.op, "id": item.content_id, "outcome": "written", "record": record.to_json()}


def _run(job: Mapping[str, Any]) -> dict[str, Any]:
    from airflow_provider_confluence.sync.run import run_once

    run, datasource = _context(job)
    result = run_once(run, datasource, mode=job.get("mode", "auto"))
    changed = result.counts["written"] + result.counts["deleted"] + result.counts["left_for_later"]
    return {"items": changed, "mode": result.mode, "revision": result.revision}


_JOBS = {
    "list": _list,
    "extract": _extract,
    "index": _index,
    "commit": _commit,
    "take_as_indexed": _take_as_indexed,
    "run": _run,
}

if __name__ == "__main__":
    _main()
