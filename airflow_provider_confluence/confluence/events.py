"""What the client tells an observer: frozen values, without page text, header or credential."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestDone:
    """One request was answered, or failed without an answer (``status`` is ``None``). ``path`` has no query."""

    method: str
    path: str
    status: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class Throttled:
    """The gate holds requests back for so many seconds; ``reason`` is a short word that can be counted."""

    seconds: float
    reason: str


Observer = Callable[["RequestDone | Throttled"], None]
