"""``make demo``: a wiki is indexed and searched, the sandbox's sample by default, a real one where the environment names it.

``CONFLUENCE_URL``, ``CONFLUENCE_USER`` (absent for a personal access token), ``CONFLUENCE_TOKEN`` and ``CONFLUENCE_SPACE`` (keys with
commas between) choose a real Confluence; ``DEMO_QUERY`` what is searched for.
"""

from __future__ import annotations

import os
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from airflow_provider_confluence.cli import index_file, print_hits, summary_of, sync
from airflow_provider_confluence.datasource import read_datasource
from airflow_provider_confluence.errors import ConfigurationError, ConfluenceProviderError
from airflow_provider_confluence.sync.manifest import digest

_FOLDER = Path(".demo")
_SANDBOX_QUERY = "rollback deployment"


def main() -> int:
    """Run the demo; the last line printed says what was indexed and found."""
    try:
        return _demo()
    except ConfluenceProviderError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 2


def _demo() -> int:
    with ExitStack() as stack:
        endpoint = os.environ.get("CONFLUENCE_URL")
        if endpoint:
            spaces = [key.strip() for key in _required("CONFLUENCE_SPACE").split(",") if key.strip()]
            username, token = os.environ.get("CONFLUENCE_USER") or None, _required("CONFLUENCE_TOKEN")
            storage = _FOLDER / digest(endpoint)
        else:
            from airflow_provider_confluence.testing.sandbox import Sandbox, load_sample

            sandbox = stack.enter_context(Sandbox(edition="cloud"))
            load_sample(sandbox.model)
            endpoint, username, token, spaces = sandbox.endpoint, sandbox.username, sandbox.token, ["DOCS", "OPS"]
            storage = _FOLDER / "sandbox"
            # The sandbox is born anew with every demo, so what was known of the last one is of no use.
            shutil.rmtree(storage, ignore_errors=True)
            print(f"sandbox Confluence at {endpoint} (no Confluence is named by CONFLUENCE_URL)")
        # A wiki that happens to be small, or one asked for with more in it: blog posts and attachments are part of what people look for.
        definition = {"space": spaces, "enable_blogposts": True, "enable_attachments": True}
        datasource = read_datasource("demo", {"name": "Demo", **definition})
        started = time.monotonic()
        result = sync(datasource, endpoint=endpoint, username=username, token=token, storage=storage)
        print(summary_of(result, time.monotonic() - started))
        from airflow_provider_confluence.sinks.local_search import LocalIndex

        query = os.environ.get("DEMO_QUERY") or _SANDBOX_QUERY
        print(f'\nsearch for "{query}":\n')
        with LocalIndex(index_file(storage)) as index:
            total = print_hits(index, query, limit=5)
            documents = sum(index.counts().values())
        print(f"\nsearch on:  .venv/bin/airflow-confluence search WORDS --storage {storage}")
        print(f'indexed {documents} documents, {total} hits for "{query}"')
    return 0 if result.clean else 1


def _required(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ConfigurationError(f"CONFLUENCE_URL is set, so {name} must be too")
    return value


if __name__ == "__main__":
    sys.exit(main())
