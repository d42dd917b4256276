"""A fault that puts any value in any place of an answer's JSON."""

from __future__ import annotations

import random
from typing import Any

from airflow_provider_confluence.testing.sandbox.faults import Tamper
from airflow_provider_confluence.testing.sandbox.web import Request, Response

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63), 10**300, 1e300, -0.0, 0.5),
    *(
        "",
        " ",
        "0",
        "-1",
        "9" * 400,
        "\x00",
        "\ud800",
        "\u202e",
        "a\r\nb",
        "NaN",
        "null",
        "../../etc/passwd",
        "%2e%2e%2f",
    ),
    *(
        "{{ conn.x.password }}",
        "' OR 1=1 --",
        '"; DROP TABLE doc; --',
        "<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]>",
    ),
    *(
        "http://169.254.169.254/",
        "//evil.example/",
        "http://[",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "?cursor=" + "c" * 99,
    ),
    *("2026-02-30T25:61:61Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "x" * 100_000),
    *([], [[]], [None], [1, "a", {}], {}, {"": {}}, {"results": None}, {"results": [None]}, {"_links": {"next": []}}),
)


def places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Return every place of a JSON value, as the container and the key or index in it."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in inside:
        found.append((value, key))
        places(inner, found)
    return found


def spoil(document: Any, chance: random.Random) -> Any:
    """Return a document with one to three places put wrong: another value, none, one of elsewhere, or a row twice."""
    for _ in range(chance.randint(1, 3)):
        found = places(document, [])
        if not found or chance.random() < 0.03:
            return chance.choice(ODD_VALUES)
        container, key = chance.choice(found)
        how = chance.randrange(5)
        if how == 0 and isinstance(container, dict):
            del container[key]
        elif how == 1 and isinstance(container, list):
            container.append(container[key])
        elif how == 2:
            other, at = chance.choice(found)
            container[key] = other[at] if not isinstance(other[at], (dict, list)) else chance.choice(ODD_VALUES)
        else:
            container[key] = chance.choice(ODD_VALUES)
    return document


class Odd(Tamper):
    """Spoils a share of all answers."""

    def __init__(self, chance: random.Random, share: float) -> None:
        def change(_request: Request, response: Response) -> None:
            if response.document is not None and chance.random() < share:
                response.document = spoil(response.document, chance)

        super().__init__(change, times=None)
