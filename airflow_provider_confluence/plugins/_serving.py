"""Serves the page's files to whoever is logged in, and tells a user whether they may start a DAG.

Everything that the page shows it asks Airflow's public REST API for, with the user's own session: no route here gives data. Of what
Airflow offers to plugins for telling users, nothing is declared public; what is used of it is imported here and nowhere else, and
``tests/airflow/test_page.py`` holds every route to it.
"""

from collections.abc import Callable
from importlib import resources
from typing import Any

from airflow.api_fastapi.app import get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity, DagDetails
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag, requires_authenticated
from airflow.models.dag import DagModel
from fastapi import Depends, FastAPI, HTTPException, Response

# No annotations of the future here: FastAPI reads those of the routes, and takes a user that it cannot resolve for a query parameter.

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_HEADERS = {
    # Scripts and styles are ours alone and in files; the API is asked on the same host; the page is framed by Airflow's UI only.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "X-Content-Type-Options": "nosniff",
    # Airflow tells by the referrer that a run was started in the UI.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


def make_app() -> FastAPI:
    """Return the application. Without a login no route of it answers."""
    files = _files()
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, dependencies=[Depends(requires_authenticated())])

    @app.get("/")
    def index() -> Response:
        return _answer("index.html")

    @app.get("/may-start/{dag_id}", dependencies=[Depends(requires_access_dag("GET"))])
    def may_start(dag_id: str, user: GetUserDep) -> dict[str, bool]:
        """Tell whether the user may start runs of a DAG, so that the page offers nothing that would be refused."""
        details = DagDetails(id=dag_id, team_name=DagModel.get_team_name(dag_id))
        allowed = get_auth_manager().is_authorized_dag(
            method="POST", access_entity=DagAccessEntity.RUN, details=details, user=user
        )
        return {"allowed": bool(allowed)}

    @app.get("/{name}")
    def file(name: str) -> Response:
        return _answer(name)

    def _answer(name: str) -> Response:
        if name not in files:
            raise HTTPException(404, "not found")
        content, media_type = files[name]()
        return Response(content, media_type=media_type, headers=_HEADERS)

    return app


def _files() -> dict[str, Callable[[], tuple[bytes, str]]]:
    """Return what there is to serve: by name, so that no path leads anywhere else."""
    found = {}
    for file in resources.files("airflow_provider_confluence.plugins").joinpath("page").iterdir():
        media_type = _TYPES.get(file.name[file.name.rfind(".") :])
        if media_type is not None:
            found[file.name] = _reader(file, media_type)
    return found


def _reader(file: Any, media_type: str) -> Callable[[], tuple[bytes, str]]:
    return lambda: (file.read_bytes(), media_type)
