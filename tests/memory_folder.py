"""Temporary folders in memory where there is room: what tests wait for on a disk is mostly fsync, and no test cuts the power."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

_FOLDER = Path("/dev/shm")
_ENOUGH_BYTES = 4 * 1024**3


def use_memory() -> None:
    """Let this process and those that it starts make their temporary folders in memory, unless ``TMPDIR`` says where."""
    if "TMPDIR" in os.environ or not os.access(_FOLDER, os.W_OK):
        return
    if shutil.disk_usage(_FOLDER).free >= _ENOUGH_BYTES:
        os.environ["TMPDIR"] = str(_FOLDER)
        tempfile.tempdir = None  # it is looked up once, and perhaps was
