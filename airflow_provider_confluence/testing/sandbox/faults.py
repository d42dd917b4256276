"""What can go wrong with a Confluence, to be switched on for a while::

    sandbox.faults.add(Respond(429, retry_after=2, route="*/pages", times=3))

A fault stands between the request and the handler: it sees the request, may ask the handler, and returns the answer. To add one, write a
class with :meth:`Fault.apply`, and :meth:`Fault.drawn` for its arguments, and put it into ``FAULTS``, which is what the admin route
and :func:`draw` know.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from airflow_provider_confluence.testing.sandbox.delivery_faults import CutShort, DropConnection, SlowBody, Stall
from airflow_provider_confluence.testing.sandbox.fault import Answer, Fault, Faults
from airflow_provider_confluence.testing.sandbox.listing_faults import (
    EmptyListing,
    EmptyNext,
    EndlessNext,
    NextAddress,
    RepeatedCursor,
    ShortListing,
    SilentCap,
    WrongNextStart,
)
from airflow_provider_confluence.testing.sandbox.rate_limits import (
    BurstLimit,
    QuotaBlock,
    RateLimited,
    RateLimitHeaders,
)
from airflow_provider_confluence.testing.sandbox.refusals import (
    CaptchaChallenge,
    ErrorBodies,
    ExpiredToken,
    LoginPage,
    MissingScope,
    PassingRefusal,
    PoisonItem,
    RedirectElsewhere,
    Respond,
    TooLarge,
    TooManyIds,
)
from airflow_provider_confluence.testing.sandbox.web import Request, Response


class Tamper(Fault):
    """Lets a function change a good answer; for what has no fault of its own yet. Python only.

    :param change: gets the request and the answer, whose ``document`` and ``headers`` it may change in place.
    """

    def __init__(
        self,
        change: Callable[[Request, Response], None],
        *,
        route: str = "*",
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.change = change

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        self.change(request, response)
        return response


class During(Fault):
    """Calls a function before a request is answered: the wiki changes in the middle of a listing. Python only.

    :param act: called with the request, without the model's lock.
    """

    def __init__(
        self, act: Callable[[Request], None], *, route: str = "*", times: int | None = 1, after: int = 0
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.act = act

    def apply(self, request: Request, answer: Answer, /) -> Response:
        self.act(request)
        return answer(request)


FAULTS: dict[str, type[Fault]] = {
    "respond": Respond,
    "passing_refusal": PassingRefusal,
    "login_page": LoginPage,
    "redirect_elsewhere": RedirectElsewhere,
    "missing_scope": MissingScope,
    "captcha_challenge": CaptchaChallenge,
    "expired_token": ExpiredToken,
    "error_bodies": ErrorBodies,
    "too_many_ids": TooManyIds,
    "too_large": TooLarge,
    "poison_item": PoisonItem,
    "rate_limited": RateLimited,
    "quota_block": QuotaBlock,
    "burst_limit": BurstLimit,
    "rate_limit_headers": RateLimitHeaders,
    "drop_connection": DropConnection,
    "cut_short": CutShort,
    "stall": Stall,
    "slow_body": SlowBody,
    "next_address": NextAddress,
    "repeated_cursor": RepeatedCursor,
    "empty_next": EmptyNext,
    "endless_next": EndlessNext,
    "silent_cap": SilentCap,
    "wrong_next_start": WrongNextStart,
    "short_listing": ShortListing,
    "empty_listing": EmptyListing,
}
"""Faults by the names under which the admin route knows them."""

ROUTES = (
    *("*", "*", "*", "*/search", "*/pages", "*/blogposts", "*/attachments*", "*-comments*"),
    *("*/content*", "*/scan", "*/child/*", "*/space*", "*/labels*", "*/user*"),
)
"""Where drawn faults strike, on either edition."""


@dataclass(frozen=True)
class DrawnFault:
    """A fault that was drawn: its name in ``FAULTS`` and its arguments, as plain data that can be printed and kept."""

    name: str
    arguments: dict[str, Any]

    def make(self) -> Fault:
        """Return the fault, ready to be switched on."""
        return FAULTS[self.name](**self.arguments)


def draw(chance: random.Random, *, names: Sequence[str] = tuple(FAULTS), routes: Sequence[str] = ROUTES) -> DrawnFault:
    """Return any of the faults, with sensible arguments, a route, and when and how often it strikes; the same seed gives the same.

    Waits are short (at most a fifth of a second), so that a test can take many of them. What only Python can say (``Tamper``, ``During``)
    is not drawn.
    """
    name = chance.choice(list(names))
    kind, route, after = FAULTS[name], chance.choice(list(routes)), chance.randint(0, 12)
    where = {"route": route, "times": chance.choice(kind.drawn_times), "after": after if route == "*" else after // 4}
    return DrawnFault(name, where | kind.drawn(chance))


__all__ = [
    "FAULTS",
    "ROUTES",
    "Answer",
    "BurstLimit",
    "CaptchaChallenge",
    "CutShort",
    "DrawnFault",
    "DropConnection",
    "During",
    "EmptyListing",
    "EmptyNext",
    "EndlessNext",
    "ErrorBodies",
    "ExpiredToken",
    "Fault",
    "Faults",
    "LoginPage",
    "MissingScope",
    "NextAddress",
    "PassingRefusal",
    "PoisonItem",
    "QuotaBlock",
    "RateLimitHeaders",
    "RateLimited",
    "RedirectElsewhere",
    "RepeatedCursor",
    "Respond",
    "ShortListing",
    "SilentCap",
    "SlowBody",
    "Stall",
    "Tamper",
    "TooLarge",
    "TooManyIds",
    "WrongNextStart",
    "draw",
]
