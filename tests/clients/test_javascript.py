"""What is the JavaScript client's own, beside the scenarios of all clients."""

import os
import shutil
import subprocess

import pytest

from tests.clients.conformance import replay
from tests.conftest import ROOT, need

JS = ROOT / "clients" / "js"

# The client asks once a second; two that poll would ask twice as often. Seconds.
LOOKS_FOR = 5


async def test_requests_that_fail_together_leave_one_that_polls(tmp_path, javascript):
    """A move and a poll that failed at once left two that poll, the next time four."""
    fails = [
        {"network": "held"},
        {"client": "goTo", "block_id": 0, "later": "move"},
        {"held": 2},
        {"network": "no-sockets"},
        {"answer": "move", "expect": {"block_name": "Welcome"}},
    ]
    steps = [
        {"network": "no-sockets"},
        {"client": "connect", "with": {"participant": 1}},
        {"hears": {"event": "connection", "to": "rest"}},
        *fails,
        *fails,
        {"asked": {"for": LOOKS_FOR, "most": LOOKS_FOR + 2}},
    ]
    await replay({"steps": steps}, tmp_path, *javascript)


def test_the_queue_of_records(javascript):
    node, _ = javascript
    files = [str(path) for path in sorted((JS / "test").glob("*.test.mjs"))]
    run = subprocess.run([node, "--test", *files], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("participant", ["7", "07"])
async def test_a_participant_is_taken_as_a_pages_address_has_it(tmp_path, javascript, participant):
    steps = [
        {"server": "add", "participant": 7},
        {
            "client": "connect",
            "with": {"participant": participant},
            "expect": {"participant_index": 7},
        },
    ]
    await replay({"steps": steps}, tmp_path, *javascript)


TYPED_APP = """
import { connect } from "experiment-server-client";
import { recordTrials } from "experiment-server-client/jspsych";
import { useBlock, useUnsent } from "experiment-server-client/react";

const study = await connect({ participant: 1 });
export const record: (trial: object) => void = recordTrials(study.snapshot, { table: "flanker" });
export const name = (): string => useBlock(study).block_name;
export const joined = (): string | undefined => useBlock(null)?.block_name;
export const unsent = (): number => useUnsent(study);
// @ts-expect-error: there may be no study yet.
export const wrong = (): string => useBlock(null).block_name;
"""


def test_the_package_of_a_clean_copy_has_its_code(tmp_path, node):
    """As who clones the repository packs it: nothing is installed or built there."""
    copy, app = tmp_path / "clone", tmp_path / "app"
    ignored = shutil.ignore_patterns("node_modules", "dist")
    shutil.copytree(JS, copy, ignore=ignored)
    app.mkdir()
    (app / "package.json").write_text('{"type": "module"}', encoding="utf-8")

    # What it needs was fetched when the tests were installed; a slow registry holds up nobody.
    environment = {**os.environ, "npm_config_prefer_offline": "true"}

    def npm(folder, *arguments):
        command = [need(shutil.which("npm"), "npm"), *arguments]
        run = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout + run.stderr
        return run.stdout

    npm(copy, "pack", "--pack-destination", str(app))
    (packed,) = app.glob("*.tgz")
    npm(app, "install", "--no-fund", "--no-audit", f"./{packed.name}")
    program = (
        'import { connect, StudyError } from "experiment-server-client";'
        'import { recordTrials } from "experiment-server-client/jspsych";'
        'const refused = await connect({ url: "localhost:5000" }).catch((error) => error);'
        "console.log(refused instanceof StudyError, refused.code, typeof recordTrials);"
    )
    said = subprocess.run(
        [node, "--input-type=module", "--eval", program],
        cwd=app,
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "true address-invalid function\n", said.stderr
    installed = app / "node_modules" / "experiment-server-client"
    files = {path.relative_to(installed).as_posix() for path in installed.rglob("*")}
    assert {"dist/index.d.ts", "README.md", "LICENSE"} <= files
    assert not any(file.startswith("src/") for file in files)
    # React and jsPsych are not fetched for those who do without.
    assert not any((app / "node_modules" / name).exists() for name in ("react", "jspsych"))

    (app / "app.ts").write_text(TYPED_APP, encoding="utf-8")
    for resolution in ("bundler", "nodenext"):
        module = "esnext" if resolution == "bundler" else resolution
        options = ["--module", module, "--moduleResolution", resolution, "--target", "es2022"]
        compiler = copy / "node_modules" / "typescript" / "bin" / "tsc"
        checked = subprocess.run(
            [node, compiler, "--noEmit", "--strict", *options, "app.ts"],
            cwd=app,
            capture_output=True,
            text=True,
            check=False,
        )
        assert checked.returncode == 0, checked.stdout
