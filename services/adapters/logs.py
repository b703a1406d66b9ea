"""Logs: structlog lines on standard output, JSON for machines (LOG_FORMAT=json) or readable for people.

Rules: every line has an `action`, which is the first argument: `log.info("report_accepted", report_id=…)`.
Lines of libraries (uvicorn, faust, kafka) come through the same door from WARNING up, action `library`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog
from structlog.typing import Processor

from services.adapters.settings import Settings


def configure(room: str, settings: Settings, *, stream: TextIO | None = None) -> None:
    """Once per process, before the first line; `room` stands in every line."""
    stream = stream or sys.stdout
    as_json = settings.log_format == "json"

    def in_this_room(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        line.setdefault("room", room)
        return line

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if as_json else "%H:%M:%S", utc=as_json),
    ]
    if as_json:
        shared.append(in_this_room)
    rendering: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if as_json:
        rendering.append(structlog.processors.format_exc_info)
        rendering.append(structlog.processors.JSONRenderer(ensure_ascii=False))
    else:
        coloured = stream.isatty()
        rendering.append(
            structlog.dev.ConsoleRenderer(
                event_key="action",
                colors=coloured,
                pad_event_to=24,
                # The default prints local variables: words and telephone numbers of people.
                exception_formatter=structlog.dev.plain_traceback,
            )
        )

    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=[*shared, _library_line], processors=rendering)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    ours = logging.getLogger("pioneer")
    ours.setLevel(settings.log_level)
    for library in ("uvicorn", "uvicorn.access", "uvicorn.error"):
        logging.getLogger(library).handlers[:] = []
        logging.getLogger(library).propagate = True

    structlog.configure(
        processors=[*shared, structlog.processors.EventRenamer("action"), _for_formatter],
        logger_factory=_one_logger,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.log_level)),
        cache_logger_on_first_use=True,
    )


def _one_logger(*_args: object) -> logging.Logger:
    return logging.getLogger("pioneer")


def _for_formatter(logger: Any, name: str, line: MutableMapping[str, Any]) -> Any:
    return structlog.stdlib.ProcessorFormatter.wrap_for_formatter(logger, name, line)


def _library_line(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord | None = line.get("_record")
    line["message"] = line.pop("event")
    line["action"] = "library"
    if record is not None:
        line["logger"] = record.name
        if record.exc_info:
            line["exc_info"] = record.exc_info
    return line
