"""A Coco Server to test against, on 127.0.0.1: what coco-server v0.9 to v0.11 answers to a program that pushes documents.

>>> from airflow_provider_confluence.testing.coco import FakeCoco
>>> with FakeCoco() as coco:
...     # … point a connection of type coco at coco.endpoint, with coco.token as its password …
...     coco.documents()
{}

Coco's own search backend cannot be installed from the public registries, so no real Coco Server was ever asked: the answers are written
after its source code, odd ones included. What the source leaves open is a switch in :class:`CocoReadings`. It shares no code with the
sink, on purpose: an error in common would hide.
"""

from airflow_provider_confluence.testing.coco.server import PERMISSIONS, FakeCoco
from airflow_provider_confluence.testing.coco.store import CocoReadings

__all__ = ["PERMISSIONS", "CocoReadings", "FakeCoco"]
