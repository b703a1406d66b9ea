"""stack → the whole house with the sample city, once for all journeys that do not move the clock."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.harness.stack import Stack, keep_logs, running_stack


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Iterator[Stack]:
    failed_before = request.session.testsfailed
    with running_stack("journey") as running:
        yield running
        if request.session.testsfailed > failed_before:
            said = keep_logs(running.console, "journey")
            request.config.get_terminal_writer().line(f"\nthe stack of the journeys said last:\n{said}")
