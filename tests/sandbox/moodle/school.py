"""Cohorts and courses of a small school, as a sandbox starts with them; somebody has the username anna."""

from __future__ import annotations

from typing import Any

SCHOOL: dict[str, Any] = {
    "cohorts": [
        {"name": "Docenten", "idnumber": "cv-docenten", "members": ["anna"]},
        {"name": "In categorie", "idnumber": "cat", "category": "Opleidingen", "visible": False},
    ],
    "courses": [
        {
            "shortname": "BHV-2027",
            "fullname": "Bedrijfshulp",
            "idnumber": "BHV",
            "participants": [{"username": "anna"}],
        },
        {"shortname": "Uit", "manual": "off"},
        {"shortname": "Verborgen", "visible": False},
    ],
}
