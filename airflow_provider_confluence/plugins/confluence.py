"""The page *Confluence* in Airflow's UI: in the menu, and as a tab of DAGs and of their runs.

Airflow loads plugins in every process, workers too, so this module imports next to nothing; the application is made when the first
request comes, which is in the API server only.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.sdk.configuration import conf
from airflow.sdk.plugins_manager import AirflowPlugin

__all__ = ["ConfluencePlugin", "PageApp"]

URL_PREFIX = "/confluence"
_Message = MutableMapping[str, Any]


class PageApp:
    """The ASGI application that serves the page; made at its first request. Where it cannot be made, nothing is served."""

    async def __call__(
        self,
        scope: _Message,
        receive: Callable[[], Awaitable[_Message]],
        send: Callable[[_Message], Awaitable[None]],
    ) -> None:
        """Answer a request."""
        await self._app(scope, receive, send)

    @cached_property
    def _app(self) -> Any:
        from airflow_provider_confluence.plugins._serving import make_app

        return make_app()


def page_address() -> str:
    """Return the page's address on the host of the UI, behind the path of ``[api] base_url`` where that has one."""
    return f"{urlsplit(conf.get('api', 'base_url', fallback='') or '').path.rstrip('/')}{URL_PREFIX}/"


def _views() -> list[dict[str, Any]]:
    page = page_address()
    icons = {"icon": f"{page}icon.svg", "icon_dark_mode": f"{page}icon-dark.svg"}
    return [
        {
            "name": "Confluence",
            "href": page,
            "destination": "nav",
            "url_route": "confluence",
            "category": "browse",
            **icons,
        },
        {
            "name": "Confluence",
            "href": f"{page}?dag_id={{DAG_ID}}",
            "destination": "dag",
            "url_route": "confluence-datasource",
            **icons,
        },
        {
            "name": "Confluence",
            "href": f"{page}?dag_id={{DAG_ID}}&run_id={{RUN_ID}}",
            "destination": "dag_run",
            "url_route": "confluence-run",
            **icons,
        },
    ]


class ConfluencePlugin(AirflowPlugin):
    """Adds the page to the menu *Browse*, and to each DAG and DAG run a tab with what concerns it."""

    name = "confluence"
    fastapi_apps = [{"app": PageApp(), "url_prefix": URL_PREFIX, "name": "Confluence"}]  # noqa: RUF012 - Airflow declares it so
    external_views = _views()
