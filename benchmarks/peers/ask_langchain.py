"""LangChain's ConfluenceLoader over the benchmark's server: run in an environment of its own, see :mod:`benchmarks.peers.reporting`.

It gets its best: no request for each page to ask whether it is restricted, and pages as large as the server gives. By space where that is
still answered; by CQL on Cloud, which has removed the list that its way by space asks.
"""

from langchain_community.document_loaders import ConfluenceLoader
from reporting import Job, report


def load(job: Job) -> dict[str, str]:
    """Return the texts of the pages by id."""
    cloud = job.edition == "cloud"
    access = {"username": job.username, "api_key": job.token} if cloud else {"token": job.token}
    scope = {"cql": f'space = "{job.space}" and type = page'} if cloud else {"space_key": job.space}
    loader = ConfluenceLoader(
        url=job.endpoint,
        cloud=cloud,
        include_restricted_content=True,
        limit=200,
        max_pages=job.pages,
        **access,
        **scope,
    )
    return {document.metadata["id"]: document.page_content for document in loader.lazy_load()}


if __name__ == "__main__":
    report(load)
