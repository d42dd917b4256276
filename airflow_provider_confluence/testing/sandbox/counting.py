"""How many a search finds, which ``/rest/api/search`` tells without showing any of them (``limit=0``)."""

from __future__ import annotations

from airflow_provider_confluence.testing.sandbox.web import RefusedError, Request, Response, json_response


def counted_query(request: Request) -> str:
    """Return the query that is to be counted; rows of this search are not served here."""
    cql = request.one("cql")
    if not cql:
        raise RefusedError(400, "Query parameter 'cql' is required")
    if request.one("limit") != "0":
        raise RefusedError(501, "Confluence may serve this; the sandbox counts only, with limit=0")
    return cql


def count_answer(request: Request, total: int, base: str, context: str) -> Response:
    """Return an answer without rows, with the total [S: Cloud's specification; Data Center's release 10 has it too, R]."""
    return json_response(
        {
            "results": [],
            "start": 0,
            "limit": 0,
            "size": 0,
            "totalSize": total,
            "cqlQuery": request.one("cql"),
            "searchDuration": 7,
            "_links": {"base": base, "context": context},
        }
    )
