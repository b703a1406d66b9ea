"""The bench runs: its bare loops write the same tables as the router, which change with it."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from services.adapters.settings import PROJECT

SMALL = ("--only", "router", "--rounds", "1", "--reports", "2000")


@pytest.mark.long
@pytest.mark.timeout(240)
def test_bench_quick_measures_the_router_beside_its_bare_limits() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench.quick", *SMALL],
        cwd=PROJECT,
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=230,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for measured in ("router reports/s, by changed_at", "… beside the bare loop without locks"):
        assert re.search(rf"│ {measured}.*\d", ran.stdout), ran.stdout
