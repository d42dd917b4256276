"""A package that a page builds, as an installer leaves it in a folder: its modules, its tests and its entry points."""

from __future__ import annotations

import re
from pathlib import Path


def write_package(page: str, folder: Path, name: str) -> None:
    """Write the page's two blocks of Python, the package and its tests, and what its block of TOML makes known."""
    module = name.replace("-", "_")
    package, tests = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (folder / f"{module}.py").write_text(package)
    (folder / f"test_{module}.py").write_text(tests)
    found = re.search(r'```toml\n\[project\.entry-points\."([\w.]+)"\]\n(.*?)```', page, re.DOTALL)
    assert found is not None
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{found[1]}]\n{found[2]}".replace('"', ""))
