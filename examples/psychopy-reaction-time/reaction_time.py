"""Simple and choice reactions in PsychoPy: shows what the server says, and records each trial.

    python examples/psychopy-reaction-time/reaction_time.py --participant 1

`--no-window` runs the same loop without PsychoPy, with a participant who is not there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from experiment_server_client import Block, Client, StudyError

if "--no-window" in sys.argv:
    from no_window import core, event, visual
else:
    try:
        from psychopy import core, event, visual  # type: ignore[no-redef]
    except ImportError:
        sys.exit("PsychoPy is not installed: pip install psychopy, or try --no-window without it")

SIDES = {"left": (-0.4, 0.0), "centre": (0.0, 0.0), "right": (0.4, 0.0)}
QUIT = "escape"


class Task:
    """One participant in front of one window."""

    def __init__(self, window: Any) -> None:
        self.window = window
        self.clock = core.Clock()
        self.message = visual.TextStim(window, height=0.05, wrapWidth=1.2)
        self.cross = visual.TextStim(window, text="+", height=0.1)
        self.disc = visual.Circle(window, radius=0.08, fillColor="white", lineColor=None)

    def take_part(self, client: Client, participant: int | None) -> None:
        """From wherever the participant is to the end."""
        ok, state = client.get_state(participant)
        if not ok:
            raise StudyError(state["code"], state["message"])
        index = state["participant_index"]
        if state["block_id"] < 0:
            self.show("The study is about to begin.\n\nPress the space bar.")
            client.move_to_next(index, from_block=state)
        for block in client.blocks(index):
            config = block["config"]
            if config["kind"] == "reactions":
                self.show(f"{config['text']}\n\nPress the space bar to begin.")
                self.reactions(block)
            else:
                self.show(config["text"])
            # Not ok, if the experimenter has moved the participant: `blocks` has the other block.
            block.finish()
        while client.unsent:
            self.draw("Please wait: your answers are being sent.")
            self.pressed([])

    def show(self, text: str) -> None:
        """Show a text until the participant presses the space bar."""
        event.clearEvents()
        while not self.pressed(["space"]):
            self.draw(text)

    def draw(self, text: str) -> None:
        """Show a text for one frame."""
        self.message.text = text
        self.message.draw()
        self.window.flip()

    def reactions(self, block: Block) -> None:
        """Show the trials of a block, and record each one."""
        config = block["config"]
        self.disc.opacity = config["opacities"][config["contrast"]]
        for number, trial in enumerate(config["trials"][: config.get("at_most")], 1):
            key, seconds = self.reaction(config, trial)
            correct = key == config["keys"][trial["side"]]
            # The record is on the disk now; a thread sends it, so the next frame is not late.
            block.record({"trial": number, **trial, "key": key, "correct": correct, "rt": seconds})

    def reaction(self, config: Any, trial: Any) -> tuple[str | None, float | None]:
        """The key that was pressed and the seconds from the disc's first frame; None for a miss."""
        self.clock.reset()
        while self.clock.getTime() < trial["foreperiod"]:
            self.cross.draw()
            self.window.flip()
        event.clearEvents()
        self.disc.pos = SIDES[trial["side"]]
        self.window.callOnFlip(self.clock.reset)
        self.disc.draw()
        self.window.flip()
        while self.clock.getTime() < config["timeout"]:
            if pressed := self.pressed(list(config["keys"].values())):
                key, seconds = pressed[0]
                return key, round(seconds, 4)
            self.disc.draw()
            self.window.flip()
        return None, None

    def pressed(self, keys: list[str]) -> list[tuple[str, float]]:
        """The keys that were pressed, with their times; the escape key ends the program."""
        found = event.getKeys(keyList=[*keys, QUIT], timeStamped=self.clock)
        if any(key == QUIT for key, _ in found):
            raise KeyboardInterrupt
        return [(str(key), float(seconds)) for key, seconds in found]


def main() -> None:
    """Read the command line, and take part."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--url", default="http://127.0.0.1:5000", help="where the server is")
    parser.add_argument("--participant", type=int, help="whom to take part as")
    parser.add_argument("--token", help="what lets you in, where the server asks for it")
    parser.add_argument("--storage", type=Path, help="a folder for records that are not sent yet")
    parser.add_argument(
        "--no-window", action="store_true", help="without PsychoPy: to try the study"
    )
    given = parser.parse_args()
    window = None
    try:
        with Client(given.url, token=given.token, storage=given.storage) as client:
            window = visual.Window(fullscr=True, color="black", units="height")
            Task(window).take_part(client, given.participant)
    except StudyError as error:
        sys.exit(f"Not let in: {error}")
    except KeyboardInterrupt:
        pass  # what was recorded is sent now, or by the next start
    finally:
        if window is not None:
            window.close()


if __name__ == "__main__":
    main()
