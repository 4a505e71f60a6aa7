"""Configs read and durable moves a second over 64 connections, as shares of what aiohttp can do.

Run with `make bench`. Each server is a process of its own; they take turns under the same load,
which wrk makes. A figure is the median of the rounds' ratios.
"""

from __future__ import annotations

import contextlib
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from urllib.request import urlopen

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.participants import STUDY, fill
from tests.benchmarks.references import reference
from tests.conftest import server_running

CONNECTIONS = 64
SECONDS = 2
ROUNDS = 3
SCRIPT = Path(__file__).with_name("wrk.lua")

# Shares of what aiohttp alone does.
WANTED = {("read", "full"): 0.60, ("move", "fast"): 0.25, ("move", "full"): 0.20}


def main() -> int:
    """Print the shares; 2 without wrk."""
    wrk = shutil.which("wrk")
    if wrk is None:
        print("wrk makes the load, and is not here; apt install wrk, or brew install wrk")
        return 2
    rates: dict[tuple[str, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        study = Path(folder) / "study.toml"
        study.write_text(STUDY, encoding="utf-8")
        _, port, loop = stack.enter_context(reference("aiohttp"))
        urls = {"aiohttp": f"http://127.0.0.1:{port}"}
        for name, options in {
            "memory": ["--database", ":memory:"],
            "fast": ["--database", f"{folder}/fast.db", "--durability", "fast"],
            "full": ["--database", f"{folder}/full.db", "--durability", "full"],
        }.items():
            urls[name] = stack.enter_context(server_running(study, *options)).url
            fill(int(urls[name].rpartition(":")[2]), 1, CONNECTIONS)
        for _ in range(ROUNDS):
            for name, url in urls.items():
                for kind in ("read", "move"):
                    if kind == "move" or name in ("aiohttp", "full"):
                        rate = load(wrk, url, kind, counted=name != "aiohttp")
                        rates.setdefault((kind, name), []).append(rate)
        # Nothing else that was started has ended yet.
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = (used.ru_utime + used.ru_stime) / (SECONDS * sum(map(len, rates.values())))
    print(f"{CONNECTIONS} connections, the loop of aiohttp alone is {loop}; requests a second")
    for (kind, name), rounds in rates.items():
        share = median(a / b for a, b in zip(rounds, rates[kind, "aiohttp"], strict=True))
        wanted = WANTED.get((kind, name))
        aim = f"   at least {wanted:.2f}: {'ok' if share >= wanted else 'MISSED'}" if wanted else ""
        what = "GET config" if kind == "read" else "move-to-block"
        print(f"  {what:<14} {name:<8}{median(rounds):8.0f}   {share:5.3f} of aiohttp{aim}")
    print(f"  wrk itself took at most {spent:.0%} of one processor")
    return 0


def load(wrk: str, url: str, kind: str, *, counted: bool) -> float:
    """Requests a second that a server answered.

    Raises RuntimeError if it refused any, or, where its changes are `counted`, if an answered move
    did not become one.
    """
    before = changes(url) if counted else 0
    command = [wrk, "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "-s", str(SCRIPT), url, "--"]
    ran = subprocess.run(
        [*command, kind, str(CONNECTIONS)], check=True, capture_output=True, text=True
    )
    told = json.loads(ran.stdout.splitlines()[-1])
    if told["failed"]:
        raise RuntimeError(f"{told['failed']} requests to {url} failed:\n{ran.stdout}")
    if counted and kind == "move" and changes(url) - before < told["requests"]:
        raise RuntimeError(f"{url} answered moves that it did not make")
    return float(told["requests"]) / float(told["microseconds"]) * 1e6


def changes(url: str) -> int:
    """How many changes a server of ours has made to its participants."""
    with urlopen(f"{url}/api/participants", timeout=60) as response:
        return sum(row["revision"] for row in json.load(response))


if __name__ == "__main__":
    sys.exit(main())
