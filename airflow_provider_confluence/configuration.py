"""What the tables of settings say, for editors and for readers: the JSON Schema of the Variable, and the reference in the documentation.

``make reference`` writes both; a test holds that they are current.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, replace
from pathlib import Path
from typing import Any

from airflow_provider_confluence.datasource import Datasource
from airflow_provider_confluence.datasource_settings import (
    AIRFLOW,
    CONNECTOR,
    EVERY_SPACE,
    GROUPS,
    ID_PATTERN,
    QUEUE,
    SETTINGS,
    Macros,
    Sink,
    Space,
    of_type,
)
from airflow_provider_confluence.get_provider_info import get_provider_info
from airflow_provider_confluence.settings import (
    Duration,
    Flag,
    Setting,
    Shape,
    Share,
    Table,
    Tags,
    Texts,
    Whole,
    object_schema,
)
from airflow_provider_confluence.sinks.settings import DEFAULT_TYPE, SINKS

SCHEMA_FILE = Path(__file__).with_name("datasources.schema.json")


# ------------------------------------------------------------------------------------------ the schema
def datasources_schema() -> dict[str, Any]:
    """Return the JSON Schema of the Variable ``confluence_datasources``, in the draft that editors know best.

    What the reader takes, the schema takes. Beyond it are: durations longer than a year or too short, a label that is both
    wanted and not, and which types of sinks other packages have added.
    """
    settings = tuple(_with_default(setting) for setting in SETTINGS.settings)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Datasources of airflow-provider-confluence",
        "description": "The Variable confluence_datasources, or a file in its place: one object for each datasource id.",
        "type": "object",
        "propertyNames": {"pattern": f"^{ID_PATTERN}$"},
        "additionalProperties": {"$ref": "#/definitions/datasource"},
        "definitions": {"datasource": {**object_schema(settings), "allOf": [_everywhere(), *_destinations()]}},
    }


def _with_default(setting: Setting) -> Setting:
    """Return a setting of a datasource with the default that the datasource itself has."""
    if setting.name == "queue":
        return replace(setting, default={inner.name: inner.default for inner in QUEUE.settings})
    (field,) = [field for field in fields(Datasource) if field.name == setting.name]
    default = field.default_factory() if field.default_factory is not MISSING else field.default
    if default is MISSING:
        return setting
    return replace(setting, default=list(default) if isinstance(default, tuple) else default)


def _everywhere() -> dict[str, Any]:
    """Return which settings hold only together with every space."""
    return {
        "if": {"properties": {"space": {"enum": [EVERY_SPACE, [EVERY_SPACE]]}}},
        "then": {"properties": {"exclude_spaces": {"not": {"contains": {"const": EVERY_SPACE}}}}},
        "else": {"properties": {"exclude_spaces": {"maxItems": 0}, "personal_spaces": {"const": False}}},
    }


def _destinations() -> Iterable[dict[str, Any]]:
    """Yield for each sink what ``queue.name`` may be."""
    for name, kind in sorted(SINKS.items()):
        if kind.destination:
            chosen: dict[str, Any] = {"required": ["sink"], "properties": {"sink": of_type(name)}}
            if name == DEFAULT_TYPE:
                chosen = {"anyOf": [chosen, {"not": {"required": ["sink"]}}]}
            queue = {"properties": {"name": {"pattern": f"^(?:{kind.destination})$"}}}
            yield {"if": chosen, "then": {"properties": {"queue": queue}}}


# ------------------------------------------------------------------------------------------ the reference
_INTRODUCTION = """\
# Configuration

Every setting there is. This page is made from the code (`make reference`); [In Airflow](airflow.md) says how the parts go together.

## In an editor

The package brings a JSON Schema of the Variable, with these descriptions and defaults. Keep the definitions in a file, such as
`datasources.json` or `datasources.yaml`, and an editor that knows JSON Schema completes the settings and marks mistakes while you
type. This prints where the schema lies:

```sh
python -c "import airflow_provider_confluence.configuration as c; print(c.SCHEMA_FILE)"
```

In VS Code, with a copy of it beside the file, `.vscode/settings.json`:

```json
{
  "json.schemas": [{"fileMatch": ["datasources.json"], "url": "./datasources.schema.json"}],
  "yaml.schemas": {"./datasources.schema.json": "datasources.yaml"}
}
```

YAML needs the extension *YAML* by Red Hat. What a schema cannot say (a duration that is too short or more than a year, a label that is both
wanted and not, a sink of another package) shows when the Variable is read.

## Datasources

The Variable `confluence_datasources`, or a file for `build_dags(file=…)`: an object with one entry for each datasource id. An id is for
ever; it is made of letters, digits, `_`, `-` and `.`, begins with a letter or digit, and has at most 100 characters.

```json
{"docs": {"name": "My Confluence Wiki", "space": "DOCS", "enable_blogposts": true, "interval": "10m"}}
```

Durations are written as `30s`, `5m` or `1h30m`. Credentials and addresses belong into the connection; in a Variable they are refused.
"""


def reference() -> str:
    """Return the page of the documentation that lists every setting, in Markdown."""
    parts = [_INTRODUCTION]
    for heading, group in GROUPS.items():
        parts += [f"### {heading}\n", _table([_with_default(setting) for setting in group])]
    parts += [
        "### `queue`\n",
        _table(QUEUE.settings),
        "### `airflow`\n",
        "Airflow's own side of a datasource; what is not given is as Airflow and the operators have it.\n",
        _table(AIRFLOW.settings),
        "## Sinks\n",
        "`sink` is an object with a `type`; the other keys hang on it. `queue.name` names the destination inside the sink. Other\n"
        "packages may add types; theirs are judged when a run begins.\n",
    ]
    for name, kind in sorted(SINKS.items()):
        rule = (
            f" `queue.name` names {kind.destination_rule}." if kind.destination else " `queue.name` means nothing here."
        )
        parts += [
            f"### `{name}`\n",
            f"{kind.about}{rule} More: [{name}](sinks/{name}.md).\n",
            _table(kind.settings),
        ]
    parts += [
        "## Defaults for all datasources\n",
        "The Variable `confluence_connector`, the connector block of Coco Server: it holds for every datasource that says nothing.\n",
        _table([_with_default(setting) for setting in CONNECTOR.settings]),
    ]
    info = get_provider_info()
    for connection_type in info["connection-types"]:
        parts += [
            f"## Connection of type `{connection_type['connection-type']}`\n",
            _form(connection_type),
        ]
    parts += ["## `[confluence]` in Airflow's configuration\n", _options(info["config"]["confluence"]["options"])]
    return "\n".join(parts)


def _table(settings: Sequence[Setting]) -> str:
    rows = ["| setting | value | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in settings:
        more = f" [More]({setting.see})" if setting.see else ""
        rows.append(
            f"| `{setting.name}` | {_value(setting.shape)} | {_default(setting)} | {setting.description}{more} |"
        )
    return "\n".join(rows) + "\n"


def _default(setting: Setting) -> str:
    if setting.required:
        return "must be given"
    if setting.default in (None, [], {}):
        return ""
    if isinstance(setting.shape, Texts) and list(setting.default) == list(setting.shape.choices):
        return "all"
    return f"`{json.dumps(setting.default)}`"


def _value(shape: Shape) -> str:
    if isinstance(shape, Whole):
        most = f" to {shape.most:,}" if shape.most is not None else " or more"
        return f"{shape.least:,}{most}{f', or {shape.also}' if shape.also is not None else ''}"
    if isinstance(shape, Duration) and shape.least:
        return f"a duration, `{json.dumps(shape.least)}` or more"
    if isinstance(shape, Texts) and shape.choices:
        return "any of " + ", ".join(f"`{choice}`" for choice in shape.choices)
    words: dict[type, str] = {
        Flag: "`true`, `false`",
        Share: "0 to 1",
        Duration: "a duration",
        Texts: "a list of texts",
        Tags: "a list of texts",
        Table: "an object",
        Macros: "an object",
        Sink: "an object",
        Space: "a text, or a list of them",
    }
    return words.get(type(shape), "a text")


def _form(connection_type: Mapping[str, Any]) -> str:
    labels = connection_type["ui-field-behaviour"]["relabeling"]
    rows = ["| field or extra | value | default | meaning |", "| --- | --- | --- | --- |"]
    rows += [f"| {field} | a text | | {label} |" for field, label in labels.items()]
    for name, field in connection_type["conn-fields"].items():
        schema = field["schema"]
        type_ = next(type_ for type_ in schema["type"] if type_ != "null")
        words = {"boolean": "`true`, `false`", "integer": "a whole number", "number": "a number", "string": "a text"}
        value = ", ".join(f"`{choice}`" for choice in schema["enum"]) if "enum" in schema else words[type_]
        default = f"`{json.dumps(schema['default'])}`" if "default" in schema else ""
        rows.append(f"| `{name}` | {value} | {default} | {field['description']} |")
    return "\n".join(rows) + "\n"


def _options(options: Mapping[str, Any]) -> str:
    rows = ["| option | default | meaning |", "| --- | --- | --- |"]
    for name, option in options.items():
        default = f"`{option['default']}`" if option["default"] is not None else ""
        rows.append(f"| `{name}` | {default} | {option['description'].replace('``', '`')} |")
    return "\n".join(rows) + "\n"


def schema_text() -> str:
    """Return the schema as it is shipped."""
    return json.dumps(datasources_schema(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write the schema into the package, and the reference into the documentation beside it."""
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
    (SCHEMA_FILE.parents[1] / "docs" / "configuration.md").write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    main()
