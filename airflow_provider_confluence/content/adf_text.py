"""ADF's nodes within a line: text, people, emoji, dates, statuses, smart links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_confluence.content import emoticons
from airflow_provider_confluence.content.adf_parsing import (
    attributes,
    date_text,
    kind,
    one_line,
    text_of,
)
from airflow_provider_confluence.content.adf_reader import Reader
from airflow_provider_confluence.content.building import Node, as_blocks, spaced
from airflow_provider_confluence.content.model import (
    Code,
    Inline,
    JiraReference,
    LineBreak,
    Link,
    Reference,
    Status,
    UrlReference,
    UserReference,
)


def text(_reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    text = text_of(node.get("text"))
    marks = node.get("marks")
    if text.strip() and isinstance(marks, (list, tuple)) and any(kind(mark) == "code" for mark in marks):
        return [Code(spaced(text))]
    return [text] if text else []


def line_break(_reader: Reader, _node: Mapping[str, Any]) -> list[Node]:
    return [LineBreak()]


def mention(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    attrs = attributes(node)
    account, name = one_line(attrs.get("id")), one_line(attrs.get("text"))
    if not account or attrs.get("userType") == "SPECIAL" or account in ("all", "here"):
        return [name] if name else []
    return [link(reader, UserReference(account, "account", name.lstrip("@")))]


def emoji(_reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    attrs = attributes(node)
    character = emoticons.character(
        name="",
        fallback=one_line(attrs.get("text")),
        shortname=one_line(attrs.get("shortName")),
        emoji_id=one_line(attrs.get("id")),
    )
    return [character] if character else []


def date(_reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    text = date_text(attributes(node))
    return [text] if text else []


def status(_reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    title = one_line(attributes(node).get("text"))
    return [Status(title)] if title else []


def inline_card(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    attrs = attributes(node)
    data = attrs.get("data")
    about: Mapping[str, Any] = data if isinstance(data, dict) else {}
    title = one_line(about.get("name"))
    if url := next((u for u in map(one_line, (attrs.get("url"), about.get("url"), about.get("@id"))) if u), ""):
        return [link(reader, UrlReference(url), *([title] if title else []))]
    datasource = attrs.get("datasource")
    parameters = datasource.get("parameters") if isinstance(datasource, dict) else None
    query = one_line(parameters.get("jql")) if isinstance(parameters, dict) else ""
    if query:
        return [link(reader, JiraReference(jql=query), Code(query))]
    return [title] if title else []


def card(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    return [*as_blocks(inline_card(reader, node))]


def jira_issue(reader: Reader, node: Mapping[str, Any]) -> list[Node]:
    key = one_line(attributes(node).get("issueKey"))
    return [link(reader, JiraReference(key=key))] if key else []


def link(reader: Reader, reference: Reference, *text: Inline) -> Link:
    reader.refer(reference)
    return Link(reference, text)
