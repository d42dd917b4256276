"""One DAG for each datasource.

The whole DAG file of a deployment is::

    from airflow_provider_confluence.dag_factory import build_dags  # builds Airflow DAGs

    globals().update(build_dags())

Building makes no request, reads each of the two Variables once, and gives the same DAGs for the same settings: whatever does not shape a
DAG is read by the tasks when they run, so that changing it makes no new DAG version.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.datasource import Datasource, parse_duration, read_datasource
from airflow_provider_confluence.definitions import entries, parse, read_file
from airflow_provider_confluence.errors import DatasourceError
from airflow_provider_confluence.operators._deployment import (
    CONNECTOR_VARIABLE,
    DATASOURCES_VARIABLE,
    read_connector_block,
    read_definitions,
    read_variable,
)

if TYPE_CHECKING:
    from airflow.sdk import DAG, Param

__all__ = ["build_dags", "dag_id_of"]

PREFIX = "confluence__"
MODES = {
    "auto": "auto: the latest changes, and everything where that is due or cheap",
    "full": "full: extract everything again",
    "reconcile": "reconcile: compare everything in scope with what is indexed",
    "changes": "changes: the latest changes only",
    "verify": "verify: compare everything, and what the sink really holds",
    "rebuild": "rebuild: fill a new index and swap it in (OpenSearch, Elasticsearch)",
}
# Constant, so that the same settings always give the same DAG; with catchup off its value means nothing else.
_START = datetime(2025, 1, 1, tzinfo=timezone.utc)
_MINUTES_OF_DAY = 24 * 60
# Airflow's database has 1,000 letters for what a schedule is called in words: 8 minutes would take 15 expressions and 1,300 letters.
_MOST_CRONS = 5

_DOC = """\
Keeps the index of datasource `{id}` true to Confluence: *list_changes* finds what changed, *extract* and *index* bring each shard of it
to the sink, *commit* makes it the state from which the next run starts, *verdict* turns the run red when something was missed.

Trigger with `mode` *full* to extract everything again, and with `allow_mass_delete` to consent to deletions that a red run withheld.
"""

_TASK_DOCS = {
    "list_changes": "Asks Confluence what there is, compares it with the last commit, and writes down what is to be done. Writes nothing "
    "to the index. Each shard of what is to be done is one of the mapped tasks that follow.",
    "extract": "Fetches the items of one shard, makes documents of them, and stages these. A retry fetches only what is missing.",
    "index": "Writes the staged documents of one shard to the sink, with a receipt for each. Writing again does no harm.",
    "commit": "Makes what the receipts say the state from which the next run starts, whatever became of the shards. Adds an event to the "
    "asset when the index changed.",
    "verdict": "Turns the run red when it missed something, with a sentence why. After a clean run it is skipped.",
}


def build_dags(
    variable: str = DATASOURCES_VARIABLE,
    *,
    file: str | Path | None = None,
    datasources: Mapping[str, Any] | None = None,
    connector_variable: str = CONNECTOR_VARIABLE,
    default_args: Mapping[str, Any] | None = None,
    dag_kwargs: Mapping[str, Any] | None = None,
) -> dict[str, DAG]:
    """Return a DAG ``confluence__<id>`` for each datasource, by DAG id, to be put into the globals of a DAG file.

    A datasource with a problem keeps its DAG, whose first task fails at once with the message. A missing Variable gives no DAGs. In a
    task's process only the DAG that is asked for is built. New DAGs are not paused; with ``enabled: false`` a DAG is not scheduled.

    :param variable: the Variable that holds the datasources, as a JSON object by id.
    :param file: a JSON or YAML file in its place; a relative path begins at the folder of the DAG file.
    :param datasources: the same as a dictionary, in its place.
    :param connector_variable: the Variable that holds defaults for all.
    :param default_args: arguments for all tasks.
    :param dag_kwargs: arguments for all DAGs; ``params`` stand beside ours, and one of the same name in its place.
    :raises DatasourceError: when the text as a whole cannot be read, saying where: Airflow shows it as an import error.
    """
    from airflow.sdk import get_parsing_context

    caller = sys._getframe(1).f_code.co_filename
    wanted = get_parsing_context().dag_id
    in_variable = file is None and datasources is None
    raw: Any = {}
    unsayable: Mapping[str, DatasourceError] = {}
    found: Mapping[str, Datasource | DatasourceError]
    connector = read_connector_block(connector_variable)
    try:
        if file is not None:
            where = str(Path(caller).parent / file)
            raw = read_file(Path(where))
        elif datasources is not None:
            where = "datasources"
            raw, unsayable = entries(datasources)
        else:
            where = f"Variable {variable}"
            raw = parse(read_variable(variable) or "{}", where)
        found = {**read_definitions(raw, where, connector), **unsayable}
    except DatasourceError as error:
        if not in_variable or wanted is None or not wanted.startswith(PREFIX):
            raise
        # A run that is under way goes by its plan: a Variable broken since then is for the next list_changes to report.
        found = {wanted.removeprefix(PREFIX): error}
        raw = {}
    dags: dict[str, DAG] = {}
    for datasource_id, datasource in sorted(found.items()):
        dag_id = dag_id_of(datasource_id)
        if wanted is not None and wanted != dag_id:
            continue
        settings = (
            datasource if isinstance(datasource, Datasource) else _stand_in(raw.get(datasource_id), connector.value)
        )
        dag = _build(
            dag_id,
            datasource_id,
            settings,
            source={"variable": variable} if in_variable else {"datasource": raw[datasource_id]},
            # What the task would find itself where it reads the Variable.
            problem=str(datasource) if isinstance(datasource, DatasourceError) and not in_variable else None,
            connector_variable=connector_variable,
            default_args=dict(default_args or {}),
            dag_kwargs=dict(dag_kwargs or {}),
        )
        # Else the DAG's file would be this one: its code tab, and the check for ids given twice, go by the user's file.
        dag.fileloc = caller
        dags[dag_id] = dag
    return dags


def dag_id_of(datasource_id: str) -> str:
    """Return the id of a datasource's DAG; an id that is not allowed (its DAG will say so) gets one that Airflow takes."""
    if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", datasource_id):
        return f"{PREFIX}{datasource_id}"
    return f"{PREFIX}{re.sub(r'[^A-Za-z0-9_.-]', '_', datasource_id)[:80]}_{_hash(datasource_id):08x}"


def _build(
    dag_id: str,
    datasource_id: str,
    settings: Datasource,
    *,
    source: Mapping[str, Any],
    problem: str | None,
    connector_variable: str,
    default_args: dict[str, Any],
    dag_kwargs: dict[str, Any],
) -> DAG:
    from airflow.sdk import DAG, task_group

    from airflow_provider_confluence.operators.confluence import (
        ConfluenceCommitOperator,
        ConfluenceExtractOperator,
        ConfluenceIndexOperator,
        ConfluenceListChangesOperator,
        ConfluenceVerdictOperator,
    )

    own = dict(settings.airflow)
    no_executor = _executor_problem(datasource_id, own)
    if no_executor is not None:
        del own["executor"]
    tags = {"confluence", *own.pop("tags", ()), *dag_kwargs.pop("tags", ())}
    if "execution_timeout" in own:
        own["execution_timeout"] = parse_duration(own["execution_timeout"])
    # The verdict judges and does not work: neither another number of tries nor more time would change it.
    judging = {name: value for name, value in own.items() if name not in ("retries", "execution_timeout")}
    slug = dag_id.removeprefix(PREFIX)
    arguments: dict[str, Any] = {
        "schedule": _schedule(datasource_id, settings),
        "start_date": _START,
        "catchup": False,
        "max_active_runs": 1,
        "dagrun_timeout": timedelta(hours=24),
        "is_paused_upon_creation": False,
        # A backfill has a limit of its own and would run several of these at once.
        "allowed_run_types": ["scheduled", "manual", "operator_triggered", "asset_triggered", "asset_materialization"],
        "doc_md": _DOC.format(id=slug),
        "tags": sorted(tags),
        "default_args": default_args,
    }
    with DAG(dag_id, **{**arguments, **dag_kwargs}) as dag:
        list_changes = ConfluenceListChangesOperator(
            task_id="list_changes",
            datasource_id=datasource_id,
            mode="{{ params.mode }}",
            allow_mass_delete="{{ params.allow_mass_delete or '' }}",
            content_ids="{{ (params.content_ids or []) | join(' ') }}",
            connector_variable=connector_variable,
            problem=problem or no_executor,
            doc_md=_TASK_DOCS["list_changes"],
            **source,
            **own,
        )

        @task_group(group_id="shards")
        def shards(reference: Any) -> None:
            extract = ConfluenceExtractOperator(
                task_id="extract", reference=reference, doc_md=_TASK_DOCS["extract"], **own
            )
            extract >> ConfluenceIndexOperator(task_id="index", reference=reference, doc_md=_TASK_DOCS["index"], **own)

        commit = ConfluenceCommitOperator(task_id="commit", datasource_id=slug, doc_md=_TASK_DOCS["commit"], **own)
        verdict = ConfluenceVerdictOperator(task_id="verdict", doc_md=_TASK_DOCS["verdict"], **judging)
        list_changes >> shards.expand(reference=list_changes.output) >> commit >> verdict
    # Only now: the tasks there are when a DAG gets its parameters each take a deep copy, and a DAG that is made with them judges their
    # defaults by their schemas. Together that is two thirds of the time. Tasks get them from the DAG when they run.
    dag.params.update({name: param for name, param in _params().items() if name not in dag.params})
    return dag


def _params() -> dict[str, Param]:
    from airflow.sdk import Param

    return {
        "mode": Param(
            "auto",
            type="string",
            enum=list(MODES),
            values_display=MODES,
            title="What to look at",
            description="Scheduled runs are auto. Nothing that did not change is fetched again, but by full and rebuild.",
        ),
        "content_ids": Param(
            None,
            type=["null", "array"],
            items={"type": "string"},
            title="Only these items",
            description="Ids of pages, blog posts, attachments or comments, one a line: these alone are looked at, and extracted "
            "again. Goes with mode auto only.",
        ),
        "allow_mass_delete": Param(
            None,
            type=["null", "integer"],
            minimum=1,
            title="Consent to deletions",
            description="The revision that the message of a red run names: the deletions that it withheld go ahead, and no others.",
        ),
    }


def _schedule(datasource_id: str, settings: Datasource) -> Any:
    """Return the timetable: where crons can say the interval, one with an offset of the datasource's own, so that many spread."""
    from airflow.sdk import CronTriggerTimetable, DeltaTriggerTimetable, MultipleCronTriggerTimetable

    if not settings.enabled:
        return None
    interval = parse_duration(settings.interval)
    crons = _crons(interval, _hash(datasource_id))
    if len(crons) > 1:
        return MultipleCronTriggerTimetable(*crons, timezone="UTC")
    return CronTriggerTimetable(crons[0], timezone="UTC") if crons else DeltaTriggerTimetable(interval)


def _crons(interval: timedelta, spread: int) -> list[str]:
    """Return the cron expressions that together say an interval; none where it does not divide a day, or takes too many of them."""
    minutes, rest = divmod(interval, timedelta(minutes=1))
    if rest or not minutes or _MINUTES_OF_DAY % minutes:
        return []
    offset = spread % minutes
    if minutes == 1:
        return ["* * * * *"]
    if 60 % minutes == 0:
        return [f"{offset}-59/{minutes} * * * *" if minutes < 60 else f"{offset} * * * *"]
    if minutes % 60:
        # Such as 90 minutes: an expression for each minute of an hour in which it falls due, with the hours in which it does.
        hours_by_minute: dict[int, list[str]] = {}
        for start in range(offset, _MINUTES_OF_DAY, minutes):
            hours_by_minute.setdefault(start % 60, []).append(str(start // 60))
        if len(hours_by_minute) > _MOST_CRONS:
            return []
        return [f"{minute} {','.join(hours)} * * *" for minute, hours in sorted(hours_by_minute.items())]
    hours = minutes // 60
    hour = f"{offset // 60}-23/{hours}" if hours < 24 else str(offset // 60)
    return [f"{offset % 60} {hour} * * *"]


def _executor_problem(datasource_id: str, own: Mapping[str, Any]) -> str | None:
    """Return what is wrong with the executor that a datasource names, where this can be told.

    Airflow answers a task that names an unknown executor with an import error of the whole file, which hides all other datasources. There
    is no public way to ask for the executors there are, so this asks Airflow's own loader; where that is missing (in a worker that has the
    Task SDK only) the DAG has been accepted before.
    """
    name = own.get("executor")
    if name is None:
        return None
    try:
        from airflow.executors.executor_loader import ExecutorLoader

        ExecutorLoader.lookup_executor_name_by_str(name, validate_teams=False)
    except ImportError:
        return None
    except Exception as error:  # noqa: BLE001 - the kind of error differs between versions, and each means that it is not there
        return f"{datasource_id}.airflow.executor: {name!r} is not in [core] executor of this deployment ({type(error).__name__})"
    return None


def _stand_in(entry: object, connector: Mapping[str, Any]) -> Datasource:
    """Return settings for the DAG of a datasource that cannot be read: its own switch and interval, or the connector's, where these can."""
    kept: dict[str, Any] = {}
    for key in ("enabled", "interval"):
        for given in (entry, connector):
            if isinstance(given, Mapping) and key in given and _can_be_read({key: given[key]}):
                kept[key] = given[key]
                break
    return read_datasource("stand-in", {"space": ["-"], **kept})


def _can_be_read(settings: Mapping[str, Any]) -> bool:
    try:
        read_datasource("stand-in", {"space": ["-"], **settings})
    except DatasourceError:
        return False
    return True


def _hash(text: str) -> int:
    # Python's own hash differs from process to process.
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:4], "big")
