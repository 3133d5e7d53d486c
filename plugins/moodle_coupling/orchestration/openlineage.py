"""The assets of the coupling as OpenLineage names data: Airflow asks for it by ``asset-uris`` in provider_info.py.

Imports nothing else: Airflow loads this module wherever an asset is made, when a DAG file is parsed too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from airflow.sdk import Asset


def dataset_of(asset: Asset, lineage_context: Any) -> Any:  # noqa: ARG001 - how Airflow calls a converter
    """Give the dataset of ``moodle://place/path``: its namespace is ``moodle://place``, its name ``path``.

    None where the OpenLineage client is not installed.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"moodle://{parts.netloc}", name=parts.path.strip("/") or "/")
