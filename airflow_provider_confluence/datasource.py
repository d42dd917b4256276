"""One datasource as frozen data: the specification's fields, their defaults, and every problem of a definition at once.

The names, defaults and meanings of ``name``, ``space``, ``enable_blogposts``, ``enable_attachments``, ``enabled``, ``interval`` and
``queue.name`` are those of Coco Server's Confluence connector. Reading does no I/O.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from airflow_provider_confluence.datasource_settings import (
    ATTACHMENT_TYPES,
    CONNECTOR,
    CREDENTIALS,
    EVERY_SPACE,
    SETTINGS,
    check_together,
    id_problem,
)
from airflow_provider_confluence.documents import TREE_TYPES
from airflow_provider_confluence.errors import DatasourceError
from airflow_provider_confluence.settings import BELONGS_ELSEWHERE, Say, Twice, kind_of, parse_duration, printable

__all__ = [
    "ATTACHMENT_TYPES",
    "DEFAULT_INTERVAL",
    "DEFAULT_QUEUE",
    "EVERY_SPACE",
    "LIST_SETTINGS",
    "Datasource",
    "check_id",
    "datasources_in",
    "parse_duration",
    "parse_json",
    "read_connector",
    "read_datasource",
    "read_datasources",
]

_IMPORT = "airflow-confluence import FILE makes the connection and the entry here of a datasource of Coco Server"
DEFAULT_INTERVAL = "5m"
DEFAULT_QUEUE = "indexing_documents"
# Types of sinks whose search shows everything to everybody, whatever a document says of its readers.
SHOWN_TO_ALL = ("coco",)
# The settings that hold several texts.
LIST_SETTINGS = (
    "space",
    "exclude_spaces",
    "include_labels",
    "exclude_labels",
    "root_pages",
    "attachment_types",
    "rendered_macros",
)


@dataclass(frozen=True, slots=True)
class Datasource:
    """One configured unit: which spaces of which connection go where, and how often.

    ``space`` holds space keys, or ``*`` alone for all current spaces that the account sees: without ``exclude_spaces``, and without
    personal spaces unless ``personal_spaces`` says so. A page or blog post needs one of ``include_labels``, where there are any, and none
    of ``exclude_labels``; attachments and comments follow it. Of pages, only ``root_pages`` (ids) and what is below them are in, where
    there are any. Archived pages and their attachments are in where ``archived`` says so.
    ``enable_folders`` adds what stands above pages in Cloud's tree without being one.

    ``queue_name`` names the destination inside the sink. ``max_items_per_run`` bounds the upserts of one run; ``max_shards`` how many tasks
    share them. More than ``max_delete_share`` of a space's items of one type, and over 50, are not removed without consent. More than
    ``max_failure_share`` of a run's items, and over 10, newly failed, make the run red. ``keep_runs`` finished runs stay in the journal.
    Everything is compared at least every ``reconcile_interval``, and in every run where that costs at most ``cheap_reconcile_requests``
    requests; the other runs look at the latest changes. Of attached files, those of ``attachment_types`` are read, up to
    ``attachment_max_bytes``, each for at most ``attachment_timeout``; their texts are kept, at most ``attachment_cache_max_bytes`` of them
    as compressed, so that a version is fetched once. ``airflow`` is Airflow's own side of it, which only the DAG factory reads: any of
    pool, queue, executor, owner, tags, retries, execution_timeout (a duration) and priority_weight. ``macros`` likens macros
    of one's own to those of the converter's table. Documents get chunks of at most ``chunk_tokens`` tokens; 0 is for none.
    ``rendered_macros`` are shown by the server, on at most ``rendered_macros_max_pages``
    pages a run, and again when that is older than ``rendered_macros_max_age``.
    ``enable_permissions`` writes into documents who may read them; ``restricted`` (skip | include) is about what not
    everybody who sees its space may read.
    """

    id: str
    name: str
    space: tuple[str, ...]
    conn_id: str = "confluence_default"
    enable_blogposts: bool = False
    enable_attachments: bool = False
    enabled: bool = True
    interval: str = DEFAULT_INTERVAL
    queue_name: str = DEFAULT_QUEUE
    sink: Mapping[str, Any] = field(default_factory=lambda: {"type": "local"})
    max_items_per_run: int = 50_000
    max_shards: int = 4
    max_delete_share: float = 0.2
    max_failure_share: float = 0.05
    keep_runs: int = 3
    reconcile_interval: str = "6h"
    cheap_reconcile_requests: int = 40
    airflow: Mapping[str, Any] = field(default_factory=dict)
    exclude_spaces: tuple[str, ...] = ()
    personal_spaces: bool = False
    include_labels: tuple[str, ...] = ()
    exclude_labels: tuple[str, ...] = ()
    root_pages: tuple[str, ...] = ()
    archived: bool = False
    enable_comments: bool = False
    macros: Mapping[str, str] = field(default_factory=dict)
    rendered_macros: tuple[str, ...] = ()
    rendered_macros_max_age: str = "24h"
    rendered_macros_max_pages: int = 1_000
    enable_folders: bool = False
    attachment_types: tuple[str, ...] = ATTACHMENT_TYPES
    attachment_max_bytes: int = 50 * 1024 * 1024
    attachment_timeout: str = "60s"
    attachment_cache_max_bytes: int = 1024**3
    chunk_tokens: int = 0
    enable_permissions: bool = False
    restricted: str = "skip"

    @property
    def leaves_out_restricted(self) -> bool:
        """Whether what not everybody who sees its space may read is out of scope."""
        return self.restricted == "skip"

    @property
    def asks_readers(self) -> bool:
        """Whether a run must know what restricts the reading of an item."""
        return self.enable_permissions or self.leaves_out_restricted

    @property
    def content_types(self) -> tuple[str, ...]:
        """The types of content in scope."""
        wanted = ["page"]
        if self.enable_blogposts:
            wanted.append("blogpost")
        if self.enable_attachments:
            wanted.append("attachment")
        if self.enable_comments:
            wanted.append("comment")
        if self.enable_folders:
            wanted += TREE_TYPES
        return tuple(wanted)

    @property
    def everywhere(self) -> bool:
        """Whether every space that the account sees is in scope, but for those that are left out."""
        return self.space == (EVERY_SPACE,)

    @property
    def scope(self) -> tuple[object, ...]:
        """All that says what is in scope; two datasources that are equal in it take the same items."""
        return (
            *(self.space, self.exclude_spaces, self.personal_spaces, self.content_types),
            *(self.include_labels, self.exclude_labels, self.root_pages, self.archived),
            self.leaves_out_restricted,
        )

    @property
    def selective(self) -> bool:
        """Whether only some of the items in the spaces are in scope."""
        return bool(self.include_labels or self.exclude_labels or self.root_pages)

    def to_json(self) -> dict[str, Any]:
        """Return the datasource as plain JSON, to be frozen into a plan; it holds no secret."""
        value = asdict(self)
        for name in LIST_SETTINGS:
            value[name] = list(value[name])
        value["sink"] = dict(self.sink)
        value["airflow"] = dict(self.airflow)
        value["macros"] = dict(self.macros)
        return value

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Datasource:
        """Return the datasource that ``to_json`` wrote.

        What was written before there was the setting ``restricted`` took restricted items as well.
        """
        value = {"restricted": "include", **value}
        return cls(**{**value, **{name: tuple(value[name]) for name in LIST_SETTINGS if name in value}})


def check_id(datasource_id: str) -> None:
    """Return where a text can be the id of a datasource; it becomes a folder's name. :raises DatasourceError: else."""
    problem = id_problem(datasource_id)
    if problem is not None:
        raise DatasourceError([f"{printable(datasource_id)}: {problem}"])


# ------------------------------------------------------------------------------------------ reading
def parse_json(text: str) -> Any:
    """Return what a JSON text says; objects in which a key is given twice remember that. :raises DatasourceError: where it is none."""
    text = text.removeprefix("\ufeff")  # which editors on Windows put before everything
    try:
        return json.loads(text, object_pairs_hook=Twice.from_pairs)
    except json.JSONDecodeError as error:
        what = _explained(text, error)
        raise DatasourceError([f"line {error.lineno}, column {error.colno}: this is not JSON ({what})"]) from error
    except (RecursionError, ValueError) as error:
        raise DatasourceError([f"this is no JSON that can be read ({type(error).__name__})"]) from error


def _explained(text: str, error: json.JSONDecodeError) -> str:
    """Return what is wrong at that place in the words of whoever typed it; Python's own where the case is none of the usual ones."""
    before, here = text[: error.pos].rstrip(), text[error.pos : error.pos + 2]
    if not text.strip():
        return "it is empty; without datasources it is {}"
    if here[:1] == "'":
        return "texts stand in double quotes, not in single ones"
    if here in ("//", "/*") or here[:1] == "#":
        return "JSON has no comments"
    if before.endswith(",") and (not here or here[0] in "}]"):
        return "a comma stands before the closing bracket"
    return error.msg


def read_connector(value: object) -> Mapping[str, Any]:
    """Return the specification's connector block: ``enabled``, ``interval``, ``queue``, for datasources that say nothing.

    :raises DatasourceError: with every problem, each by its path.
    """
    problems: list[str] = []
    CONNECTOR.read("", value, lambda path, what: problems.append(f"{path}: {what}" if path else what))
    if problems:
        raise DatasourceError(problems)
    assert isinstance(value, dict)
    return value


def read_datasources(
    text: str, *, connector: Mapping[str, Any] | None = None
) -> dict[str, Datasource | DatasourceError]:
    """Return every datasource of the Variable's JSON text, a broken one as its error, so that it never hides the good ones.

    :raises DatasourceError: when the text as a whole cannot be read (broken JSON, not an object).
    """
    return datasources_in(parse_json(text), connector=connector)


def datasources_in(
    value: object, *, connector: Mapping[str, Any] | None = None
) -> dict[str, Datasource | DatasourceError]:
    """Return every datasource of an object by id, as :func:`read_datasources` does.

    :raises DatasourceError: when it is none.
    """
    if not isinstance(value, dict):
        raise DatasourceError([f"expected an object with one entry a datasource, found {kind_of(value)}"])
    if value.get("type") == "connector" and "connector" in value:
        raise DatasourceError([f"this is a datasource of Coco Server; {_IMPORT}"])
    twice = value.keys_given_twice if isinstance(value, Twice) else ()
    found: dict[str, Datasource | DatasourceError] = {}
    for datasource_id, entry in value.items():
        try:
            found[datasource_id] = read_datasource(datasource_id, entry, defaults=connector)
        except DatasourceError as error:
            found[datasource_id] = error
    # Which of the two is meant nobody can tell.
    return {**found, **{id_: DatasourceError([f"{printable(id_)}: this id is given twice"]) for id_ in twice}}


def read_datasource(datasource_id: str, value: object, *, defaults: Mapping[str, Any] | None = None) -> Datasource:
    """Return one datasource from its JSON object.

    :param defaults: the specification's connector block: ``enabled``, ``interval``, ``queue`` that hold where the object says nothing.
    :raises DatasourceError: with every problem, each by its path.
    """
    problems: list[str] = []
    shown = printable(datasource_id)

    def say(path: str, what: str) -> None:
        problems.append(f"{shown}.{path}: {what}" if path else f"{shown}: {what}")

    wrong_id = id_problem(datasource_id)
    if wrong_id is not None:
        say("", wrong_id)
    if not isinstance(value, dict):
        say("", f"expected an object, found {kind_of(value)}")
        raise DatasourceError(problems)
    if _holds_half_a_character(value):
        say(
            "",
            "a text in it holds half of a character (\\ud800 to \\udfff without its other half), which no file can keep",
        )
    if "connector" in value:
        say("connector", f"this is as in Coco Server; {_IMPORT}")
    for key in CREDENTIALS:
        if key in value:
            say(key, f"{BELONGS_ELSEWHERE} that conn_id names, never into a Variable; {_IMPORT}")
    own = Twice({key: entry for key, entry in value.items() if key not in (*CREDENTIALS, "connector")})
    own.keys_given_twice = value.keys_given_twice if isinstance(value, Twice) else ()
    for key, entry in (defaults or {}).items():
        own.setdefault(key, entry)
    settings = SETTINGS.read("", own, say)
    check_together(settings, say)
    if settings.get("enable_permissions") is True and settings.get("sink", {}).get("type") not in SHOWN_TO_ALL:
        settings.setdefault("restricted", "include")  # whoever asks for levels wants them on what is restricted
    queue_name = settings.pop("queue", {}).get("name", DEFAULT_QUEUE)
    _check_destination(queue_name, settings.get("sink", {}), say)
    if problems:
        raise DatasourceError(problems)
    return Datasource(**{"id": datasource_id, "name": datasource_id, "queue_name": queue_name, **settings})


def _holds_half_a_character(value: object) -> bool:
    """Whether JSON's escapes made a text that is none: it could be neither written nor sent."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (TypeError, ValueError, RecursionError):
        return False  # what is wrong with that is said elsewhere
    return False


def _check_destination(queue_name: str, sink: Mapping[str, Any], say: Say) -> None:
    from airflow_provider_confluence.sinks.settings import DEFAULT_TYPE, check_destination

    if queue_name.strip():
        check_destination("queue.name", queue_name, sink.get("type", DEFAULT_TYPE), say)
