"""Answers that do not arrive, or not in one piece, or late."""

from __future__ import annotations

import random
from typing import Any

from airflow_provider_confluence.testing.sandbox.fault import Answer, Fault
from airflow_provider_confluence.testing.sandbox.web import Request, Response


class DropConnection(Fault):
    """Closes the connection without an answer."""

    def apply(self, _request: Request, _answer: Answer, /) -> Response:
        response = Response(200)
        response.delivery.drop = True
        return response


class CutShort(Fault):
    """Closes the connection in the middle of the body, after the announced length was sent.

    :param after_bytes: how much of the body gets through.
    """

    def __init__(self, after_bytes: int = 100, *, route: str = "*", times: int | None = 1, after: int = 0) -> None:
        super().__init__(route=route, times=times, after=after)
        self.after_bytes = after_bytes

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        response.delivery.cut_after_bytes = self.after_bytes
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"after_bytes": chance.choice([0, 1, 100, 400])}


class Stall(Fault):
    """Holds the answer back: before it begins, or in the middle of the body.

    :param after_bytes: how much of the body is sent first; ``None`` sends nothing before the pause.
    """

    def __init__(
        self,
        seconds: float,
        *,
        after_bytes: int | None = None,
        route: str = "*",
        times: int | None = 1,
        after: int = 0,
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.seconds = seconds
        self.after_bytes = after_bytes

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        response.delivery.stall_seconds = self.seconds
        response.delivery.stall_after_bytes = self.after_bytes
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"seconds": chance.choice([0.02, 0.2]), "after_bytes": chance.choice([None, 0, 100])}


class SlowBody(Fault):
    """Sends the body in pieces, with pauses between them: the connection lives, and the answer takes long.

    :param seconds: how long the whole body takes.
    :param pieces: in how many pieces it comes.
    """

    def __init__(
        self, seconds: float, *, pieces: int = 10, route: str = "*", times: int | None = 1, after: int = 0
    ) -> None:
        super().__init__(route=route, times=times, after=after)
        self.seconds = seconds
        self.pieces = pieces

    def apply(self, request: Request, answer: Answer, /) -> Response:
        response = answer(request)
        response.delivery.drip_seconds = self.seconds
        response.delivery.drip_pieces = self.pieces
        return response

    @classmethod
    def drawn(cls, chance: random.Random) -> dict[str, Any]:
        return {"seconds": chance.choice([0.02, 0.2]), "pieces": chance.randint(2, 20)}
