"""A notifier that is no mail: it keeps what it is told, or refuses it, as a chat's would."""

from __future__ import annotations

from typing import Any, ClassVar

from airflow.sdk import BaseNotifier


class RecordingNotifier(BaseNotifier):
    """Keeps each text in ``told``; ``refuses`` makes it raise instead, with a secret in the error."""

    template_fields = ("text",)
    told: ClassVar[list[str]] = []
    refuses: ClassVar[bool] = False

    def __init__(self, *, text: str) -> None:
        super().__init__()
        self.text = text

    def notify(self, context: Any) -> None:
        if type(self).refuses:
            msg = "hook https://chat.example.org/s3cret answers 500"
            raise RuntimeError(msg)
        self.told.append(self.text)
