"""How the log looks: lines for people, or JSON for machines. Knows nothing of what is logged."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from hollama.config import Settings


class JsonLines(logging.Formatter):
    """An object a line; what a message was given as `extra={"fields": ...}` are members of their own."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)


def set_up(settings: Settings) -> None:
    """Log to standard error, as OLLAMA_DEBUG and HOLLAMA_LOG_FORMAT say."""
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if settings.log_format == "json" else plain)
    logging.basicConfig(level=logging.DEBUG if settings.debug else logging.INFO, handlers=[handler])
