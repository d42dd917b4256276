"""The button on a task in Airflow's UI that leads to Confluence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class ConfluenceLink(BaseOperatorLink):
    """Leads to the space that a task worked for, or to the site where these are several.

    Airflow asks for it in the worker, when the task has ended, and keeps the answer as an XCom; so it knows what the task found out.
    """

    name = "Confluence"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002 - Airflow passes it
        """Return the address; empty where the task did not come so far as to know it."""
        return str(getattr(operator, "confluence_url", ""))
