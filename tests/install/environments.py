"""Clean virtual environments with the built wheel in them, as a user's ``pip install`` would leave them.

::

    environment = make_environment(tmp_path / "env", extras=["postgres"], pins=["apache-airflow==3.3.0"])
    environment.run("airflow-confluence", "--version").stdout

What is installed is the wheel of this checkout, built once a process; nothing of the working tree can be seen from inside. Programs run
in a folder of the environment's own, with an environment of variables that names neither this checkout nor its packages, and with
``AIRFLOW_HOME`` in that folder. Packages come from PyPI through uv, or through pip where uv is not installed.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import Parser
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
# What would lead a program out of its environment, or tell it of this one.
_LEADS_OUT = ("PYTHON", "VIRTUAL_ENV", "UV_PROJECT", "AIRFLOW", "_AIRFLOW", "CONFLUENCE_", "PYTEST_", "COVERAGE_")


@dataclass(frozen=True)
class Environment:
    """A virtual environment and the folder that its programs run in.

    :param folder: of the virtual environment.
    :param home: where programs run, and ``AIRFLOW_HOME``.
    """

    folder: Path
    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """Return the environment's interpreter."""
        return self.folder / "bin" / "python"

    def environ(self, **more: str) -> dict[str, str]:
        """Return the environment variables that its programs get, for those who start one themselves (a server, say)."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_LEADS_OUT)}
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
        return {**clean, "PATH": path, "AIRFLOW_HOME": str(self.home), **self.variables, **more}

    def run(
        self, program: str, *arguments: object, check: bool = True, timeout: float = 300, given: str = "", **more: str
    ) -> subprocess.CompletedProcess[str]:
        """Run one of its programs to the end.

        :param check: raise, with all that it printed, where it does not end with 0.
        :param given: its standard input.
        :param more: further environment variables.
        """
        command = [str(self.folder / "bin" / program), *map(str, arguments)]
        done = subprocess.run(
            command,
            cwd=self.home,
            env=self.environ(**more),
            input=given,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def python_code(self, code: str, **options: object) -> str:
        """Run Python code in it and return what it printed; ``options`` are those of :meth:`run`."""
        return self.run("python", "-c", code, **options).stdout  # type: ignore[arg-type]

    def install(self, *requirements: str) -> None:
        """Install more packages, or others in place of those that are there."""
        uv = find_uv()
        if uv:
            _call(uv, "pip", "install", "--quiet", "--python", self.python, *requirements)
        else:
            _call(self.python, "-m", "pip", "install", "--quiet", *requirements)

    def uninstall(self, *packages: str) -> None:
        """Take packages out, and nothing that they brought."""
        uv = find_uv()
        if uv:
            _call(uv, "pip", "uninstall", "--quiet", "--python", self.python, *packages)
        else:
            _call(self.python, "-m", "pip", "uninstall", "--quiet", "--yes", *packages)

    def complaints(self) -> str:
        """Return what ``pip check`` says of packages that do not fit together; empty where all do."""
        uv = find_uv()
        command = [uv, "pip", "check", "--python", self.python] if uv else [self.python, "-m", "pip", "check"]
        done = subprocess.run(
            [str(part) for part in command], capture_output=True, text=True, env=self.environ(), check=False
        )
        return f"{done.stdout}{done.stderr}" if done.returncode else ""

    def versions(self) -> dict[str, str]:
        """Return what is installed, by name in lower case with hyphens."""
        code = "from importlib.metadata import distributions as d\nfor p in d(): print(p.name, p.version)"
        rows = (line.split() for line in self.python_code(code).splitlines())
        return {name.lower().replace("_", "-").replace(".", "-"): version for name, version in rows}


def make_environment(
    folder: Path,
    *,
    extras: Iterable[str] = (),
    pins: Iterable[str] = (),
    also: Iterable[str] = (),
    locked: Path | None = None,
    python: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Environment:
    """Make a virtual environment, install the wheel into it, and return it.

    :param folder: a new folder; the environment and its home lie in it.
    :param extras: of the package, such as ``postgres``.
    :param pins: constraints on what the wheel brings, such as ``apache-airflow==3.3.0``; they install nothing themselves.
    :param also: further requirements to install.
    :param locked: a file of pinned requirements with hashes to install instead of what ``pip`` would choose.
    :param python: the interpreter; the running one by default.
    :param variables: environment variables of all its programs.
    """
    environment = Environment(folder / "venv", folder / "home", dict(variables or {}))
    environment.home.mkdir(parents=True)
    base = python or Path(sys.executable).resolve()
    constraints = folder / "constraints.txt"
    constraints.write_text("".join(f"{pin}\n" for pin in pins))
    uv = find_uv()
    if uv:
        _call(uv, "venv", "--quiet", "--no-python-downloads", "--python", base, environment.folder)
    else:
        _call(base, "-m", "venv", environment.folder)
    if locked is not None:
        environment.install("--require-hashes", "--requirement", str(locked))
    wanted = f"[{','.join(extras)}]" if extras else ""
    environment.install(
        "--constraint", str(constraints), f"airflow-provider-confluence{wanted} @ {wheel().as_uri()}", *also
    )
    return environment


@functools.cache
def wheel() -> Path:
    """Return the wheel of this checkout; it is built once a process and goes when that ends."""
    folder = Path(tempfile.mkdtemp(prefix="wheel-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    _call(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built


def floors(extras: Iterable[str] = ()) -> list[str]:
    """Return the oldest versions that the wheel says it works with, as pins: of its dependencies, and of those of these extras."""
    pins = []
    for requirement in requirements():
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            (floor,) = [part.version for part in requirement.specifier if part.operator == ">="]
            pins.append(f"{requirement.name}=={floor}")
    return pins


def requirements() -> list[Requirement]:
    """Return what the wheel requires, as its metadata say."""
    return [Requirement(text) for text in _metadata().get_all("Requires-Dist", ())]


def classified_pythons() -> list[str]:
    """Return the versions of Python that the wheel says it is for, such as ``3.12``."""
    stated = (text.rpartition(" :: ")[2] for text in _metadata().get_all("Classifier", ()) if "Python :: 3." in text)
    return sorted(stated, key=lambda version: [int(part) for part in version.split(".")])


def pythons() -> dict[str, Path]:
    """Return the interpreters of this machine by their version, such as ``3.12``: the running one, pyenv's, and those on the PATH."""
    found: dict[str, Path] = {}
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for minor in range(10, 20):
        version = f"3.{minor}"
        of_pyenv = sorted(root.glob(f"versions/{version}.*/bin/python{version}"))
        on_path = shutil.which(f"python{version}")
        candidates = [*of_pyenv[-1:], *([Path(on_path)] if on_path else [])]
        if sys.version_info[:2] == (3, minor):
            candidates.insert(0, Path(sys.executable).resolve())
        for candidate in candidates:
            # A shim of pyenv is there for versions that are not.
            if _answers(candidate, version):
                found[version] = candidate
                break
    return found


def find_uv() -> str | None:
    """Return uv's path: of the PATH, or the one that ``make`` put into the checkout; ``None`` where there is none."""
    own = ROOT / ".uv" / "bin" / "uv"
    return shutil.which("uv") or (str(own) if own.exists() else None)


def _metadata() -> Message:
    with zipfile.ZipFile(wheel()) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return Parser().parsestr(archive.read(name).decode())


def _answers(python: Path, version: str) -> bool:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.strip() == version


def _call(*command: object, cwd: Path | None = None) -> None:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_LEADS_OUT)}
    # Trust what the machine trusts, as the Makefile says.
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={"UV_SYSTEM_CERTS": "true", **clean},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    if done.returncode:
        raise AssertionError(
            f"{' '.join(map(str, command))} ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
