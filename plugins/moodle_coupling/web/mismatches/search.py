"""What somebody searches for, sealed: addresses of pages end up in logs and histories, names of persons must not."""

from __future__ import annotations

import base64
import hashlib

from cryptography.fernet import Fernet, InvalidToken

_LONGEST = 200


def seal(text: str) -> str:
    """Give a text as only this server can read it; '' stays ''. Each time it looks different."""
    text = text.strip()[:_LONGEST]
    return _fernet().encrypt(text.encode()).decode().rstrip("=") if text else ""


def unseal(sealed: str) -> str:
    """Give the text that was sealed; '' for anything else."""
    if not sealed or not sealed.isascii():
        return ""
    try:
        return _fernet().decrypt(sealed + "=" * (-len(sealed) % 4)).decode()
    except InvalidToken:
        return ""


def _fernet() -> Fernet:
    from moodle_coupling.airflow_internals import signing_key

    secret = signing_key()
    key = hashlib.blake2b(secret.encode(), digest_size=32, person=b"moodle search")
    return Fernet(base64.urlsafe_b64encode(key.digest()))
