"""Who asks: the credential of a request, judged as each edition does."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Literal

from airflow_provider_confluence.testing.sandbox.oauth import TokenEndpoint
from airflow_provider_confluence.testing.sandbox.web import Request

Credential = Literal["good", "wrong", "none"]


@dataclass
class Account:
    """The one account that the sandbox lets in.

    :param user_id: its account id on Cloud, its user key on Data Center.
    :param username: the e-mail address on Cloud, the login name on Data Center.
    :param oauth: what gives out bearer tokens for this account; Cloud only.
    """

    user_id: str
    username: str
    token: str
    oauth: TokenEndpoint | None = None

    def judge(self, request: Request, *, bearer: bool, basic: bool = True) -> Credential:
        """Say whether a request carries our credential, a wrong one, or none."""
        header = request.headers.get("authorization")
        if header is None:
            return "none"
        scheme, _, value = header.partition(" ")
        if scheme.lower() == "bearer" and bearer and value.strip() == self.token:
            return "good"
        if scheme.lower() == "bearer" and self.oauth is not None and self.oauth.is_good(value.strip()):
            return "good" if bearer else "wrong"
        if scheme.lower() == "basic" and basic:
            try:
                pair = base64.b64decode(value.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return "wrong"
            return "good" if pair == f"{self.username}:{self.token}" else "wrong"
        return "wrong"
