"""What a conversion makes is freed as soon as it is let go: cycles would keep it until Python looks for them, and looks cost time."""

from __future__ import annotations

import gc
from pathlib import Path

from airflow_provider_confluence.content import adf, markdown, storage_format, summary

HERE = Path(__file__).parent
STORAGE = [path.read_text(encoding="utf-8") for path in sorted((HERE / "corpus").glob("*.xml"))]
ADF = [path.read_text(encoding="utf-8") for path in sorted((HERE / "adf_corpus").glob("*.json"))]


def convert_all() -> None:
    for content in (*map(storage_format.read, STORAGE), *map(adf.read, ADF)):
        markdown.written(content)
        summary(content)


def cycles_left() -> int:
    convert_all()
    return gc.collect()


def test_a_conversion_leaves_no_cycles() -> None:
    assert STORAGE
    assert ADF
    convert_all()  # what is made once and kept
    gc.collect()
    gc.disable()
    try:
        # Threads of other tests may leave some at the same moment; a conversion that leaves cycles leaves them each time.
        assert min(cycles_left() for _ in range(3)) == 0
    finally:
        gc.enable()
