"""What kind of file system a folder lies on, where the system tells it (Linux)."""

from __future__ import annotations

import re
from pathlib import Path


def read_mounts() -> str | None:
    """Return the text of ``/proc/mounts``, ``None`` where there is none."""
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None


def type_of(folder: Path, mounts: str) -> str:
    """Return the type of the file system that an absolute folder lies on; empty where nothing tells.

    :param mounts: the text of ``/proc/mounts``.
    """
    found_point, found_type = Path("/"), ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = Path(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[1]))
        # Of two mounts on one point the later one hides the earlier.
        if folder.is_relative_to(point) and len(point.parts) >= len(found_point.parts):
            found_point, found_type = point, fields[2]
    return found_type
