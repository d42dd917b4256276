"""``search``: search what was indexed into the local index."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.datasource import DEFAULT_QUEUE

if TYPE_CHECKING:
    from airflow_provider_confluence.sinks.local_search import LocalIndex

_EXAMPLES = """
airflow-confluence search rollback deployment --storage ./index
airflow-confluence search '"roll back"' --storage ./index --space OPS --type page --limit 3
"""


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "search",
        "search what was indexed",
        "Search a local index. Every word must be there; words in double quotes are a phrase.",
        _EXAMPLES,
    )
    parser.add_argument("words", nargs="+", metavar="WORDS")
    common.add_storage(parser)
    parser.add_argument("--queue", default=DEFAULT_QUEUE, metavar="NAME", help="queue.name of the datasource")
    parser.add_argument("--limit", type=int, default=10, metavar="N")
    parser.add_argument("--space", metavar="KEY")
    parser.add_argument("--type", metavar="TYPE")
    parser.add_argument("--label", metavar="LABEL")
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sinks.local_search import LocalIndex

    query = " ".join(options.words)
    wanted = {"limit": options.limit, "space": options.space}
    with LocalIndex(index_file(options.storage, options.queue)) as index:
        if options.json:
            found = index.search(query, **wanted, type=options.type, label=options.label)
            common.print_json({"total": found.total, "hits": [asdict(hit) for hit in found.hits]})
            return 0
        total = print_hits(index, query, **wanted, type_=options.type, label=options.label)
    print(f"{total} hits")
    return 0


def index_file(storage: Path | str, queue: str = DEFAULT_QUEUE) -> Path:
    """Return the local index that ``sync`` writes below a storage folder."""
    from airflow_provider_confluence.sinks.local import index_path

    return index_path(common.index_folder(storage), queue)


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
