"""The table of a datasource's settings: what reads the Variable, the schema for editors and the reference all go by it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.settings import (
    Duration,
    Flag,
    OneOf,
    Say,
    Setting,
    Share,
    Table,
    Tags,
    Text,
    Texts,
    Whole,
    hint,
    kind_of,
)

EVERY_SPACE = "*"
# The kinds of attached files that have text; content/attachments/kinds.py says which files each of them is.
ATTACHMENT_TYPES = (
    *("pdf", "word", "powerpoint", "excel", "opendocument", "html", "csv", "markdown", "email", "text", "image"),
)
ID_PATTERN = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
ID_RULE = (
    "an id is made of A-Z, a-z, 0-9, '_', '-' and '.', begins with a letter or digit, and has at most 100 characters"
)
CREDENTIALS = ("token", "password", "username", "endpoint")
"""Keys of Coco's ``connector.config`` that belong into a connection."""

_MACRO_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}"
_SHORT = Text(longest=250)  # what does not fit into Airflow's columns would stop its scheduler, and with it every DAG


class Space:
    """A space key, or a list of them; ``*`` stands alone."""

    def read(self, path: str, value: Any, say: Say) -> tuple[str, ...]:
        keys = [value] if isinstance(value, str) else value
        if not isinstance(keys, list) or not keys or not all(isinstance(k, str) and k.strip() for k in keys):
            say(path, "expected a space key, or a list of them")
            return ()
        if len(set(keys)) != len(keys):
            say(path, "names a space twice")
        if EVERY_SPACE in keys and len(keys) > 1:
            say(path, "'*' means every space; name no other beside it")
        return tuple(keys)

    def schema(self) -> dict[str, Any]:
        key = Text().schema()
        several = {"type": "array", "minItems": 1, "uniqueItems": True, "items": key}
        alone = {"anyOf": [{"maxItems": 1}, {"not": {"contains": {"const": EVERY_SPACE}}}]}
        return {"anyOf": [key, {**several, **alone}]}


class Macros:
    """An object that likens macros of one's own to those of the converter's table."""

    def read(self, path: str, value: Any, say: Say) -> dict[str, Any]:
        from airflow_provider_confluence.content.macros import POLICY

        if not isinstance(value, dict):
            say(path, f"expected an object of macro names, found {kind_of(value)}")
            return {}
        for name, other in value.items():
            if not isinstance(other, str) or other not in POLICY:
                near = hint(other, POLICY)
                say(f"{path}.{name[:100]}", f"expected the name of a macro in the table of docs/content.md{near}")
        return dict(value)

    def schema(self) -> dict[str, Any]:
        from airflow_provider_confluence.content.macros import POLICY

        return {"type": "object", "additionalProperties": {"enum": sorted(POLICY)}}


class Sink:
    """The object of a sink: its type, and what that one takes."""

    def read(self, path: str, value: Any, say: Say) -> Mapping[str, Any]:
        from airflow_provider_confluence.sinks.settings import check_sink

        return check_sink(path, value, say)

    def schema(self) -> dict[str, Any]:
        from airflow_provider_confluence.sinks.settings import SINKS, table_of

        # Other packages may add types, so that an unknown one is not wrong for sure.
        type_ = {"description": "The type of the sink.", "anyOf": [{"enum": sorted(SINKS)}, {"type": "string"}]}
        return {
            "type": "object",
            "required": ["type"],
            "properties": {"type": type_},
            "allOf": [{"if": of_type(name), "then": table_of(kind).schema()} for name, kind in sorted(SINKS.items())],
        }


def of_type(name: str) -> dict[str, Any]:
    """Return the JSON Schema that only a sink's object of this type fits."""
    return {"type": "object", "required": ["type"], "properties": {"type": {"const": name}}}


AIRFLOW = Table(
    (
        Setting(
            "pool",
            _SHORT,
            "The pool of the tasks. It must exist: Airflow lets a task that names a missing one wait for ever.",
        ),
        Setting("queue", _SHORT, "The executor's queue."),
        Setting("executor", _SHORT, "The executor, where the deployment has several."),
        Setting("owner", _SHORT, "The owner that Airflow shows."),
        Setting("tags", Tags(), "Tags of the DAG, beside `confluence`."),
        Setting("retries", Whole(0, 100), "How often a failed task is tried again.", 3),
        Setting(
            "execution_timeout",
            Duration(),
            "The time limit of each task: list 1h, extract and index 2h, commit 30m by default.",
        ),
        Setting("priority_weight", Whole(1, 1_000_000), "The weight of the tasks in Airflow's queue."),
    )
)
QUEUE = Table(
    (
        Setting(
            "name",
            Text(),
            "The index, alias, table, folder or queue inside the sink.",
            "indexing_documents",
            required=True,
        ),
    ),
    'an object such as {"name": "indexing_documents"}',
)

SCOPE = "What is indexed"
SCHEDULE = "When, and where to"
LIMITS = "Limits and care"
FILES = "Attached files"
TEXT = "What documents contain"


def _settings() -> dict[str, tuple[Setting, ...]]:
    whole = Whole()
    return {
        SCOPE: (
            Setting("name", Text(), "The name that is shown; without it the id."),
            Setting("conn_id", Text(), "The connection of type Confluence."),
            Setting(
                "space",
                Space(),
                'The key of the space, a list of keys, or `"*"` for all current spaces that the account sees.',
                required=True,
            ),
            Setting("exclude_spaces", Texts(), 'With `"*"`: keys of the spaces that are out.'),
            Setting("personal_spaces", Flag(), 'With `"*"`: whether personal spaces are in.'),
            Setting("enable_blogposts", Flag(), "Index blog posts."),
            Setting("enable_attachments", Flag(), "Index attached files."),
            Setting("enable_comments", Flag(), "Index comments."),
            Setting(
                "enable_folders",
                Flag(),
                "Index folders, whiteboards, databases and embeds, as titled documents without content (Cloud).",
                see="how-it-works.md#folders",
            ),
            Setting(
                "include_labels",
                Texts(),
                "Only pages and blog posts that have one of these labels, with their attachments and comments.",
            ),
            Setting(
                "exclude_labels",
                Texts(),
                "Pages and blog posts that have one of these labels are out, whatever else they have.",
            ),
            Setting(
                "root_pages",
                Texts(r"[0-9]+", 'ids of pages as texts, such as "98304": the number in a page\'s address'),
                "Ids of pages, as texts: of pages, only these and what is below them. `enable_blogposts` alone decides about blog posts.",
            ),
            Setting(
                "archived", Flag(), "Index archived pages and their attachments as well, with `status` `archived`."
            ),
            Setting(
                "enable_permissions",
                Flag(),
                "Write into each document who may read it, by the space, every page above it and itself.",
                see="permissions.md",
            ),
            Setting(
                "restricted",
                OneOf(("skip", "include")),
                "What becomes of items whose reading is restricted, by themselves or by what is above them: left out, or published; "
                "`include` by default with `enable_permissions`, but for Coco Server.",
                "skip",
                see="permissions.md#without-enable_permissions",
            ),
        ),
        SCHEDULE: (
            Setting("enabled", Flag(), "`false` keeps the DAG without a schedule."),
            Setting("interval", Duration(), "How often a run starts: a duration such as `30s`, `5m` or `1h30m`."),
            Setting("queue", QUEUE, "The destination inside the sink."),
            Setting("sink", Sink(), "Where documents go."),
            Setting("airflow", AIRFLOW, "Airflow's own side of it."),
        ),
        LIMITS: (
            Setting(
                "max_items_per_run", whole, "Documents that one run writes at most; the rest follows in the next one."
            ),
            Setting("max_shards", whole, "How many tasks share a run; one for every 1,000 items."),
            Setting(
                "max_delete_share", Share(), "More deletions than this share of a space, and over 50, wait for consent."
            ),
            Setting(
                "max_failure_share", Share(), "More new failures than this share of a run, and over 10, make it red."
            ),
            Setting("keep_runs", whole, "How many finished runs stay in the journal."),
            Setting("reconcile_interval", Duration(), "How long at most until everything is compared again."),
            Setting(
                "cheap_reconcile_requests",
                whole,
                "Everything is compared in every run as long as that costs at most so many requests.",
            ),
        ),
        FILES: (
            Setting(
                "attachment_types",
                Texts(choices=ATTACHMENT_TYPES),
                "Of which kinds of files the text is read.",
                see="attachments.md#settings",
            ),
            Setting("attachment_max_bytes", whole, "Up to which size a file is read."),
            Setting("attachment_timeout", Duration(), "For how long at most one is read."),
            Setting(
                "attachment_cache_max_bytes",
                whole,
                "How much is kept of their texts, compressed, so that a version is fetched once.",
            ),
        ),
        TEXT: (
            Setting(
                "chunk_tokens",
                # Fewer leave too little room beside a breadcrumb; no embedding model we know reads more.
                Whole(64, 100_000, also=0, what="a whole number of tokens", also_means="no chunks"),
                "Tokens that a part of a document's text may have at most, where documents are to have chunks; 0 for none.",
                see="content.md#chunks",
            ),
            Setting(
                "macros",
                Macros(),
                'What macros of your own are read as, by names of the converter\'s table: `{"acme-callout": "note"}`.',
                see="content.md#what-becomes-of-each-macro",
            ),
            Setting(
                "rendered_macros",
                Texts(_MACRO_NAME, 'names of macros as storage format has them, such as "jira" (ac:name=…)'),
                'Names of macros that Confluence itself shows, such as `["jira"]`; read first who may see that.',
                see="content.md#macros-that-only-confluence-can-show",
            ),
            Setting(
                "rendered_macros_max_age",
                # A shorter one would ask in every reconcile for every page that has such macros.
                Duration(least="5m"),
                "How old what Confluence showed may be before it is asked again.",
            ),
            Setting(
                "rendered_macros_max_pages",
                whole,
                "On how many pages a run asks for that at most; the next ones take the rest.",
            ),
        ),
    }


GROUPS = _settings()
"""The settings of a datasource by the headings of the reference."""

SETTINGS = Table(tuple(setting for group in GROUPS.values() for setting in group))
CONNECTOR = Table(tuple(setting for setting in SETTINGS.settings if setting.name in ("enabled", "interval", "queue")))
"""The connector block: what holds for every datasource that says nothing else."""


def check_together(settings: Mapping[str, Any], say: Say) -> None:
    """Say which settings, each right by itself, do not go together."""
    both = set(settings.get("include_labels", ())) & set(settings.get("exclude_labels", ()))
    if both:
        say("exclude_labels", f"{', '.join(sorted(both))} is in include_labels as well")
    if settings.get("space") == (EVERY_SPACE,):
        if EVERY_SPACE in settings.get("exclude_spaces", ()):
            say("exclude_spaces", "'*' would leave no space; name keys")
        return
    for key in ("exclude_spaces", "personal_spaces"):
        if settings.get(key):
            say(key, 'holds only together with "space": "*"; a space that is named is in, a personal one too')


def id_problem(text: str) -> str | None:
    """Return what keeps a text from being the id of a datasource, with the character at fault, which may look like a letter; else
    ``None``."""
    if re.fullmatch(ID_PATTERN, text):
        return None
    if not text:
        return f"the id is empty; {ID_RULE}"
    for place, character in enumerate(text[:100], start=1):
        if not re.fullmatch(r"[A-Za-z0-9]" if place == 1 else r"[A-Za-z0-9_.-]", character):
            name = unicodedata.name(character, f"U+{ord(character):04X}")
            return f"character {place} is {name}; {ID_RULE}"
    return ID_RULE
