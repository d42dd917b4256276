"""``search``: search what was indexed into the local index."""

from __future__ import annotations

import argparse
import csv
import re
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_confluence.cli import common
from airflow_provider_confluence.cli.deployment import Deployment, shown
from airflow_provider_confluence.cli.places import Folder, add_storage
from airflow_provider_confluence.datasource import DEFAULT_QUEUE
from airflow_provider_confluence.errors import ConfigurationError

if TYPE_CHECKING:
    from airflow_provider_confluence.sinks.local_search import LocalIndex, Results

_EXAMPLES = """
airflow-confluence search rollback deployment
airflow-confluence search rollback deployment --storage ./index
airflow-confluence search '"roll back"' --storage ./index --space OPS --space DOCS --type page --limit 3
airflow-confluence search --storage ./index --since 2026-03 --until 2026-03 --facets space,label
airflow-confluence search rollback --storage ./index --as 5b10a2844c20165700ede21g --groups 276f955c-63d7-42c8-9520-92d01dca0625
airflow-confluence search rollback --storage ./index --as anonymous
"""
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)


def add(commands: common.Commands) -> None:
    """Describe the command to the parser."""
    parser = common.add_command(
        commands,
        "search",
        "search what was indexed",
        "Search a local index. Every word must be there; words in double quotes are a phrase. Without words: what was updated last.",
        _EXAMPLES,
    )
    parser.add_argument("words", nargs="*", metavar="WORDS")
    add_storage(parser)
    parser.add_argument(
        "--queue",
        metavar="NAME",
        help=f"queue.name of the datasource (default: {DEFAULT_QUEUE}; without --storage, what the Variable says)",
    )
    parser.add_argument("--prefix", action="store_true", help="the last word may be the beginning of one")
    parser.add_argument("--limit", type=_whole, default=10, metavar="N", help="how many hits to show (default: 10)")
    parser.add_argument("--offset", type=_whole, default=0, metavar="N", help="how many hits to leave out before them")
    several = "; given several times, any of them"
    parser.add_argument("--space", action="append", metavar="KEY", help=f"in this space{several}")
    parser.add_argument("--type", action="append", metavar="TYPE", help=f"page, blogpost, attachment …{several}")
    parser.add_argument("--label", action="append", metavar="LABEL", help=f"with this label{several}")
    parser.add_argument("--datasource", action="append", metavar="ID", help=f"of this datasource{several}")
    parser.add_argument(
        "--since",
        type=_start,
        metavar="DATE",
        help="updated then or later: 2026, 2026-03, 2026-03-31 (UTC) or an instant",
    )
    parser.add_argument(
        "--until", type=_end, metavar="DATE", help="updated before the end of that, or before the instant"
    )
    parser.add_argument(
        "--facets",
        type=_facets,
        default=(),
        metavar="NAMES",
        help="count all hits by these, with commas between: space, type, label, datasource, year, month",
    )
    parser.add_argument(
        "--as",
        dest="person",
        metavar="USER",
        help="find what this person may read and nothing else: an account id (Cloud), a user key (Data Center), or anonymous for a visitor",
    )
    parser.add_argument(
        "--groups",
        type=_groups,
        action="extend",
        default=[],
        metavar="A,B",
        help="all groups that the person is in, with commas between: their ids (Cloud) or names (Data Center)",
    )
    parser.set_defaults(command=_run)


def _run(options: argparse.Namespace) -> int:
    from airflow_provider_confluence.sinks.local_search import LocalIndex

    query = " ".join(options.words) if options.words else None
    names = ("limit", "offset", "space", "type", "label", "datasource", "since", "until", "prefix", "facets")
    wanted = {name: getattr(options, name) for name in names}
    wanted["principals"] = _principals(options)
    path, read_from = _index(options)
    with LocalIndex(path) as index:
        if wanted["principals"] is not None:
            _tell_what_is_left_out(index.datasources_without_readers())
        if options.json:
            common.print_json({**asdict(index.search(query, **wanted)), **shown(read_from)})
            return 0
        found = print_hits(index, query, **wanted)
    for facet, counts in found.facets.items():
        print(f"{facet}: {', '.join(f'{value} {count}' for value, count in counts.items()) or 'none'}")
    print(f"{found.total} hit{'' if found.total == 1 else 's'}")
    return 0


def _principals(options: argparse.Namespace) -> tuple[str, ...] | None:
    from airflow_provider_confluence.permissions import ANONYMOUS, principals_of

    if options.person is None:
        if options.groups:
            raise ConfigurationError("--groups: whose groups are they? Name the person with --as")
        return None
    try:
        return principals_of(None if options.person == ANONYMOUS else options.person, options.groups)
    except ValueError as error:
        raise ConfigurationError(f"--as, --groups: {error}") from error


def _tell_what_is_left_out(datasources: list[str]) -> None:
    if datasources:
        shown = ", ".join(datasources[:5]) + (", …" if len(datasources) > 5 else "")
        many = "1 datasource has" if len(datasources) == 1 else f"{len(datasources)} datasources have"
        common.say(
            f"{many} documents that do not say who may read them, which are left out ({shown}): set enable_permissions, and let a "
            "run finish"
        )


def index_file(storage: Path | str, queue: str = DEFAULT_QUEUE) -> Path:
    """Return the local index that ``sync`` writes below a storage folder."""
    from airflow_provider_confluence.sinks.local import index_path

    return index_path(Folder(storage).index_folder(), queue)


def _index(options: argparse.Namespace) -> tuple[Path, dict[str, str]]:
    """Return the index to search, and where what led there was read.

    :raises ConfigurationError: where the deployment has several, or none.
    """
    from airflow_provider_confluence.sinks.local import index_path

    if options.storage is not None:
        return index_file(options.storage, options.queue or DEFAULT_QUEUE), {}
    airflow = Deployment(tell=common.say)
    local, others = _destinations(airflow)
    asked = options.datasource or local
    found = {path: name for id_, (path, name) in local.items() if id_ in asked and options.queue in (None, name)}
    if len(found) == 1:
        (path,) = found
    elif found:
        raise ConfigurationError(
            f"the datasources write several local indexes ({', '.join(sorted(set(found.values())))}): choose one with --queue NAME, or "
            "with --datasource ID"
        )
    elif others and not local and options.queue is None:
        elsewhere = ", ".join(f"{id_} to a sink of type {type_}" for id_, type_ in sorted(others.items()))
        raise ConfigurationError(f"no datasource of the Variable writes a local index ({elsewhere}): search there")
    else:
        path = index_path(airflow.index_folder(), options.queue or DEFAULT_QUEUE)
    return path, airflow.read_from


def _destinations(airflow: Deployment) -> tuple[dict[str, tuple[Path, str]], dict[str, str]]:
    """Return the local index of each datasource with its queue's name, and the types of the other sinks; broken ones are left out."""
    from airflow_provider_confluence.datasource import Datasource
    from airflow_provider_confluence.sinks.local import LocalSink

    local: dict[str, tuple[Path, str]] = {}
    others: dict[str, str] = {}
    for id_, datasource in (airflow.definitions() or {}).items():
        if not isinstance(datasource, Datasource):
            continue
        type_ = str(datasource.sink.get("type"))
        if type_ != "local":
            others[id_] = type_
            continue
        with suppress(ConfigurationError):  # a path that is not allowed: its runs say so
            sink = airflow.make_sink(datasource)
            if isinstance(sink, LocalSink):
                local[id_] = (sink.path, datasource.queue_name)
    return local, others


def print_hits(index: LocalIndex, query: str | None, **wanted: Any) -> Results:
    """Print the hits with title, snippet and URL; return what was found.

    :param wanted: as :meth:`LocalIndex.search` takes it.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console(soft_wrap=True, highlight=False)
    marks = ("\ue000", "\ue001")  # private use: no page's text is taken for a mark
    found = index.search(query, marks=marks, **wanted)
    for hit in found.hits:
        console.print(Text(hit.title, style="bold"), Text(f"  [{hit.space_key}, {hit.type}]", style="dim"), sep="")
        snippet = Text("  ")
        for number, piece in enumerate(hit.snippet.replace(marks[1], marks[0]).split(marks[0])):
            snippet.append(piece, style="bold yellow" if number % 2 else "")
        console.print(snippet)
        console.print(Text(f"  {hit.url}", style="dim"))
    return found


# ------------------------------------------------------------------------------------------ options
def _whole(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text} is negative")
    return number


def _facets(text: str) -> tuple[str, ...]:
    from airflow_provider_confluence.sinks.local_search import FACETS

    names = tuple(name.strip() for name in text.split(","))
    for name in names:
        if name not in FACETS:
            raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(FACETS)}")
    return names


def _groups(text: str) -> list[str]:
    """Return the names between commas; a name that holds one stands in double quotes."""
    return [name.strip() for row in csv.reader([text], skipinitialspace=True) for name in row]


def _start(text: str) -> datetime:
    return _bounds(text)[0]


def _end(text: str) -> datetime:
    return _bounds(text)[1]


def _bounds(text: str) -> tuple[datetime, datetime]:
    """Return where a year, month or day begins and ends, in UTC; for an instant that instant, twice."""
    import pendulum

    try:
        period = _PERIOD.fullmatch(text)
        if period is None:
            instant = datetime.fromisoformat(text.replace("Z", "+00:00"))
            if instant.tzinfo is None:
                raise ValueError(text)
            instant = instant.astimezone(timezone.utc)  # here, because not every instant of year 1 has one
            return instant, instant
        year, month, day = period.groups()
        start = pendulum.datetime(int(year), int(month or 1), int(day or 1))
        return start, start.add(**{"days" if day else "months" if month else "years": 1})
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no date; write 2026, 2026-03, 2026-03-31 (in UTC) or an instant with its zone, 2026-03-31T09:30Z"
        ) from None
