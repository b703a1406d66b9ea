"""The README's tour, as it stands there: a command in it that fails, fails the build."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from tests.harness.stack import PASSWORD, Stack

README = Path(__file__).parents[2] / "README.md"
DEFAULTS = "INTAKE=http://127.0.0.1:8000 BOARD=http://127.0.0.1:8001"


def tour() -> str:
    blocks = re.findall(r"<!-- tour -->\n```sh\n(.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert len(blocks) >= 5
    return "set -eu\n" + "\n".join(blocks)


def test_five_minutes_with_curl(stack: Stack, tmp_path: Path) -> None:
    script = tour()
    assert DEFAULTS in script
    script = script.replace(DEFAULTS, f"INTAKE={stack.url('intake')} BOARD={stack.url('board')}")
    ended = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert '"verifier_is_handler"' in ended.stdout
    assert '"status":"closed"' in ended.stdout.replace(" ", "").splitlines()[-1]
    assert not list(tmp_path.iterdir())
