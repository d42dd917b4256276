"""What Airflow is told to mask in logs: secrets of connections in every form in which they are sent."""

from __future__ import annotations

from airflow_provider_confluence.redaction import forms_in, forms_of


def mask(secret: str, login: str = "") -> None:
    """Mask a secret from here on; Airflow itself masks a connection's password, and only as it is written there."""
    _mask_all(forms_of(secret, login))


def mask_address(address: str) -> None:
    """Mask the password in an address, such as that of a proxy."""
    _mask_all(forms_in(address))


def _mask_all(forms: set[str]) -> None:
    from airflow.sdk.log import mask_secret

    for form in forms:
        mask_secret(form)
