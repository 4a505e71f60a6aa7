"""The dashboard under 5,000 participants and 200 changes a second, against an empty page.

Run with `make bench`. The page scrolls all the while; frames and long tasks are counted by the
browser itself (requestAnimationFrame, PerformanceObserver).
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

import aiohttp
from playwright.async_api import Page, async_playwright

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.conftest import server_running
from tests.e2e.conftest import FLAGS

PARTICIPANTS = 5_000
CHANGES_PER_SECOND = 200
SECONDS = 8
WANTED = 0.95

# Counts frames for so many milliseconds, while the page scrolls if it can.
COUNT = """(milliseconds) => new Promise((resolve) => {
  const times = [];
  let long = 0;
  const observer = new PerformanceObserver((list) => { long += list.getEntries().length; });
  observer.observe({ entryTypes: ["longtask"] });
  const begin = performance.now();
  const frame = (now) => {
    times.push(now);
    scrollBy(0, 24);
    if (now - begin < milliseconds) return requestAnimationFrame(frame);
    observer.disconnect();
    const gaps = times.slice(1).map((time, at) => time - times[at]).sort((a, b) => a - b);
    resolve({
      perSecond: gaps.length / ((times.at(-1) - times[0]) / 1000),
      p95: gaps[Math.floor(gaps.length * 0.95)],
      long,
    });
  };
  requestAnimationFrame(frame);
})"""


def main() -> None:
    """Print the ratios."""
    asyncio.run(measure())


async def measure() -> None:
    """An empty page, the dashboard at rest, and the dashboard with everybody moving."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.toml"
        study.write_text(
            "".join(f'[[blocks]]\nname = "block{n}"\nconfig = {{ a = {n} }}\n' for n in range(12)),
            encoding="utf-8",
        )
        with server_running(study, "--database", ":memory:") as server:
            async with aiohttp.ClientSession(server.url) as http, async_playwright() as playwright:
                await fill(http)
                browser = await playwright.chromium.launch(
                    executable_path=shutil.which("chromium"), args=list(FLAGS)
                )
                page = await browser.new_page(viewport={"width": 1280, "height": 800})
                empty = await page.evaluate(COUNT, 3000)
                await page.goto(server.url)
                await page.get_by_test_id("connection").get_by_text("live").wait_for()
                show("at rest", await page.evaluate(COUNT, SECONDS * 1000), empty)
                outcome, made = await under_load(page, http)
                show(f"{made / SECONDS:.0f} changes a second", outcome, empty)
                await browser.close()


async def fill(http: aiohttp.ClientSession) -> None:
    """Add everybody."""
    waiting = iter(range(2, PARTICIPANTS + 1))

    async def add() -> None:
        for index in waiting:
            async with http.put(f"/api/add-participant/{index}"):
                pass

    await asyncio.gather(*(add() for _ in range(32)))


async def under_load(page: Page, http: aiohttp.ClientSession) -> tuple[dict[str, float], int]:
    """Count frames while participants are moved; also how many were."""
    made = 0

    async def change() -> None:
        nonlocal made
        loop = asyncio.get_running_loop()
        begin = loop.time()
        while True:
            await asyncio.sleep(max(0, begin + made / CHANGES_PER_SECOND - loop.time()))
            index = made * 37 % PARTICIPANTS + 1
            async with http.post(f"/api/move-to-block/{index}/{made % 12}"):
                made += 1

    changing = asyncio.create_task(change())
    outcome: dict[str, float] = await page.evaluate(COUNT, SECONDS * 1000)
    changing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await changing
    return outcome, made


def show(name: str, outcome: dict[str, float], empty: dict[str, float]) -> None:
    """A line of the report."""
    ratio = outcome["perSecond"] / empty["perSecond"]
    print(
        f"dashboard, {PARTICIPANTS} participants, {name}: {outcome['perSecond']:.0f} frames a "
        "second, "
        f"{ratio:.2f} of an empty page's {empty['perSecond']:.0f} (wanted {WANTED}); 95 % within "
        f"{outcome['p95']:.0f} ms; {outcome['long']:.0f} tasks over 50 ms"
    )


if __name__ == "__main__":
    main()
