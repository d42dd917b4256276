"""Definitions in JSON or YAML, as plain data that remembers keys which were given twice."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from airflow_provider_confluence.datasource import parse_json
from airflow_provider_confluence.errors import DatasourceError
from airflow_provider_confluence.settings import Twice

YAML_SUFFIXES = (".yaml", ".yml")


def read_file(path: Path) -> Any:
    """Return what a file says: YAML by its suffix, else JSON. :raises DatasourceError: naming the file, where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise DatasourceError([f"{path}: cannot be read: {why}"]) from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Any:
    """Return what a text says.

    :param where: what the text is called in messages; where that ends like the name of a YAML file, it is YAML.
    :raises DatasourceError: where it cannot be read.
    """
    try:
        return _parse_yaml(text) if where.endswith(YAML_SUFFIXES) else parse_json(text)
    except DatasourceError as error:
        raise DatasourceError([f"{where}: {problem}" for problem in error.problems]) from error


def plain(value: object) -> Any:
    """Return Python data as JSON would give it back: lists for tuples, texts for keys. :raises ValueError: where JSON cannot say it."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error


def _parse_yaml(text: str) -> Any:
    import yaml  # type: ignore[import-untyped,unused-ignore]  # Airflow brings it

    class Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
        """Safe, and it remembers keys that are given twice, which YAML forbids and the library passes over."""

    def mapping(loader: Any, node: Any) -> dict[str, Any]:
        # Before what is merged in (<<) comes to it, which a mapping's own keys may well overrule.
        own = [_key(loader.construct_object(key, deep=True)) for key, _ in node.value if not key.tag.endswith(":merge")]
        loader.flatten_mapping(node)
        found = Twice(
            {
                _key(loader.construct_object(key, deep=True)): loader.construct_object(value, deep=True)
                for key, value in node.value
            }
        )
        found.keys_given_twice = tuple(key for key in dict.fromkeys(own) if own.count(key) > 1)
        return found

    Loader.add_constructor("tag:yaml.org,2002:map", mapping)
    try:
        value = yaml.load(text, Loader)  # noqa: S506 - a SafeLoader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise DatasourceError([f"{place}this is not YAML ({getattr(error, 'problem', None) or error})"]) from error
    except (RecursionError, ValueError) as error:
        raise DatasourceError([f"this is no YAML that can be read ({type(error).__name__})"]) from error
    try:
        plain(value)
    except ValueError as error:
        raise DatasourceError([f"this is YAML that JSON could not say ({error})"]) from error
    return value


def _key(key: object) -> str:
    """Return the key of a YAML mapping as JSON writes it: ``2024`` and ``on`` are none of YAML's texts."""
    if isinstance(key, str):
        return key
    try:
        (text,) = json.loads(json.dumps({key: 0}))
    except TypeError:
        return str(key)
    return str(text)


def entries(datasources: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, DatasourceError]]:
    """Return a dictionary of datasources as JSON would give it, and what is wrong with those that JSON cannot say."""
    found: dict[str, Any] = {}
    broken: dict[str, DatasourceError] = {}
    for datasource_id, entry in datasources.items():
        key = _key(datasource_id)
        try:
            found[key] = plain(entry)
        except ValueError as error:
            found[key] = {}
            broken[key] = DatasourceError([f"{key[:100]}: this is nothing that JSON could say ({error})"])
    return found, broken
