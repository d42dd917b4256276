"""Files that are for this program's user alone, whatever the umask: they hold the text of pages that not everybody may read.

Who wants to share them with a group makes the folder beforehand, writable for the group: what is made below it is the group's as well.
Nothing is ever made for everybody, and what is there already keeps its rights.
"""

from __future__ import annotations

import os
from pathlib import Path

_OWNER, _GROUP = 0o700, 0o070


def make_folder(folder: Path, *, readable_by_group: bool = False) -> None:
    """Make a folder and those above it that are missing, mode 0700; 0770 in a folder that its group may write.

    :param readable_by_group: let the group read, less the umask: for what is written in order to be read by others.
    """
    missing = []
    while not folder.is_dir():
        missing.append(folder)
        if folder.parent == folder:
            break
        folder = folder.parent
    for each in reversed(missing):
        mode = _rights(each.parent)
        if readable_by_group and mode == _OWNER:
            each.mkdir(mode=0o750, exist_ok=True)
            continue
        try:
            each.mkdir(mode=mode)
        except FileExistsError:  # another process was quicker
            continue
        each.chmod(mode | (each.stat().st_mode & 0o2000))  # the umask has taken from it; a set-group-id bit stays


def create(path: Path, *, readable_by_group: bool = False) -> int:
    """Make a file that is not there yet, mode 0600, 0660 in a folder that its group may write, and return its handle for writing.

    :raises FileExistsError: where it is there.
    """
    mode = _rights(path.parent) & 0o666
    if readable_by_group and mode == _OWNER & 0o666:
        return os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
    handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    if mode != 0o600:
        os.fchmod(handle, mode)
    return handle


def _rights(folder: Path) -> int:
    return _OWNER | (_GROUP if folder.stat().st_mode & 0o020 else 0)
