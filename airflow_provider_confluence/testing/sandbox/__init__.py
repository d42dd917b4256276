"""A Confluence to test against: Cloud and Data Center on 127.0.0.1, over one content model that tests can change at will.

>>> from airflow_provider_confluence.testing.sandbox import Sandbox
>>> with Sandbox("cloud") as sandbox:
...     _ = sandbox.model.create_space("DOCS", "Documentation")
...     page = sandbox.model.create_page("DOCS", "Start", "<p>Hello</p>")
...     # … run your DAG or client against sandbox.endpoint with sandbox.username and sandbox.token …
...     sandbox.model.edit(page, body="<p>Hello again</p>")

It shares no code with the client of this package, on purpose: an error in common would hide. What nobody could verify about the real
Confluence is a switch in :class:`Readings`; what goes wrong in the real world is a fault in
:mod:`airflow_provider_confluence.testing.sandbox.faults`.
"""

from airflow_provider_confluence.testing.sandbox.clock import ManualClock
from airflow_provider_confluence.testing.sandbox.generate import generate
from airflow_provider_confluence.testing.sandbox.model import Model
from airflow_provider_confluence.testing.sandbox.readings import Readings
from airflow_provider_confluence.testing.sandbox.records import Record
from airflow_provider_confluence.testing.sandbox.sample import load_sample
from airflow_provider_confluence.testing.sandbox.serve import run_sandbox
from airflow_provider_confluence.testing.sandbox.server import Edition, Observer, Sandbox

__all__ = [
    "Edition",
    "ManualClock",
    "Model",
    "Observer",
    "Readings",
    "Record",
    "Sandbox",
    "generate",
    "load_sample",
    "run_sandbox",
]
