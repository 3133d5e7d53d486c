"""The assets of an environment: the persons of its source, and the users of its Moodle."""

from __future__ import annotations

from airflow.sdk import Asset


def persons_asset(environment: str) -> Asset:
    """Give the asset that stands for the persons of the source; its state store has the watermark."""
    return Asset(name=f"moodle_persons__{environment}", uri=f"moodle://{environment}/persons")


def users_asset(environment: str) -> Asset:
    """Give the asset that stands for the accounts; each load is an event of it, with the counts."""
    return Asset(name=f"moodle_users__{environment}", uri=f"moodle://{environment}/users")
