"""Taking part in the Stroop task, in a real terminal."""

import contextlib
import itertools
import os
import re
import select
import shutil
import struct
import subprocess
import sys
from collections import Counter

import pytest

from experiment_server import Client
from tests.conftest import ROOT, server_running
from tests.examples.conftest import tables, trials_by_block

STROOP = ROOT / "examples" / "stroop-terminal"
INK = re.compile(r"\x1b\[1;3(\d)m([A-Z]+)\x1b\[0m")
KEYS = {"1": "r", "2": "g", "4": "b", "3": "y"}  # the colours of a terminal


@pytest.fixture
def server(tmp_path):
    """The study, with a cross that is shown for no longer than a moment."""
    text = (STROOP / "experiment.toml").read_text(encoding="utf-8")
    study = tmp_path / "experiment.toml"
    study.write_text(text.replace("FIXATION = 0.5", "FIXATION = 0.001"), encoding="utf-8")
    shutil.copy(STROOP / "stimuli.csv", tmp_path)
    with server_running(study) as running:
        yield running


@contextlib.contextmanager
def terminal(url, storage):
    """The program in a terminal: what reads from it, and what presses keys."""
    termios = pytest.importorskip("termios", reason="terminals of this kind are POSIX's")
    import fcntl
    import pty

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    command = [sys.executable, STROOP / "stroop.py", "--url", url, "--storage", storage]
    with subprocess.Popen(
        [*command, "--participant", "1"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={**os.environ, "TERM": "xterm-256color", "NO_COLOR": ""},
    ) as program:
        os.close(theirs)
        yield program, ours
        os.close(ours)


def read(terminal):
    """What comes next; it has to come."""
    assert select.select([terminal], [], [], 20)[0], "the program shows nothing more"
    return os.read(terminal, 65536)


def screens(terminal):
    """What the terminal shows, each time that the program clears it."""
    shown = ""
    with contextlib.suppress(OSError):  # the program has closed its end
        while data := read(terminal):
            *whole, shown = (shown + data.decode("utf-8", "replace")).split("\x1b[2J")
            yield from whole
            # The last line of a screen comes after its frame.
            if shown.rstrip().endswith("\u256f"):
                yield shown
                shown = ""


def has_a_word(shown):
    """Whether a screen shows a word in some ink."""
    return bool(INK.search(shown))


def test_a_participant_answers_every_word(server, tmp_path):
    words = 0
    with terminal(server.url, tmp_path / "unsent") as (program, screen):
        for shown in screens(screen):
            if "press any key" in shown:
                os.write(screen, b" ")
            elif found := INK.search(shown):
                words += 1
                os.write(screen, KEYS[found[1]].encode())
            elif "The study is over" in shown:
                break
        assert program.wait(10) == 0, program.stderr.read()
    assert words == 8 + 3 * 24
    blocks = trials_by_block(server.url)
    assert {name: len(trials) for name, trials in blocks.items()} == {
        "practice": 8, "neutral": 24, "congruent": 24, "incongruent": 24,
    }  # fmt: skip
    trials = [trial for block in blocks.values() for trial in block]
    assert all(trial["correct"] is True and trial["rt_ms"] > 0 for trial in trials)
    for block, pairs, often in (("neutral", 4, 6), ("congruent", 4, 6), ("incongruent", 12, 2)):
        shown = [(trial["word"], trial["ink"]) for trial in blocks[block]]
        assert sorted(Counter(shown).values()) == [often] * pairs
        assert all(before != after for before, after in itertools.pairwise(shown))
    same = {
        name for name, block in blocks.items() if any(one["word"] == one["ink"] for one in block)
    }
    assert same == {"congruent"}
    host, _, port = server.url.removeprefix("http://").partition(":")
    assert Client(host, port).get_state(participant_index=1)[1]["block_name"] == "END"


def test_the_experimenter_can_step_in_and_the_clock_can_run_out(server, tmp_path):
    host, _, port = server.url.removeprefix("http://").partition(":")
    rest = Client(host, port)
    with terminal(server.url, tmp_path / "unsent") as (program, screen):
        seen = []
        for shown in screens(screen):
            seen.append(shown)
            if "about to begin" in shown:
                rest.move_to_block(1)
            elif "Practice" in shown:
                os.write(screen, b" ")
            elif INK.search(shown):
                # First the same part anew, and then another one.
                rest.move_to_block(1 if sum(map(has_a_word, seen)) == 1 else 5)
            elif "Thank you" in shown:
                os.write(screen, b"x")
            elif "The study is over" in shown:
                break
        assert program.wait(10) == 0, program.stderr.read()
    assert sum(map(has_a_word, seen)) == 2, "a word each time, not answered"
    assert sum("Practice" in shown for shown in seen) == 2
    assert tables(server.url) == {}


def test_who_is_unknown_is_told_so(server, tmp_path):
    done = subprocess.run(
        [sys.executable, STROOP / "stroop.py", "--url", server.url, "--participant", "99"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "participant 99" in done.stderr
    assert "Traceback" not in done.stderr
