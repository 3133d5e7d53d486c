"""What Moodle's authentication plugins do with passwords (recordings 580 to 618, on 4.5 and 5.1)."""

from __future__ import annotations

from typing import Final

NEEDS_PASSWORD: Final = frozenset({"manual", "email", "lti", "nologin", "none"})
"""Plugins for which a create needs ``password`` or ``createpassword``; all others take an account without."""

NEEDS_PASSWORD_NAMES: Final = ", ".join(sorted(NEEDS_PASSWORD))
"""The same plugins as people read them."""
NEVER_FOR_NEW: Final = frozenset({"mnet", "webservice"})
"""Plugins that Moodle brings along and with which it makes no account; the check of a parameter takes ``webservice``."""
