"""``airflow-confluence``: index a Confluence without a scheduler, search what was indexed, try it all on a sandbox.

No command here imports Airflow. Heavy imports happen inside the commands.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_confluence import __version__
from airflow_provider_confluence.errors import ConfigurationError, ConfluenceProviderError

if TYPE_CHECKING:
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sinks.local_search import LocalIndex
    from airflow_provider_confluence.sync.commit import RunResult
    from airflow_provider_confluence.sync.context import Event

TOKEN_VARIABLE = "CONFLUENCE_TOKEN"  # noqa: S105 - the variable's name, not a token


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 fine, 1 the run was not clean, 2 an error that the message explains."""
    options = _parser().parse_args(arguments)
    try:
        code: int = options.command(options)
    except ConfluenceProviderError as error:
        print(f"airflow-confluence: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("airflow-confluence: stopped; the next run goes on from here", file=sys.stderr)
        return 130
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="airflow-confluence", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    sync = commands.add_parser(
        "sync",
        help="bring an index up to date with Confluence",
        description=f"The token is read from {TOKEN_VARIABLE}.",
    )
    sync.add_argument(
        "--endpoint", required=True, metavar="URL", help="base URL, such as https://site.atlassian.net/wiki"
    )
    sync.add_argument(
        "--username", metavar="U", help="account e-mail (Cloud) or user name; leave out for a personal access token"
    )
    sync.add_argument(
        "--space", required=True, action="append", metavar="KEY", help="space key; may be given several times"
    )
    sync.add_argument("--blogposts", action="store_true", help="index blog posts too")
    sync.add_argument("--attachments", action="store_true", help="index attachments too")
    sync.add_argument("--comments", action="store_true", help="index comments too")
    sync.add_argument("--storage", required=True, type=Path, metavar="DIR", help="where state and index are kept")
    sync.add_argument("--id", metavar="ID", help="id of the datasource (default: the first space key; all for *)")
    sync.add_argument(
        "--deployment", choices=("auto", "cloud", "datacenter"), default="auto", help="edition (default: found out)"
    )
    sync.add_argument("--mode", choices=("auto", "full", "reconcile", "changes", "verify"), default="auto")
    sync.add_argument(
        "--allow-mass-delete", type=int, metavar="REVISION", help="consent to the deletions that run REVISION withheld"
    )
    sync.set_defaults(command=_sync)

    search = commands.add_parser("search", help="search what was indexed")
    search.add_argument("words", nargs="+", metavar="WORDS")
    search.add_argument("--storage", required=True, type=Path, metavar="DIR")
    search.add_argument("--limit", type=int, default=10, metavar="N")
    search.add_argument("--space", metavar="KEY")
    search.add_argument("--type", metavar="TYPE")
    search.add_argument("--label", metavar="LABEL")
    search.set_defaults(command=_search)

    adopt = commands.add_parser("adopt", help="take the documents of a datasource over from another deployment")
    adopt.add_argument("id", metavar="ID", help="id of the datasource")
    adopt.add_argument("--storage", required=True, type=Path, metavar="DIR")
    adopt.set_defaults(command=_adopt)

    sandbox = commands.add_parser("sandbox", help="serve a sandbox Confluence on this machine")
    sandbox.add_argument("--deployment", choices=("cloud", "datacenter"), default="cloud")
    sandbox.add_argument("--port", type=int, default=0, help="default: any free one")
    sandbox.add_argument("--pages", type=int, metavar="N", help="a generated wiki of N pages instead of the sample")
    sandbox.add_argument("--seed", type=int, metavar="N", help="seed of the generated wiki")
    sandbox.set_defaults(command=_sandbox)
    return parser


# ---------------------------------------------------------------- sync
def _sync(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.datasource import read_datasource

    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise ConfigurationError(
            f"the environment variable {TOKEN_VARIABLE} is not set; put the API token or personal access token there"
        )
    datasource = read_datasource(
        options.id or ("all" if options.space == ["*"] else options.space[0]),
        {
            "space": options.space,
            "enable_blogposts": options.blogposts,
            "enable_attachments": options.attachments,
            "enable_comments": options.comments,
        },
    )
    started = time.monotonic()
    result = sync(
        datasource,
        endpoint=options.endpoint,
        username=options.username,
        token=token,
        storage=options.storage,
        deployment=options.deployment,
        mode=options.mode,
        allow_mass_delete=options.allow_mass_delete,
    )
    print(summary_of(result, time.monotonic() - started))
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    for failure in result.failures:
        print(
            f"failed: {failure['type']} {failure['content_id']} ({failure['reason']}): {failure['message']}",
            file=sys.stderr,
        )
    if not result.clean:
        from airflow_provider_confluence.sync.commit import verdict

        print(verdict(result), file=sys.stderr)
    return 0 if result.clean else 1


def sync(
    datasource: Datasource,
    *,
    endpoint: str,
    username: str | None,
    token: str,
    storage: Path,
    deployment: str = "auto",
    mode: str = "auto",
    allow_mass_delete: int | None = None,
) -> RunResult:
    """Run a datasource once, with a progress bar on a terminal; state and the local index lie below ``storage``."""
    from airflow_provider_confluence.confluence.client import ConnectionSettings, connect
    from airflow_provider_confluence.sinks.registry import make_sink
    from airflow_provider_confluence.sync.context import RunContext
    from airflow_provider_confluence.sync.run import run_once
    from airflow_provider_confluence.sync.storage import Storage

    settings = ConnectionSettings(endpoint=endpoint, username=username, token=token, deployment=deployment)  # type: ignore[arg-type]
    with _Progress() as progress:
        run = RunContext(
            storage=Storage(storage),
            connect=lambda _: connect(settings),
            make_sink=lambda d: make_sink(d.sink, d.queue_name, storage=storage / "index"),
            observer=progress.show,
        )
        return run_once(run, datasource, mode=mode, allow_mass_delete=allow_mass_delete)


def summary_of(result: RunResult, seconds: float) -> str:
    """Return a run's counts on one line."""
    c = result.counts
    failed = max(c["failed"], c["failing"])
    return (
        f"listed {c['listed']}, fetched {c['fetched']}, unchanged {c['unchanged']}, deleted {c['deleted']}, failed {failed}, "
        f"requests {result.requests}, seconds {seconds:.1f}"
    )


class _Progress:
    """A progress bar for a run; on a pipe it stays silent."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description:<10}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        self._bar = Progress(*columns, console=console, disable=not console.is_terminal)
        self._tasks: dict[str, int] = {}
        self._shards: dict[tuple[str, str], tuple[int, int]] = {}

    def __enter__(self) -> _Progress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        """Move the bar on."""
        numbers = event.numbers
        if event.name == "listed":
            self._update("list", numbers["listed"], None)
        elif event.name == "planned":
            self._update("list", numbers["listed"], numbers["listed"])
            self._total = numbers["upserts"] + numbers["deletions"]
        elif event.name in ("extracted", "indexed"):
            self._shards[(event.name, event.where)] = (numbers["done"], numbers["of"])
            done = sum(d for (name, _), (d, _) in self._shards.items() if name == event.name)
            self._update("extract" if event.name == "extracted" else "index", done, self._total)

    def _update(self, name: str, done: int, total: int | None) -> None:
        from rich.progress import TaskID

        if name not in self._tasks:
            self._tasks[name] = self._bar.add_task(name, total=total)
        self._bar.update(TaskID(self._tasks[name]), completed=done, total=total)


# ---------------------------------------------------------------- search
def _search(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sinks.local_search import LocalIndex

    with LocalIndex(index_file(options.storage)) as index:
        total = print_hits(
            index,
            " ".join(options.words),
            limit=options.limit,
            space=options.space,
            type_=options.type,
            label=options.label,
        )
    print(f"{total} hits")
    return 0


def index_file(storage: Path) -> Path:
    """Return the local index that ``sync`` writes below a storage folder."""
    from airflow_provider_confluence.datasource import DEFAULT_QUEUE
    from airflow_provider_confluence.sinks.local import index_path

    return index_path(storage / "index", DEFAULT_QUEUE)


def print_hits(
    index: LocalIndex,
    query: str,
    *,
    limit: int = 10,
    space: str | None = None,
    type_: str | None = None,
    label: str | None = None,
) -> int:
    """Print the hits with title, snippet and URL; return how many there are in all."""
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    marks = ("\ue000", "\ue001")  # private use: no page's text is taken for a mark
    found = index.search(query, limit=limit, space=space, type=type_, label=label, marks=marks)
    for hit in found.hits:
        console.print(Text(hit.title, style="bold"), Text(f"  [{hit.space_key}, {hit.type}]", style="dim"), sep="")
        snippet = Text("  ")
        for number, piece in enumerate(hit.snippet.replace(marks[1], marks[0]).split(marks[0])):
            snippet.append(piece, style="bold yellow" if number % 2 else "")
        console.print(snippet)
        console.print(Text(f"  {hit.url}", style="dim"))
    return found.total


# ---------------------------------------------------------------- adopt, sandbox
def _adopt(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sinks.base import Owner
    from airflow_provider_confluence.sinks.registry import make_sink
    from airflow_provider_confluence.sync.journal import Journal
    from airflow_provider_confluence.sync.storage import Storage

    journal = Journal(Storage(options.storage), options.id)
    head = journal.read_head()
    if head is None:
        raise ConfigurationError(
            f"datasource {options.id} has no committed run below {options.storage}; run sync there first"
        )
    settings = head.datasource
    sink = make_sink(settings["sink"], settings["queue_name"], storage=options.storage / "index")
    try:
        sink.open(Owner(options.id, journal.deployment_id(), head.site), adopt=True)
    finally:
        sink.close()
    print(f"the documents of datasource {options.id} now belong to this deployment")
    return 0


def _sandbox(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.testing.sandbox import run_sandbox

    run_sandbox(
        edition=options.deployment,
        port=options.port,
        pages=options.pages,
        seed=options.seed,
        say=functools.partial(print, flush=True),  # whoever reads us through a pipe waits for the address
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
