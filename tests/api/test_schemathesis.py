"""Every operation of the OpenAPI document, asked by a machine that reads the document and nothing else.

It knows no mercy: examples, the edges of every schema and what lies beyond them, and walks along the links. No answer
may be a 500 or one that the document does not list; each fits its schema, and what the document forbids is refused.
`make fuzz` does the same for longer, and never twice alike.
"""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.api.process import GatewayProcess
from tests.fixtures.simulators import FreshSite, SimulatorServer

EXAMPLES = os.environ.get("FUZZ_EXAMPLES")
SETTINGS = Path(__file__).with_name("schemathesis.toml")
VENDORS = ("bridge", "qloapps")
PATIENCE = 7_200 if EXAMPLES else 110

pytestmark = pytest.mark.timeout(PATIENCE + 5)


async def schemathesis(url: str, *arguments: str, folder: Path) -> tuple[int, str]:
    """Run it; gives its status and all that it said."""
    pace = ["--max-examples", EXAMPLES] if EXAMPLES else ["--max-examples", "2", "--generation-deterministic"]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "--config-file",
        str(SETTINGS),
        "run",
        f"{url}/openapi.json",
        "--no-color",
        *pace,
        *arguments,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, said.decode()


async def test_every_answer_to_whoever_has_a_key_is_one_that_the_document_promises(
    gateway_process: GatewayProcess, simulators: SimulatorServer, fresh_site: FreshSite, tmp_path: Path
) -> None:
    client = await gateway_process.client()
    for vendor in VENDORS:
        body = dict(simulators.registration(fresh_site(vendor)).body)
        assert (await client("PUT", f"/v1/hotels/fuzz-{vendor}", json=body)).status_code == 201
    key = ("--header", f"Authorization: Bearer {client.token}")
    status, said = await schemathesis(gateway_process.url, *key, folder=tmp_path)
    assert status == 0, said
    assert re.search(r"Selected: (\d+)/\1\n +Tested: \1\n", said), said
    assert b"request.crashed" not in gateway_process.log()


async def test_whoever_has_no_key_is_told_so_and_nothing_else(gateway_process: GatewayProcess, tmp_path: Path) -> None:
    status, said = await schemathesis(gateway_process.url, "--phases", "examples,fuzzing", folder=tmp_path)
    assert status == 0, said
    assert b"request.crashed" not in gateway_process.log()
    lines = [line for line in gateway_process.log().splitlines() if b'"request.finished"' in line and b"/v1/" in line]
    assert len(lines) > 50
    assert not [line for line in lines if b'"status":2' in line], "not one was let in"
