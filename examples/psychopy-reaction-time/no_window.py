"""The parts of PsychoPy that reaction_time.py uses, without a window, and a participant who reacts.

A frame takes no time here: clocks count frames. For each disc, a line of JSON on standard output
says what was on the screen, and what the participant did; the test compares the results with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import ClassVar

FRAMES_A_SECOND = 60

# The frames after which the participant presses the key of each disc, in turns; None is a miss.
REACTION_FRAMES = (18, 23, 20, 31, None, 21)
# One disc in so many is answered with another key.
WRONG_EVERY = 9

Pressed = list[tuple[str, float]]


class _Now:
    """The frame that is shown, and the keys that were pressed and not read yet."""

    frame: ClassVar[int] = 0
    keys: ClassVar[Pressed] = []


class Clock:
    """Seconds since its last reset."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self._began = _Now.frame

    def getTime(self) -> float:  # noqa: N802
        return (_Now.frame - self._began) / FRAMES_A_SECOND


class Window:
    """What is drawn until a flip is on the screen from then on; the participant looks at it."""

    def __init__(self, **_: object) -> None:
        self._drawn: list[_Stimulus] = []
        self._calls: list[Callable[[], None]] = []
        self._disc: Circle | None = None
        self._discs = 0
        self._press: tuple[int, str] | None = None

    def draw(self, stimulus: _Stimulus) -> None:
        self._drawn.append(stimulus)

    def callOnFlip(self, call: Callable[[], None]) -> None:  # noqa: N802
        self._calls.append(call)

    def flip(self) -> None:
        _Now.frame += 1
        for call in self._calls:
            call()
        self._look()
        if self._press is not None and self._press[0] == _Now.frame:
            _Now.keys.append((self._press[1], _Now.frame))
        self._drawn, self._calls = [], []

    def close(self) -> None:
        pass

    def _look(self) -> None:
        texts = [one for one in self._drawn if isinstance(one, TextStim)]
        if any("Press" in text.text for text in texts):
            self._press = (_Now.frame, "space")
        disc = next((one for one in self._drawn if isinstance(one, Circle)), None)
        if disc is not None and self._disc is None:
            self._see(disc)
        self._disc = disc

    def _see(self, disc: Circle) -> None:
        after = REACTION_FRAMES[self._discs % len(REACTION_FRAMES)]
        self._discs += 1
        key = "space" if disc.pos[0] == 0 else ("left" if disc.pos[0] < 0 else "right")
        if self._discs % WRONG_EVERY == 0:
            key = {"space": "space", "left": "right", "right": "left"}[key]
        self._press = None if after is None else (_Now.frame + after, key)
        seen = {
            "x": disc.pos[0],
            "opacity": disc.opacity,
            "key": None if after is None else key,
            "rt": None if after is None else after / FRAMES_A_SECOND,
        }
        print(json.dumps(seen), flush=True)


class _Stimulus:
    def __init__(self, win: Window) -> None:
        self._win = win

    def draw(self) -> None:
        self._win.draw(self)


class TextStim(_Stimulus):
    """A text."""

    def __init__(self, win: Window, text: str = "", **_: object) -> None:
        super().__init__(win)
        self.text = text


class Circle(_Stimulus):
    """A disc."""

    def __init__(self, win: Window, **_: object) -> None:
        super().__init__(win)
        self.pos = (0.0, 0.0)
        self.opacity = 1.0


def clear_events() -> None:
    """Forget the keys that were pressed."""
    _Now.keys.clear()


def get_keys(keyList: list[str], timeStamped: Clock) -> Pressed:  # noqa: N803
    """The keys that were pressed, with their times by a clock."""
    ago = timeStamped.getTime() * FRAMES_A_SECOND - _Now.frame
    found = [(key, (frame + ago) / FRAMES_A_SECOND) for key, frame in _Now.keys if key in keyList]
    _Now.keys.clear()
    return found


core = SimpleNamespace(Clock=Clock)
event = SimpleNamespace(clearEvents=clear_events, getKeys=get_keys)
visual = SimpleNamespace(Window=Window, TextStim=TextStim, Circle=Circle)
