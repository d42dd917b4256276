"""The documents with which the conformance suite tries sinks."""

from __future__ import annotations

from collections.abc import Sequence

from airflow_provider_confluence.documents import Document, Space, Tombstone, document_id
from airflow_provider_confluence.sinks.base import Answer, Owner

DATASOURCE = "conformance"
OWNER = Owner(datasource_id=DATASOURCE, deployment_id="deployment-one", site="https://one.example.com/wiki")

ODD_BUT_VALID = (
    ("right to left", "שלום עולם العربية \u202eabc\u202c"),
    ("emoji", "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽"),
    ("beyond the basic plane", "𝒳𝓎 𠜎𠜱 𐍈"),
    ("combining", "e\u0301 \u1e9b\u0323 Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A̴̵̜̰͔ͫ͗͢"),
    ("not composed and composed", "\u00c5 A\u030a \u212b"),
    ("invisible", "a\u200bb\u00adc\ufeffd\u2028e"),
    ("Chinese, Japanese, Korean, Thai", "全文検索 ひらがな カタカナ 한국어 ภาษาไทย"),
    ("quotation marks and operators", "\"'`; DROP TABLE doc; -- AND OR NOT NEAR(* ^ : {} \\"),
    ("markup", "<script>&amp;</script> {{x}} ${y} %s"),
    ("white space", "\ttab\r\nline\u00a0hard\u3000wide"),
)
BARELY_TEXT = (("NUL", "before\x00after"), ("lone surrogate", "before\ud83dafter"), ("control", "\x01\x1b\x7f\x85"))


def make_document(
    number: int, revision: int, *, datasource_id: str = DATASOURCE, title: str = "", content: str = ""
) -> Document:
    """Return a page; its title and content follow from number and revision unless they are given."""
    return Document(
        id=document_id(datasource_id, str(number)),
        datasource_id=datasource_id,
        datasource_name="Conformance",
        content_id=str(number),
        revision=revision,
        type="page",
        status="current",
        title=title or f"Page {number}",
        content=content or f"Text of page {number} as of revision {revision}",
        url=f"https://one.example.com/wiki/pages/{number}",
        space=Space(id="1", key="DOCS", name="Documents"),
        source_version=1,
        labels=("kept",),
        updated="2026-03-01T09:30:00.000Z",
    )


def make_tombstone(number: int, revision: int, *, datasource_id: str = DATASOURCE) -> Tombstone:
    """Return the order to delete the page of that number."""
    return Tombstone(document_id(datasource_id, str(number)), datasource_id, str(number), revision)


def outcomes(answers: Sequence[Answer]) -> list[str]:
    """Return the outcomes alone, in order."""
    return [answer.outcome for answer in answers]
