"""What a run tells Airflow's hook lineage: where its persons came from, and which Moodle it wrote to; no persons, no secrets.

Costs nothing where no plugin listens (Airflow's collector then does nothing).
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

from moodle_coupling.airflow_internals import lineage_collector
from moodle_coupling.mapping.file import source_base

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from airflow.sdk import Asset

    from moodle_coupling.mapping import Mapping
    from moodle_coupling.orchestration.run import Run

log = logging.getLogger(__name__)


def tell_read(run: Run) -> None:
    """Tell where the persons of this run were read."""
    _tell(
        lineage_collector().add_input_asset,
        run,
        lambda: sources_of(run.mapping, source_base(run.mapping_path)),
    )


def tell_written(run: Run) -> None:
    """Tell to which Moodle this run writes."""
    _tell(lineage_collector().add_output_asset, run, lambda: [moodle_of(run.mapping)])


def _tell(add: Callable[..., None], run: Run, found: Callable[[], Iterable[str]]) -> None:
    # An address that Airflow does not take (a query has no table), or a connection that is gone, must not fail a run.
    try:
        for uri in found():
            with contextlib.suppress(ValueError):
                add(context=run, uri=uri)
    except Exception as error:  # noqa: BLE001
        log.debug("No lineage of '%s': %s", run.mapping.environment, type(error).__name__)


def moodle_of(mapping: Mapping) -> str:
    """Give the address of the accounts of a mapping's Moodle: ``moodle://host/path/users``."""
    from moodle_coupling.hooks.moodle.connection import read_settings

    parts = urlsplit(read_settings(mapping.connection).base_url)
    return urlunsplit(("moodle", parts.netloc, f"{parts.path.rstrip('/')}/users", "", ""))


def sources_of(mapping: Mapping, base: Path) -> Iterator[str]:
    """Give the address of each source, and of the list of access, that has one (``base``: where a relative path starts)."""
    from moodle_coupling.sources.kinds import kind_of, read_by

    for one in read_by(mapping):
        if address := kind_of(one).address(one, base):
            yield address


def dataset_of(asset: Asset, lineage_context: Any) -> Any:  # noqa: ARG001 - how Airflow calls a converter
    """Give the dataset of ``moodle://place/path``: its namespace is ``moodle://place``, its name ``path``.

    None where the OpenLineage client is not installed.
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset

    parts = urlsplit(asset.uri)
    return Dataset(namespace=f"moodle://{parts.netloc}", name=parts.path.strip("/") or "/")
