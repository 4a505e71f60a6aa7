"""The orders of the designs, from the rules of their papers; nothing here is the engine's.

`python tests/unit/designs/rules.py` writes them beside the designs. What is drawn at random comes
from Python's own generator and shuffle, as the language defines it: one generator for each
participant, seeded with the study's seed plus their number, and a group's own shuffle before those
inside it.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

Orders = list[list[str]]
FOLDER = Path(__file__).parent


def williams() -> Orders:
    """The first row goes 1, 2, n, 3, n-1, 4; each row is one on from the row above."""
    rows = ["abfced", "bcadfe", "cdbeaf", "decfba", "efdacb", "faebdc"]
    return [[f"{kind}-{treatment}" for treatment in row for kind in ("practice", "task")]
            for row in rows]  # fmt: skip


def cochran() -> Orders:
    """A row of the square, then the same row backwards; three rows."""
    a, b, c = "roughage", "limited-grain", "full-grain"
    return [[a, b, c], [c, b, a], [b, c, a], [a, c, b], [c, a, b], [b, a, c]] * 3


def yates() -> Orders:
    """Varieties shuffled in each block; then, variety by variety, their nitrogen."""

    def block(number: int) -> Iterator[str]:
        generator = random.Random(1935 + number)
        varieties = ["golden-rain", "marvellous", "victory"]
        generator.shuffle(varieties)
        for variety in varieties:
            amounts = ["0.0", "0.2", "0.4", "0.6"]
            generator.shuffle(amounts)
            yield from (f"{variety}-{amount}" for amount in amounts)

    return [list(block(number)) for number in range(1, 7)]


def solomon() -> Orders:
    """The four groups in turn, twice."""
    groups = ["pretest treatment", "pretest no-treatment", "treatment", "no-treatment"]
    return [[*group.split(), "posttest"] for group in groups] * 2


def loftus() -> Orders:
    """Five groups of nine, in turn."""
    verbs = ["smashed", "collided", "bumped", "hit", "contacted"]
    return [["films", f"estimate-{verb}"] for verb in verbs] * 9


def roediger() -> Orders:
    """For three people after another, one of each interval: the same passages and order."""
    halves = [
        "study-sun test-sun study-otters restudy-otters",
        "study-otters test-otters study-sun restudy-sun",
        "study-otters restudy-otters study-sun test-sun",
        "study-sun restudy-sun study-otters test-otters",
    ]
    intervals = ["5-minutes", "2-days", "1-week"]
    return [[*half.split(), f"final-{interval}"] for half in halves for interval in intervals]


def sahakyan() -> Orders:
    """Three people after another, one with each instruction, have the same list first."""
    return [
        [f"study-{first}", instruction, f"study-{second}", "recall"]
        for first, second in ("AB", "BA")
        for instruction in ("forget", "remember", "change-context")
    ]


def kandogan() -> Orders:
    """The four groups in turn, three times."""
    return [
        ["elastic-1", "overlapping-2"],
        ["elastic-2", "overlapping-1"],
        ["overlapping-2", "elastic-1"],
        ["overlapping-1", "elastic-2"],
    ] * 3


def mackenzie() -> Orders:
    """The devices' square twice; the second time with the sizes the other way round."""
    m, t, j, p = "mouse", "trackball", "joystick", "touchpad"
    square = [[m, t, p, j], [t, j, m, p], [j, p, t, m], [p, m, j, t]]

    def order(devices: list[str], sizes: list[str]) -> Iterator[str]:
        for device in devices:
            yield f"practice-{device}"
            yield from (f"point-{device}-{size}" for size in sizes)

    return [
        list(order(devices, sizes))
        for sizes in (["small", "large"], ["large", "small"])
        for devices in square
    ]


def youden() -> Orders:
    """Of each row of the square its first four, and its last four backwards."""
    rows = ["abgcfde", "bcadgef", "cdbeafg", "decfbga", "efdgcab", "fgeadbc", "gafbecd"]
    return [list(part) for row in rows for part in (row[:4], row[::-1][:4])]


RULES: dict[str, Callable[[], Orders]] = {
    "williams-1949": williams,
    "cochran-autrey-cannon-1941": cochran,
    "yates-1935": yates,
    "solomon-1949": solomon,
    "loftus-palmer-1974": loftus,
    "roediger-karpicke-2006": roediger,
    "sahakyan-kelley-2002": sahakyan,
    "kandogan-shneiderman-1997": kandogan,
    "mackenzie-kauppinen-silfverberg-2001": mackenzie,
    "youden-1937": youden,
}


def written(orders: Orders) -> str:
    """The orders as the files have them: participant by participant, a line each."""
    lines = (f'  "{number}": {json.dumps(order)}' for number, order in enumerate(orders, 1))
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    for name, rule in RULES.items():
        (FOLDER / f"{name}.expected.json").write_text(written(rule()), encoding="utf-8")
