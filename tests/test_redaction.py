"""The forms in which a secret is written, and addresses without their credentials."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_confluence.redaction import forms_in, forms_of, without_credentials

secrets = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=8).filter(lambda text: len(text.strip()) > 7)


@given(secret=secrets, login=st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8))
def test_every_way_of_sending_a_secret_holds_one_of_its_forms(secret: str, login: str) -> None:
    secret = secret.strip()
    pair = base64.b64encode(f"{login}:{secret}".encode()).decode()
    sent = [
        f"Authorization: Bearer {secret}",
        f"Authorization: Basic {pair}",
        f"http://proxy/?token={quote_plus(secret)}",
        f"http://me:{quote(secret, safe='')}@proxy",
        json.dumps({"client_secret": secret}),
        repr(secret),
        base64.b64encode(secret.encode()).decode(),
    ]
    forms = forms_of(secret, login)
    assert [text for text in sent if not any(form in text for form in forms)] == []


@pytest.mark.parametrize("secret", ["", "   ", "abc"])
def test_what_is_no_secret_has_no_forms(secret: str) -> None:
    assert forms_of(secret) == set()


def test_the_password_of_a_proxy_is_found_in_its_address() -> None:
    assert {"s3cret/word", "s3cret%2Fword"} <= forms_in("http://me:s3cret%2Fword@proxy.example.com:3128")
    assert forms_in("http://proxy.example.com:3128") == forms_in("http://[") == set()


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ada:s3cret@wiki.example.com/x", "https://wiki.example.com/x"),
        ("ada:s3cret@wiki.example.com", "wiki.example.com"),
        ("https://ada:s3c/ret@wiki.example.com", "https://…"),
        ("https://wiki.example.com/x?token=s3cret", "https://wiki.example.com/x?…"),
        ("https://wiki.example.com/x#s3cret", "https://wiki.example.com/x?…"),
        ("s3://conn@bucket/x", "s3://bucket/x"),
        ("https://wiki.example.com/" + "x" * 500, ("https://wiki.example.com/" + "x" * 500)[:200]),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret_and_shortened(address: str, shown: str) -> None:
    assert without_credentials(address) == shown


def test_no_other_module_takes_credentials_apart() -> None:
    """Redaction in two places is two chances to forget a form."""
    from pathlib import Path

    package = Path(__file__).parents[1] / "airflow_provider_confluence"
    skin = {"hooks/_masking.py"}
    found = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "import mask_secret" in path.read_text(encoding="utf-8")
    }
    assert found == skin
