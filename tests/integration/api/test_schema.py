"""Schemathesis against the real application: what it makes of the OpenAPI document finds no fault."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.internal_server import API_KEY, internal_server

CONFIG = Path(__file__).with_name("schemathesis.toml")


@pytest.mark.timeout(300)
def test_schemathesis_finds_no_violation(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    with internal_server(tmp_path) as url:
        result = subprocess.run(
            [
                program,
                f"--config-file={CONFIG}",
                "run",
                f"{url}/internal/v1/openapi.json",
                f"--header=Authorization: Bearer {API_KEY}",
                "--max-examples=20",
                "--seed=1",
                "--no-color",
            ],
            cwd=tmp_path,
            env=os.environ | {"NO_PROXY": "127.0.0.1"},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
    print(result.stdout[-6000:])
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    assert "Stateful" in result.stdout
