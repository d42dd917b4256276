"""The asset of a datasource, ``confluence://datasource/<id>``, as Airflow makes it, checks it and tells OpenLineage of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from urllib.parse import SplitResult

    from airflow.providers.common.compat.openlineage.facet import Dataset as OpenLineageDataset
    from airflow.sdk import Asset

__all__ = ["convert_asset_to_openlineage", "create_asset", "sanitize_uri"]

_PATH = re.compile(r"/[A-Za-z0-9_.-]{1,100}")


def create_asset(*, datasource_id: str, extra: dict[str, Any] | None = None) -> Asset:
    """Return the asset that stands for a datasource's index: the same for ever, because its state hangs on name and URI."""
    from airflow.sdk import Asset

    uri = f"confluence://datasource/{datasource_id}"
    return Asset(name=uri, uri=uri, extra=extra or {})


def sanitize_uri(uri: SplitResult) -> SplitResult:
    """Return the URI as it is, where it can be a datasource's.

    :raises ValueError: where it cannot: a DAG that waits for it would wait for ever.
    """
    if uri.netloc != "datasource" or not _PATH.fullmatch(uri.path) or uri.query:
        raise ValueError(
            f"{uri.geturl()!r} is no asset of this provider: expected confluence://datasource/<id>, with the id of a datasource"
        )
    return uri


def convert_asset_to_openlineage(asset: Asset, lineage_context: object) -> OpenLineageDataset:  # noqa: ARG001 - Airflow passes it
    """Return the dataset that OpenLineage is told of: namespace ``confluence://datasource``, named by the id."""
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"{parts.scheme}://{parts.netloc}", name=parts.path.removeprefix("/"))
