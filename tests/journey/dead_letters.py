"""Messages by hand, as the contract of the topics says, and the console's dead letters as people use them."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime

from services.adapters.settings import PROJECT
from tests.harness.stack import Stack
from tests.harness.topics import Record, Sent


def report(report_id: str, hub_code: str) -> Sent:
    """A report without anything personal, so that nothing needs sealing."""
    now = datetime.now(UTC).isoformat()
    body = {
        "report_id": report_id,
        "received_at": now,
        "channel": "resident",
        "category": "illegal_ads",
        "hub_code": hub_code,
    }
    return "reports", report_id.encode(), _headers("submit_report", report_id, now), json.dumps(body).encode()


def dead_letter(of: Sent, place: tuple[int, int]) -> Sent:
    """What a router of yesterday wrote about a message that today's can read."""
    topic, key, headers, value = of
    partition, offset = place
    now = datetime.now(UTC).isoformat()
    letter = {
        "id": f"{topic}-{partition}-{offset}",
        "topic": topic,
        "partition": partition,
        "offset": offset,
        "key": None if key is None else _text(key),
        "headers": [[name, _text(part)] for name, part in headers],
        "value": _text(value or b""),
        "kind": "message",
        "reason": "ce_type: unknown to the version of that day",
        "died_at": now,
    }
    name = str(letter["id"])
    return "dead-letters", name.encode(), _headers("dead_letter", name, now), json.dumps(letter).encode()


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _headers(kind: str, name: str, at: str) -> list[tuple[str, bytes]]:
    return [
        ("content-type", b"application/json"),
        ("ce_specversion", b"1.0"),
        ("ce_type", f"pioneer.{kind}.v1".encode()),
        ("ce_source", b"/pioneer/tests"),
        ("ce_id", name.encode()),
        ("ce_time", at.encode()),
    ]


def new_id() -> str:
    return str(uuid.uuid4())


def same_message(record: Record, sent: Sent) -> bool:
    """Key, headers and value, byte for byte."""
    return (record.key, record.headers, record.value) == (sent[1], dict(sent[2]), sent[3])


def console(stack: Stack, *arguments: str) -> str:
    """`console dead-letters …` in a second terminal: it finds the running stack by its folder."""
    ended = _run(stack, arguments)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def console_refuses(stack: Stack, *arguments: str) -> str:
    ended = _run(stack, arguments)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    return ended.stderr


def _run(stack: Stack, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "services.console", "dead-letters", *arguments],
        cwd=PROJECT,
        env=stack.console.environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
