"""The log as JSON lines, for a program that collects it. What may quote a patient is left out."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime

from updp_core.errors import kind_and_place

OURS = "updp"


class JsonLines(logging.Formatter):
    """One object a line: `at` (UTC), `level`, `logger`, `place`, `error` where there is one, and `message` where the
    logger is ours. Messages of other libraries, and those of errors, may quote reports and names."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "place": f"{record.filename}:{record.lineno}",
        }
        if record.name.partition(".")[0] == OURS:
            line["message"] = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            line["error"] = kind_and_place(record.exc_info[1])
        return json.dumps(line, ensure_ascii=False)


def log_as(form: str) -> None:
    """Write the log to standard error: "json" as `JsonLines`, "text" as Python does by itself."""
    if form == "json":
        handler = logging.StreamHandler()
        handler.setFormatter(JsonLines())
        logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
