"""The engine and the command line against the predecessor, in one run on one machine.

    make bench

Prints figures and ratios, and fails if a ratio is worse than its bound. Processor time is compared,
not wall time, and the best of several rounds, the two programs in turn.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import permutations
from pathlib import Path

from experiment_server.study.expand import expand
from experiment_server.study.model import Study
from experiment_server.study.parse import parse
from tests.studies import SIZES, TECHNIQUES, of_techniques

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / "tests" / "benchmarks" / "classic_study.toml"
PREDECESSOR = ROOT / ".venv-predecessor" / "bin" / "experiment-server"
OURS = [sys.executable, "-m", "experiment_server"]
ROUNDS = 5

# Neither program may find the other's package by a path of this environment.
CLEAN = {"PATH": os.environ.get("PATH", os.defpath)}

# Expanding 1,000 participants takes at most this share of the predecessor's time, starting with
# --help at most this share, and the memory of a hundred times longer run grows at most by this.
EXPANSION_AT_MOST = 1 / 40
HELP_AT_MOST = 1 / 2
MEMORY_AT_MOST = 1.1

# Through `generate`, each participant takes at most so many microseconds, written as JSON.
GENERATED_AT_MOST = 20.0
GENERATED = 20_000

# A tree takes at most this share of its orders written out by hand as a table of groups.
TREE_AT_MOST = 1.5


def process_seconds(command: Sequence[str | Path]) -> float:
    """The processor time, user and system, of a whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=CLEAN
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def own_seconds(work: Callable[[], object]) -> float:
    """The processor time of some work in this process."""
    before = time.process_time()
    work()
    return time.process_time() - before


def tree_and_table() -> tuple[Study, Study]:
    """The commonest design as a tree, and the same written out for each participant of a cycle."""
    rows = []
    for number, techniques in enumerate(permutations(TECHNIQUES), start=1):
        groups = [["welcome"]]
        for technique in techniques:
            sizes = [f"select-{technique}-{size}" for size in SIZES]
            groups += [[f"practice-{technique}"], sizes, [f"tlx-{technique}"]]
        rows.append(f"{number} = {json.dumps([*groups, ['debriefing']])}")
    table = "[configuration.order]\n" + "\n".join(rows)
    texts = (of_techniques(), of_techniques(table, 'within_groups_strategy = "randomize"'))
    tree, written_out = (parse(text).require() for text in texts)
    return tree, written_out


def expand_all(study: Study) -> None:
    """Expand 1,000 participants and keep none, as `generate` does."""
    for participant_index in range(1, 1001):
        expand(study, participant_index)


def generate_microseconds() -> float:
    """The processor time that `generate` takes for each participant more."""
    generate: list[str | Path] = [*OURS, "generate", SAMPLE, "-r"]
    many, one = (process_seconds([*generate, str(count)]) for count in (GENERATED + 1, 1))
    return (many - one) / GENERATED * 1e6


def peak_memory(*arguments: str | Path) -> float:
    """The largest resident size of a run of ours, in MB."""
    program = (
        "import resource, subprocess, sys;"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    command = [sys.executable, "-c", program, *OURS, *map(str, arguments)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True)
    return int(printed.stdout) / 1024


def main() -> int:
    """Run all benchmarks; 1 if a bound is broken."""
    study = parse(SAMPLE.read_text(encoding="utf-8")).require()
    tree, table = tree_and_table()
    trees: list[float] = []
    tables: list[float] = []
    theirs: list[float] = []
    ours: list[float] = []
    their_help: list[float] = []
    our_help: list[float] = []
    generated: list[float] = []
    for _ in range(ROUNDS):
        generate: list[str | Path] = [PREDECESSOR, "generate", SAMPLE, "-r"]
        many = process_seconds([*generate, "1000"])
        theirs.append(many - process_seconds([*generate, "1"]))
        # It takes a fiftieth of theirs, so a hiccup of the machine weighs fifty times as much.
        ours.extend(own_seconds(partial(expand_all, study)) for _ in range(ROUNDS))
        trees.append(own_seconds(partial(expand_all, tree)))
        tables.append(own_seconds(partial(expand_all, table)))
        generated.append(generate_microseconds())
        their_help.append(process_seconds([PREDECESSOR, "--help"]))
        our_help.append(process_seconds([*OURS, "--help"]))
    short, long = (peak_memory("generate", SAMPLE, "-r", count) for count in ("1000", "100000"))
    results = [
        ("1,000 participants, s of 0.3.9", min(ours), min(theirs), EXPANSION_AT_MOST),
        ("1,000 of a tree, s of its table", min(trees), min(tables), TREE_AT_MOST),
        ("a participant by generate, us of 1", min(generated), 1, GENERATED_AT_MOST),
        ("--help, s of 0.3.9", min(our_help), min(their_help), HELP_AT_MOST),
        ("generate -r 100000, MB of -r 1000", long, short, MEMORY_AT_MOST),
    ]
    broken = 0
    for name, value, reference, bound in results:
        ratio = value / reference
        broken += ratio > bound
        verdict = "ok" if ratio <= bound else "TOO MUCH"
        print(
            f"{name:36} {value:9.4f} / {reference:9.4f} = {ratio:7.4f}"
            f"  (at most {bound:.4f})  {verdict}"
        )
    print(json.dumps({name: value / reference for name, value, reference, _ in results}))
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
