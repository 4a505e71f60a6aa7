"""The API description says what the server does, and the server does nothing else."""

import aiohttp
import msgpack
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from experiment_server.server.openapi import description
from experiment_server.session.session import OPERATIONS
from tests.conftest import SMALL_STUDY, server_running
from tests.waiting import PATIENCE

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@schemathesis.serializer("application/msgpack")
def as_msgpack(_context, value):
    """Bodies in MessagePack; what it cannot hold is garbage."""
    try:
        return msgpack.packb(value)
    except (OverflowError, ValueError, TypeError):
        return b"\xc1"


SCHEMA = schemathesis.openapi.from_dict(description()).exclude(operation_id="shutdown")


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    study = tmp_path_factory.mktemp("openapi") / "study.toml"
    study.write_text(SMALL_STUDY, encoding="utf-8")
    with server_running(study, "--database", ":memory:") as server:
        yield server.url
        server.process.terminate()
        server.process.communicate(timeout=PATIENCE)
        assert "Traceback" not in server.errors


@SCHEMA.parametrize()
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_answers_are_as_described(case, address):
    case.call_and_validate(base_url=address, checks=CHECKS)


async def test_the_server_gives_it_with_every_operation(http):
    async with http.get("/api/openapi.json") as response:
        described = await response.json()
    assert described == description()
    ids = {
        item["operationId"].partition(" ")[0].partition(".")[0]
        for path in described["paths"].values()
        for item in path.values()
    }
    assert ids == {*OPERATIONS, "uxf", "upload-file", "download-file"}


async def test_a_program_finds_its_errors_in_it(http: aiohttp.ClientSession):
    responses = description()["paths"]["/api/move-to-block/{participant_index}/{block_id}"]["post"]
    async with http.post("/api/move-to-block/1/99") as response:
        status, code = str(response.status), (await response.json())["code"]
    assert f"`{code}`" in responses["responses"][status]["description"]
