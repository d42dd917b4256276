"""The four steps of a run and its verdict, each as an operator. The work is done by ``airflow_provider_confluence.sync``.

Wired as the DAG factory does it: ``list_changes >> [extract >> index] × shards >> commit >> verdict``, where the middle is a task group
mapped over the output of ``list_changes`` and ``commit`` runs whatever became of it. ``dags/example_confluence_own_dag.py`` shows it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import AssetAlias, BaseOperator, TriggerRule

from airflow_provider_confluence.assets import create_asset
from airflow_provider_confluence.operators._deployment import CONNECTOR_VARIABLE, DATASOURCES_VARIABLE
from airflow_provider_confluence.operators._links import ConfluenceLink
from airflow_provider_confluence.operators._progress import (
    Progress,
    in_words,
    labels_of_shards,
    spaces_in_words,
    tell_notes,
)

if TYPE_CHECKING:
    from airflow.sdk import Asset, Context

    from airflow_provider_confluence.confluence.client import ConfluenceClient
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sync.commit import RunResult
    from airflow_provider_confluence.sync.context import RunContext

__all__ = [
    "ConfluenceCommitOperator",
    "ConfluenceExtractOperator",
    "ConfluenceIndexOperator",
    "ConfluenceListChangesOperator",
    "ConfluenceVerdictOperator",
    "asset_of",
]

PLAN_KEY = "plan"
COUNTS_KEY = "counts"
SUPERSEDED_KEY = "superseded"
TROUBLE_KEY = "trouble"
MOST_SENTENCES = 10
_UNSET: Any = object()
_FAILURES_IN_LOG = 5


def asset_of(datasource_id: str) -> Asset:
    """Return the asset that stands for a datasource's index, to schedule on."""
    return create_asset(datasource_id=datasource_id)


class _ConfluenceOperator(BaseOperator):
    """What the steps have in common: retries, time limit, stopping, the translation of errors.

    The retries are 3, after 1, 2 and 4 minutes, at most 15; ``default_args`` and arguments come before that.
    """

    time_limit: ClassVar[timedelta]
    ui_color = "#deebff"
    operator_extra_links = (ConfluenceLink(),)
    confluence_url = ""

    def __init__(
        self,
        *,
        retries: int = 3,
        retry_delay: timedelta | float = timedelta(minutes=1),
        retry_exponential_backoff: float = 2,
        max_retry_delay: timedelta | float | None = timedelta(minutes=15),
        execution_timeout: timedelta | None = _UNSET,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            retries=retries,
            retry_delay=retry_delay,
            retry_exponential_backoff=retry_exponential_backoff,
            max_retry_delay=max_retry_delay,
            execution_timeout=self.time_limit if execution_timeout is _UNSET else execution_timeout,
            **kwargs,
        )

    def execute(self, context: Context) -> Any:
        """Do the step."""
        from airflow_provider_confluence.operators._translation import translated

        self._is_running = True
        try:
            with translated(context):
                return self._step(context)
        finally:
            self._is_running = False

    def on_kill(self) -> None:
        """Stop: leaving the step ends its threads; what is staged or has a receipt is kept for the next try or run."""
        # Airflow calls this from the handler of SIGTERM, inside the main thread, and does not end the task itself; a SIGKILL follows
        # within seconds. After a time-out it is called too, when the step has been left already.
        if getattr(self, "_is_running", False):
            raise SystemExit("the task was asked to stop; what was done so far is kept")

    def _step(self, context: Context) -> Any:
        raise NotImplementedError

    def _progress(self, context: Context, step: str, datasource_id: str) -> Progress:
        return Progress(self.log, context, datasource_id=datasource_id, step=step)

    def _run_context(
        self,
        progress: Progress,
        *,
        conn_id: str | None = None,
        shares: int = 1,
        patience_seconds: float = 120.0,
        image_to_text: str | None = None,
    ) -> RunContext:
        from airflow_provider_confluence.hooks.confluence import ConfluenceHook
        from airflow_provider_confluence.operators import _deployment as deployment
        from airflow_provider_confluence.sync.context import RunContext

        def connect(datasource: Datasource) -> ConfluenceClient:
            hook = ConfluenceHook(conn_id or datasource.conn_id)
            hook.check_allowed(datasource)
            return hook.open_client(shares=shares, patience_seconds=patience_seconds, observer=progress.request)

        return RunContext(
            storage=deployment.storage(),
            connect=connect,
            make_sink=deployment.make_sink,
            observer=progress.step,
            extractor=deployment.extractor(image_to_text),
        )


class ConfluenceListChangesOperator(_ConfluenceOperator):
    """Find out what changed in Confluence since the last commit and write it down as a plan.

    Returns one reference for each shard of the plan, to map the next steps over; none when nothing changed. XCom ``counts`` holds what was
    listed and planned, XCom ``plan`` what :class:`ConfluenceCommitOperator` needs.

    :param datasource_id: the datasource, read from the Variable when the task runs. Not templated.
    :param datasource: instead, the datasource itself, as the Variable would hold it: for DAG authors. Give ``datasource_id`` with it.
    :param mode: ``auto``, ``full``, ``reconcile``, ``changes``, ``verify`` or ``rebuild`` (templated).
    :param allow_mass_delete: the revision whose withheld deletions may go ahead; empty for none (templated).
    :param content_ids: ids of the only items to look at, as a list or as one text with spaces between; empty for all (templated).
    :param confluence_conn_id: a connection in place of the datasource's own (templated).
    :param variable: the Variable of the datasources.
    :param connector_variable: the Variable of their defaults.
    :param patience_seconds: how long a request sits out a pause before the task gives its slot back until the pause is over.
    :param image_to_text: the function that reads attached pictures, ``package.module:function``, in place of the configuration's; to be
        given to both this step and the extraction.
    :param problem: a sentence to fail with at once: what the DAG factory found wrong and no task can see.
    """

    template_fields: Sequence[str] = ("mode", "allow_mass_delete", "content_ids", "confluence_conn_id")
    time_limit = timedelta(hours=1)

    def __init__(
        self,
        *,
        datasource_id: str,
        datasource: Mapping[str, Any] | None = None,
        mode: str = "auto",
        allow_mass_delete: int | str | None = None,
        content_ids: Sequence[str] | str | None = None,
        confluence_conn_id: str | None = None,
        variable: str = DATASOURCES_VARIABLE,
        connector_variable: str = CONNECTOR_VARIABLE,
        patience_seconds: float = 120.0,
        image_to_text: str | None = None,
        problem: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.datasource_id = datasource_id
        self.datasource = datasource
        self.mode = mode
        self.allow_mass_delete = allow_mass_delete
        self.content_ids = content_ids
        self.confluence_conn_id = confluence_conn_id
        self.variable = variable
        self.connector_variable = connector_variable
        self.patience_seconds = patience_seconds
        self.image_to_text = image_to_text
        self.problem = problem

    def _step(self, context: Context) -> list[dict[str, Any]]:
        from airflow_provider_confluence.errors import SupersededError
        from airflow_provider_confluence.operators._mirror import trouble_of

        try:
            return self._list(context)
        except SupersededError:
            raise
        except Exception as error:
            # The commit, which tells people how the datasource stands, knows nothing else of this.
            context["ti"].xcom_push(TROUBLE_KEY, trouble_of(error))
            raise

    def _list(self, context: Context) -> list[dict[str, Any]]:
        from airflow_provider_confluence.errors import ConfigurationError, SupersededError
        from airflow_provider_confluence.sync.list_changes import list_changes

        if self.problem is not None:
            raise ConfigurationError(self.problem)
        datasource = self._read_datasource()
        progress = self._progress(context, "list_changes", datasource.id)
        run = self._run_context(progress, patience_seconds=self.patience_seconds, image_to_text=self.image_to_text)
        ti = context["ti"]
        self.log.info(
            "datasource %s: %s, by connection %s, mode %s",
            datasource.id,
            spaces_in_words(datasource.space),
            datasource.conn_id,
            self.mode,
        )
        try:
            with progress.details("Listing Confluence"):
                plan = list_changes(
                    run, datasource, mode=self.mode, allow_mass_delete=self._consent(), content_ids=self._targets()
                )
        except SupersededError as error:
            # The commit runs whatever happens here, and must tell this from a failure.
            ti.xcom_push(SUPERSEDED_KEY, {"newer": error.newer, "message": str(error)})
            raise
        self.confluence_url = plan.url
        self.log.info("planned run %s, mode %s: %s", plan.revision, plan.mode, in_words(plan.counts))
        tell_notes(self.log, plan.notes)
        reference = {
            "datasource_id": plan.datasource_id,
            "revision": plan.revision,
            "shards": plan.shards,
            "url": plan.url,
        }
        ti.xcom_push(PLAN_KEY, reference)
        ti.xcom_push(COUNTS_KEY, dict(plan.counts))
        return [
            {**reference, "shard": shard, "label": label} for shard, label in enumerate(labels_of_shards(plan.items))
        ]

    def _read_datasource(self) -> Datasource:
        from airflow_provider_confluence.operators._deployment import find_datasource

        found = find_datasource(
            self.datasource_id, self.datasource, variable=self.variable, connector_variable=self.connector_variable
        )
        return replace(found, conn_id=self.confluence_conn_id) if self.confluence_conn_id else found

    def _targets(self) -> list[str]:
        given = self.content_ids or ()
        return given.split() if isinstance(given, str) else [str(content_id) for content_id in given]

    def _consent(self) -> int | None:
        from airflow_provider_confluence.errors import ConfigurationError

        given = self.allow_mass_delete
        if given is None or (isinstance(given, str) and given.strip() in ("", "None")):
            return None
        try:
            return int(given)
        except ValueError as error:
            raise ConfigurationError(
                f"allow_mass_delete is {given!r}; it must be the revision that the message of the red run names"
            ) from error


class _ShardOperator(_ConfluenceOperator):
    """A step over one shard.

    :param reference: one of the references that :class:`ConfluenceListChangesOperator` returns (templated).
    """

    template_fields: Sequence[str] = ("reference",)
    time_limit = timedelta(hours=2)

    def __init__(self, *, reference: Any, **kwargs: Any) -> None:
        # In place of 0, 1, 2: what the shard holds.
        kwargs.setdefault("map_index_template", "{{ task.reference['label'] }}")
        super().__init__(**kwargs)
        self.reference = reference

    def _begin(self, context: Context, step: str) -> Progress:
        to_do = self.reference
        self.confluence_url = to_do.get("url", "")
        self.log.info(
            "datasource %s, run %s: %s (shard %s of %s)",
            to_do["datasource_id"],
            to_do["revision"],
            to_do.get("label", "its items"),
            to_do["shard"] + 1,
            to_do["shards"],
        )
        return self._progress(context, step, to_do["datasource_id"])


class ConfluenceExtractOperator(_ShardOperator):
    """Fetch and convert the documents of one shard, and stage them. A retry fetches only what is not staged yet.

    :param reference: one of the references that :class:`ConfluenceListChangesOperator` returns (templated).
    :param patience_seconds: how long a request sits out a pause before the task gives its slot back until the pause is over.
    :param image_to_text: the function that reads attached pictures, ``package.module:function``, in place of the configuration's; to be
        given to both the listing and this step.
    """

    def __init__(
        self, *, reference: Any, patience_seconds: float = 120.0, image_to_text: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(reference=reference, **kwargs)
        self.patience_seconds = patience_seconds
        self.image_to_text = image_to_text

    def _step(self, context: Context) -> dict[str, Any]:
        from airflow_provider_confluence.sync.extract import extract

        to_do = self.reference
        progress = self._begin(context, "extract")
        run = self._run_context(
            progress,
            shares=to_do["shards"],
            patience_seconds=self.patience_seconds,
            image_to_text=self.image_to_text,
        )
        with progress.details("Fetching and converting"):
            counts = asdict(extract(run, to_do["datasource_id"], to_do["revision"], to_do["shard"]))
        self.log.info("extracted: %s", in_words(counts))
        return counts


class ConfluenceIndexOperator(_ShardOperator):
    """Write the staged documents of one shard to the sink, with a receipt for each. Writing again is harmless.

    :param reference: one of the references that :class:`ConfluenceListChangesOperator` returns (templated).
    """

    def _step(self, context: Context) -> dict[str, Any]:
        from airflow_provider_confluence.sync.index import index

        to_do = self.reference
        progress = self._begin(context, "index")
        run = self._run_context(progress)
        with progress.details("Writing to the sink"):
            counts = asdict(index(run, to_do["datasource_id"], to_do["revision"], to_do["shard"]))
        self.log.info("indexed: %s", in_words(counts))
        return counts


class ConfluenceCommitOperator(_ConfluenceOperator):
    """Make what the receipts say the state from which the next run starts.

    It runs whatever became of the shards and succeeds even when some failed; whether the run was clean is for
    :class:`ConfluenceVerdictOperator` to say. Its XCom is what the run came to. When the index changed, it adds an event to the asset of
    the datasource, with the counts; the asset's state store shows how the index stands, recent runs, failures, and why a run failed.

    :param datasource_id: the datasource. Not templated.
    :param list_changes_task_id: the task whose plan is committed.
    :param verdict_task_id: the task to skip, without a worker, when the run was clean; ``None`` skips none.
    """

    time_limit = timedelta(minutes=30)

    def __init__(
        self,
        *,
        datasource_id: str,
        list_changes_task_id: str = "list_changes",
        verdict_task_id: str | None = "verdict",
        trigger_rule: str = TriggerRule.ALL_DONE,
        **kwargs: Any,
    ) -> None:
        self._asset = asset_of(datasource_id)
        self._alias = AssetAlias(name=f"confluence-{datasource_id}")
        # The inlet keeps the asset, and so its state, alive; as an outlet it would get an event with every success.
        kwargs.setdefault("inlets", [self._asset])
        kwargs.setdefault("outlets", [self._alias])
        super().__init__(trigger_rule=trigger_rule, **kwargs)
        self.datasource_id = datasource_id
        self.list_changes_task_id = list_changes_task_id
        self.verdict_task_id = verdict_task_id

    def _step(self, context: Context) -> dict[str, Any]:
        from airflow.sdk.exceptions import DownstreamTasksSkipped

        from airflow_provider_confluence.operators._mirror import Mirror
        from airflow_provider_confluence.sync.commit import commit, verdict

        ti = context["ti"]
        mirror = Mirror(context, self._asset, self.log)
        progress = self._progress(context, "commit", self.datasource_id)
        with mirror.trouble_shown(ti.xcom_pull(task_ids=self.list_changes_task_id, key=TROUBLE_KEY)):
            plan = self._find_plan(ti, progress)
            self.confluence_url = plan.get("url", "")
            run = self._run_context(progress)
            self.log.info("datasource %s, run %s", plan["datasource_id"], plan["revision"])
            with progress.details("Committing"):
                result = commit(run, plan["datasource_id"], plan["revision"])
        said = verdict(replace(result, problems=_few(result.problems)))
        summary = {
            "datasource_id": result.datasource_id,
            "revision": result.revision,
            "mode": result.mode,
            "watermark": result.watermark,
            "changed": result.changed,
            "counts": dict(result.counts),
            "requests": result.requests,
            "throttled_seconds": round(result.throttled_seconds, 1),
            "problems": list(_few(result.problems)),
            "notes": list(_few(result.notes)),
            "verdict": said,
            "url": self.confluence_url,
        }
        self._tell(result, said)
        progress.committed(result)
        ti.xcom_push(COUNTS_KEY, summary["counts"])
        mirror.show(result, said, run.storage)
        if result.changed:
            facts: dict[str, Any] = {name: summary[name] for name in ("revision", "mode", "watermark", "counts")}
            facts["follows"] = result.follows
            context["outlet_events"][self._alias].add(self._asset, extra=facts)
        if result.clean and self.verdict_task_id is not None:
            # Airflow does not push what is returned on this path.
            ti.xcom_push("return_value", summary)
            raise DownstreamTasksSkipped(tasks=[self.verdict_task_id])  # type: ignore[no-untyped-call]
        return summary

    def _tell(self, result: RunResult, said: str) -> None:
        self.log.info(said)
        self.log.info("the index holds: %s", in_words(result.documents))
        tell_notes(self.log, result.notes)
        if result.failures:
            self.log.info("::group::%s items fail", result.counts["failing"])
            for failure in result.failures[:_FAILURES_IN_LOG]:
                self.log.info(
                    "%s %s: %s, %s", failure["type"], failure["content_id"], failure["reason"], failure["message"]
                )
            self.log.info("all of them: airflow-confluence failures %s", result.datasource_id)
            self.log.info("::endgroup::")
        self.log.info(
            "the index shows Confluence as of %s; %s",
            result.watermark,
            "the asset has an event" if result.changed else "nothing changed in it, so the asset has no event",
        )

    def _find_plan(self, ti: Any, progress: Progress) -> Mapping[str, Any]:
        from airflow_provider_confluence.errors import ConfigurationError, SupersededError

        plan = ti.xcom_pull(task_ids=self.list_changes_task_id, key=PLAN_KEY)
        if plan is not None:
            return dict(plan)
        superseded = ti.xcom_pull(task_ids=self.list_changes_task_id, key=SUPERSEDED_KEY)
        if superseded is not None:
            raise SupersededError(0, superseded["newer"], superseded["message"])
        progress.came_to_nothing()
        raise ConfigurationError(
            f"there is no plan to commit, because {self.list_changes_task_id} did not finish; its log says why. "
            "Nothing was written and nothing is lost: the next run starts from the last commit"
        )


class ConfluenceVerdictOperator(_ConfluenceOperator):
    """Turn the run red, with a sentence why, when it missed something. It stands last, so the run's state is its state.

    :param commit_task_id: the task whose result is judged.
    """

    time_limit = timedelta(minutes=5)

    def __init__(self, *, commit_task_id: str = "commit", retries: int = 0, **kwargs: Any) -> None:
        super().__init__(retries=retries, **kwargs)
        self.commit_task_id = commit_task_id

    def _step(self, context: Context) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        summary = context["ti"].xcom_pull(task_ids=self.commit_task_id)
        if not isinstance(summary, Mapping):
            raise AirflowFailException(f"{self.commit_task_id} left no result to judge; its log says why")
        self.confluence_url = summary.get("url", "")
        if summary["problems"]:
            raise AirflowFailException(summary["verdict"])
        self.log.info(summary["verdict"])


def _few(sentences: Sequence[str]) -> tuple[str, ...]:
    """Return sentences as XCom keeps them, which is for every run: in a wiki of many spaces there may be one for each of them."""
    if len(sentences) <= MOST_SENTENCES:
        return tuple(sentences)
    return (*sentences[:MOST_SENTENCES], f"and {len(sentences) - MOST_SENTENCES} more, which the log of commit names")
