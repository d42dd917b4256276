"""A checkout, and what is built of it."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

NAME = "airflow_provider_confluence"


@dataclass(frozen=True)
class Tree:
    """A checkout of git."""

    root: Path

    @cached_property
    def files(self) -> frozenset[str]:
        """The files that git knows or would take, by their paths below the root."""
        said = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=self.root,
            capture_output=True,
            text=True,
            check=True,
        )
        return frozenset(name for name in said.stdout.splitlines() if (self.root / name).is_file())

    @cached_property
    def pyproject(self) -> dict[str, Any]:
        return tomllib.loads(self.text("pyproject.toml"))

    @cached_property
    def version(self) -> str:
        """The version, read from the file that says it, without importing the package."""
        names: dict[str, Any] = {}
        exec(compile(self.text(f"{NAME}/__init__.py"), "__init__.py", "exec"), names)
        return str(names["__version__"])

    def text(self, name: str) -> str:
        return (self.root / name).read_text(encoding="utf-8")


Build = Callable[[Path, str, Path], None]
"""Builds a kind of distribution (``wheel``, ``sdist``) of a tree into a folder."""


@dataclass(frozen=True)
class Distributions:
    """The wheel and the source distribution of a tree, and a wheel that was made of the source distribution."""

    wheel: Path
    sdist: Path
    again: Path
    from_sdist: Path

    @classmethod
    def of(cls, tree: Tree, folder: Path, build: Build) -> Distributions:
        built = {}
        for name, kind in (("wheel", "wheel"), ("sdist", "sdist"), ("again", "wheel")):
            build(tree.root, kind, folder / name)
            (built[name],) = [*(folder / name).glob("*.whl"), *(folder / name).glob("*.tar.gz")]
        with tarfile.open(built["sdist"]) as archive:
            archive.extractall(folder / "unpacked", filter="data")
        (unpacked,) = (folder / "unpacked").iterdir()
        build(unpacked, "wheel", folder / "from_sdist")
        (built["from_sdist"],) = (folder / "from_sdist").glob("*.whl")
        return cls(**built)

    def in_wheel(self) -> dict[str, bytes]:
        with zipfile.ZipFile(self.wheel) as archive:
            return {name: archive.read(name) for name in archive.namelist()}

    def in_sdist(self) -> set[str]:
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}
