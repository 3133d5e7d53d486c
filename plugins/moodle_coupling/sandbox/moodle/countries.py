"""The names of the countries that Moodle knows."""

from __future__ import annotations

from babel import Locale

from moodle_coupling.contract.fields import COUNTRIES


def country_name(code: str, lang: str) -> str:
    """Return what people see of a country, '' for none; Babel's names, which may differ a little from Moodle's."""
    return str(Locale.parse(lang).territories[code]) if code in COUNTRIES else code.strip("0")
