"""One datasource as frozen data: the specification's fields, their defaults, and every problem of a definition at once.

The names, defaults and meanings of ``name``, ``space``, ``enable_blogposts``, ``enable_attachments``, ``enabled``, ``interval`` and
``queue.name`` are those of Coco Server's Confluence connector. Reading does no I/O.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

from airflow_provider_confluence.documents import TREE_TYPES
from airflow_provider_confluence.errors import DatasourceError

DEFAULT_INTERVAL = "5m"
DEFAULT_QUEUE = "indexing_documents"
EVERY_SPACE = "*"
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
# The kinds of attached files that have text; content/attachments/kinds.py says which files each of them is.
ATTACHMENT_TYPES = (
    *("pdf", "word", "powerpoint", "excel", "opendocument", "html", "csv", "markdown", "email", "text", "image"),
)
CHUNK_TOKENS = (64, 100_000)  # fewer leave too little room beside a breadcrumb; no embedding model we know reads more
_NOT_HERE = ("token", "password", "username", "endpoint")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_MACRO_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_ID_RULE = (
    "an id is made of letters, digits, '_', '-' and '.', begins with a letter or digit, and has at most 100 characters"
)
_LONGEST = timedelta(days=366)  # a scheduler that adds more than the calendar holds would stop for everybody
_GO_DURATION = re.compile(r"(?:(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))")
_UNIT_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> timedelta:
    """Return a Go duration such as ``30s``, ``5m`` or ``1h30m`` as a timedelta.

    :raises ValueError: for anything else, and for a duration that is not above zero or longer than a year.
    """
    matches = list(_GO_DURATION.finditer(text))
    if not matches or "".join(m.group(0) for m in matches) != text:
        raise ValueError(f"{text!r} is not a duration like 30s, 5m or 1h30m")
    seconds = sum(float(m.group(1)) * _UNIT_SECONDS[m.group(2)] for m in matches)
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{text[:40]!r} is longer than a year")
    duration = timedelta(seconds=seconds)
    if duration <= timedelta(0):
        raise ValueError(f"{text!r} is not above zero")
    return duration


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
        """Return the datasource that ``to_json`` wrote."""
        return cls(**{**value, **{name: tuple(value[name]) for name in LIST_SETTINGS if name in value}})


def check_id(datasource_id: str) -> None:
    """Return where a text can be the id of a datasource; it becomes a folder's name. :raises DatasourceError: else."""
    if not _ID.fullmatch(datasource_id):
        raise DatasourceError([f"{datasource_id[:100]}: {_ID_RULE}"])


def read_datasource(datasource_id: str, value: object, *, defaults: Mapping[str, Any] | None = None) -> Datasource:
    """Return one datasource from its JSON object.

    :param defaults: the specification's connector block: ``enabled``, ``interval``, ``queue`` that hold where the object says nothing.
    :raises DatasourceError: with every problem, each by its path.
    """
    reader = _Reader(datasource_id)
    found = reader.read(value, dict(defaults or {}))
    if found is None:
        raise DatasourceError(reader.problems)
    return found


def read_datasources(
    text: str, *, connector: Mapping[str, Any] | None = None
) -> dict[str, Datasource | DatasourceError]:
    """Return every datasource of the Variable's JSON text, a broken one as its error, so that it never hides the good ones.

    :raises DatasourceError: when the text as a whole cannot be read (broken JSON, a key given twice, not an object).
    """
    try:
        value = json.loads(text, object_pairs_hook=_refuse_duplicate_keys)
    except json.JSONDecodeError as error:
        raise DatasourceError([f"line {error.lineno}, column {error.colno}: this is not JSON ({error.msg})"]) from error
    if not isinstance(value, dict):
        raise DatasourceError([f"expected an object with one entry a datasource, found {_kind(value)}"])
    found: dict[str, Datasource | DatasourceError] = {}
    for datasource_id, entry in value.items():
        try:
            found[datasource_id] = read_datasource(datasource_id, entry, defaults=connector)
        except DatasourceError as error:
            found[datasource_id] = error
    return found


def _refuse_duplicate_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise DatasourceError([f"{key}: this key is given twice in one object"])
        seen[key] = value
    return seen


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


class _Reader:
    """Reads one object and gathers its problems."""

    def __init__(self, datasource_id: str) -> None:
        self.id = datasource_id
        self.problems: list[str] = []

    def say(self, path: str, what: str) -> None:
        self.problems.append(f"{self.id}.{path}: {what}" if path else f"{self.id}: {what}")

    def read(self, value: object, defaults: Mapping[str, Any]) -> Datasource | None:
        if not _ID.fullmatch(self.id):
            self.say("", _ID_RULE)
        if not isinstance(value, dict):
            self.say("", f"expected an object, found {_kind(value)}")
            return None
        readers: dict[str, Callable[[str, Any], Any]] = {
            "name": self._text,
            "conn_id": self._text,
            "space": self._space,
            "enable_blogposts": self._flag,
            "enable_attachments": self._flag,
            "enable_comments": self._flag,
            "enable_folders": self._flag,
            "enabled": self._flag,
            "interval": self._interval,
            "queue": self._queue,
            "sink": self._sink,
            "max_items_per_run": self._count,
            "max_shards": self._count,
            "max_delete_share": self._share,
            "max_failure_share": self._share,
            "keep_runs": self._count,
            "reconcile_interval": self._interval,
            "cheap_reconcile_requests": self._count,
            "airflow": self._airflow,
            "exclude_spaces": self._texts,
            "personal_spaces": self._flag,
            "include_labels": self._texts,
            "exclude_labels": self._texts,
            "root_pages": self._page_ids,
            "archived": self._flag,
            "macros": self._macros,
            "rendered_macros": self._macro_names,
            "rendered_macros_max_age": self._interval,
            "rendered_macros_max_pages": self._count,
            "attachment_types": self._attachment_types,
            "attachment_max_bytes": self._count,
            "attachment_timeout": self._interval,
            "attachment_cache_max_bytes": self._count,
            "chunk_tokens": self._chunk_tokens,
        }
        for key in value:
            if key in _NOT_HERE:
                self.say(
                    key,
                    "credentials and addresses belong into the connection that conn_id names, never into a Variable",
                )
        self._say_unknown("", [key for key in value if key not in _NOT_HERE], readers)
        settings: dict[str, Any] = {}
        for key, read in readers.items():
            if key in value:
                settings[key] = read(key, value[key])
            elif key in defaults:
                settings[key] = read(key, defaults[key])
        if "space" not in value:
            self.say("space", "the key of the space to index is missing")
        self._check_scope(settings)
        if self.problems:
            return None
        if "queue" in settings:
            settings["queue_name"] = settings.pop("queue")
        return Datasource(id=self.id, **{"name": self.id, **settings})

    def _text(self, path: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            self.say(path, f"expected a text, found {_kind(value)}" if not isinstance(value, str) else "is empty")
            return ""
        return value

    def _flag(self, path: str, value: Any) -> bool:
        if not isinstance(value, bool):
            self.say(path, f"expected true or false, found {_kind(value)}")
        return bool(value)

    def _space(self, path: str, value: Any) -> tuple[str, ...]:
        keys = [value] if isinstance(value, str) else value
        if not isinstance(keys, list) or not keys or not all(isinstance(k, str) and k.strip() for k in keys):
            self.say(path, "expected a space key, or a list of them")
            return ()
        if len(set(keys)) != len(keys):
            self.say(path, "names a space twice")
        if EVERY_SPACE in keys and len(keys) > 1:
            self.say(path, "'*' means every space; name no other beside it")
        return tuple(keys)

    def _texts(self, path: str, value: Any) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(text, str) and text.strip() for text in value):
            self.say(path, "expected a list of texts")
            return ()
        if len(set(value)) != len(value):
            self.say(path, "names one twice")
        return tuple(value)

    def _page_ids(self, path: str, value: Any) -> tuple[str, ...]:
        ids = self._texts(path, value)
        if not all(content_id.isascii() and content_id.isdigit() for content_id in ids):
            self.say(path, 'expected ids of pages as texts, such as "98304": the number in a page\'s address')
        return ids

    def _attachment_types(self, path: str, value: Any) -> tuple[str, ...]:
        types = self._texts(path, value)
        unknown = [type_ for type_ in types if type_ not in ATTACHMENT_TYPES]
        if unknown:
            self.say(path, f"{', '.join(unknown)} is not known; choose from {', '.join(ATTACHMENT_TYPES)}")
        return types

    def _check_scope(self, settings: Mapping[str, Any]) -> None:
        both = set(settings.get("include_labels", ())) & set(settings.get("exclude_labels", ()))
        if both:
            self.say("exclude_labels", f"{', '.join(sorted(both))} is in include_labels as well")
        if settings.get("space") == (EVERY_SPACE,):
            if EVERY_SPACE in settings.get("exclude_spaces", ()):
                self.say("exclude_spaces", "'*' would leave no space; name keys")
            return
        for key in ("exclude_spaces", "personal_spaces"):
            if settings.get(key):
                self.say(key, 'holds only together with "space": "*"; a space that is named is in, a personal one too')

    def _interval(self, path: str, value: Any) -> str:
        if not isinstance(value, str):
            self.say(path, f"expected a duration like 30s, 5m or 1h30m, found {_kind(value)}")
            return DEFAULT_INTERVAL
        try:
            parse_duration(value)
        except ValueError as error:
            self.say(path, str(error))
        return value

    def _queue(self, path: str, value: Any) -> str:
        if not isinstance(value, dict) or set(value) != {"name"}:
            self.say(path, 'expected {"name": "…"}')
            return DEFAULT_QUEUE
        return self._text(f"{path}.name", value["name"])

    def _sink(self, path: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict) or not isinstance(value.get("type"), str):
            self.say(path, 'expected an object with a type, such as {"type": "local"}')
            return {}
        return dict(value)

    def _airflow(self, path: str, value: Any) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            self.say(path, f"expected an object, found {_kind(value)}")
            return {}
        readers: dict[str, Callable[[str, Any], Any]] = {
            "pool": self._short_text,
            "queue": self._short_text,
            "executor": self._short_text,
            "owner": self._short_text,
            "tags": self._tags,
            "retries": self._retries,
            "execution_timeout": self._interval,
            "priority_weight": self._weight,
        }
        self._say_unknown(f"{path}.", value, readers)
        return {key: read(f"{path}.{key}", value[key]) for key, read in readers.items() if key in value}

    def _tags(self, path: str, value: Any) -> list[str]:
        if not isinstance(value, list) or not all(isinstance(tag, str) and tag and len(tag) <= 100 for tag in value):
            self.say(path, "expected a list of texts of up to 100 characters")
            return []
        return list(value)

    def _retries(self, path: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
            self.say(path, "expected a whole number from 0 to 100")
            return 0
        return value

    def _weight(self, path: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 1_000_000:
            self.say(path, "expected a whole number from 1 to 1000000")
            return 1
        return value

    def _short_text(self, path: str, value: Any) -> str:
        # What does not fit into Airflow's columns would stop its scheduler, and with it every DAG.
        if isinstance(value, str) and len(value) > 250:
            self.say(path, "is longer than 250 characters")
            return ""
        return self._text(path, value)

    def _say_unknown(self, prefix: str, keys: Iterable[Any], readers: Mapping[str, Any]) -> None:
        for key in keys:
            if key not in readers:
                near = difflib.get_close_matches(str(key), readers, n=1)
                self.say(f"{prefix}{key}", f"unknown setting{f'; did you mean {near[0]}?' if near else ''}")

    def _macros(self, path: str, value: Any) -> dict[str, str]:
        from airflow_provider_confluence.content.macros import POLICY

        if not isinstance(value, dict):
            self.say(path, f"expected an object of macro names, found {_kind(value)}")
            return {}
        for name, other in value.items():
            if not isinstance(other, str) or other not in POLICY:
                near = difflib.get_close_matches(str(other), POLICY, n=1)
                self.say(
                    f"{path}.{name}",
                    f"expected the name of a macro in the table of docs/content.md{f'; did you mean {near[0]}?' if near else ''}",
                )
        return value

    def _macro_names(self, path: str, value: Any) -> tuple[str, ...]:
        names = self._texts(path, value)
        wrong = [name for name in names if not _MACRO_NAME.fullmatch(name)]
        if wrong:
            self.say(
                path,
                f'{", ".join(name[:40] for name in wrong)}: expected names of macros as storage format has them, such as "jira" '
                "(ac:name=…)",
            )
        return names

    def _count(self, path: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.say(path, "expected a whole number of at least 1")
            return 1
        return value

    def _chunk_tokens(self, path: str, value: Any) -> int:
        least, most = CHUNK_TOKENS
        if not isinstance(value, int) or isinstance(value, bool) or (value != 0 and not least <= value <= most):
            self.say(path, f"expected a whole number of tokens from {least} to {most}, or 0 for no chunks")
            return 0
        return value

    def _share(self, path: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            self.say(path, "expected a share between 0 and 1")
            return 0.0
        return float(value)
