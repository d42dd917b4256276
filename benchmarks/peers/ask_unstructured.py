"""Unstructured's Confluence source over the benchmark's server: run in an environment of its own, see :mod:`benchmarks.peers.reporting`.

Its indexer and its downloader, which leave a file of HTML for each page; what makes text of these is another product of theirs, and not
measured. The downloader runs in 20 threads. It asks interfaces that Data Center does not have.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reporting import Job, report
from unstructured_ingest.processes.connectors.confluence import (
    ConfluenceAccessConfig,
    ConfluenceConnectionConfig,
    ConfluenceDownloader,
    ConfluenceDownloaderConfig,
    ConfluenceIndexer,
    ConfluenceIndexerConfig,
)

THREADS = 20


def load(job: Job) -> dict[str, str]:
    """Return the HTML of the pages by id."""
    connection = ConfluenceConnectionConfig(
        url=job.endpoint,
        username=job.username,
        cloud=True,
        access_config=ConfluenceAccessConfig(api_token=job.token),
    )
    config = ConfluenceIndexerConfig(spaces=[job.space], max_num_of_docs_from_each_space=job.pages)
    indexer = ConfluenceIndexer(connection_config=connection, index_config=config)
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(THREADS) as pool:
        downloader = ConfluenceDownloader(
            connection_config=connection, download_config=ConfluenceDownloaderConfig(download_dir=Path(folder))
        )
        done = list(pool.map(downloader.run, indexer.run()))
        return {each["file_data"].identifier: Path(each["path"]).read_text(encoding="utf-8") for each in done}


if __name__ == "__main__":
    report(load)
