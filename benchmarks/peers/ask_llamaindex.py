"""LlamaIndex's ConfluenceReader over the benchmark's server: run in an environment of its own, see :mod:`benchmarks.peers.reporting`.

By space where that is still answered; by CQL on Cloud, which has removed the list that its way by space asks, and with it the list of a
page's attachments: these are read on Data Center alone.
"""

from llama_index.readers.confluence import ConfluenceReader
from reporting import Job, report


def load(job: Job) -> dict[str, str]:
    """Return the texts of the pages by id, those of their attachments behind them."""
    cloud = job.edition == "cloud"
    access = {"user_name": job.username, "password": job.token} if cloud else {"api_token": job.token}
    scope = {"cql": f'space = "{job.space}" and type = page'} if cloud else {"space_key": job.space}
    reader = ConfluenceReader(base_url=job.endpoint, cloud=cloud, **access)
    documents = reader.load_data(include_attachments=job.attachments, max_num_results=job.pages, **scope)
    return {document.doc_id: document.text for document in documents}


if __name__ == "__main__":
    report(load)
