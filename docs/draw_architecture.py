"""Draws the imports between packages into docs/architecture.md.

`python docs/draw_architecture.py` writes the drawing anew; tests/unit/test_architecture.py fails
while the page has another one.
"""

from __future__ import annotations

import re
from pathlib import Path

import grimp

PACKAGES = ("experiment_server", "experiment_server_client")
PAGE = Path(__file__).with_name("architecture.md")

# The drawing is between these two lines of the page.
BEGIN = "<!-- The drawing: made by docs/draw_architecture.py -->"
END = "<!-- End of the drawing -->"

# Every package may import these two modules; their arrows would hide the others.
LEFT_OUT = frozenset({"errors", "limits"})


def imports_between_packages() -> set[tuple[str, str]]:
    """Pairs of packages, in which the first imports the second."""
    # Without a cache, so that the drawing never shows the imports of an earlier state.
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    pairs = {
        (_package(module), _package(imported))
        for module in graph.modules
        for imported in graph.find_modules_directly_imported_by(module)
    }
    return {
        (package, imported)
        for package, imported in pairs
        if package != imported and not {package, imported} & LEFT_OUT
    }


def drawing() -> str:
    """A Mermaid diagram with an arrow from each package to those that it imports."""
    arrows = [
        f"  {package} --> {imported}" for package, imported in sorted(imports_between_packages())
    ]
    return "\n".join(["```mermaid", "graph TD", *arrows, "```"])


def with_drawing(page: str) -> str:
    """The page with the current drawing; raises ValueError for a page without a place for it."""
    place = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    current = f"{BEGIN}\n{drawing()}\n{END}"
    drawn, count = place.subn(lambda _: current, page)
    if count != 1:
        raise ValueError(f"{PAGE} has {count} places for a drawing, between {BEGIN!r} and {END!r}")
    return drawn


def _package(module: str) -> str:
    """The first part of a module's name below the package, which itself is named `package`.

    `__main__` only starts the command line, so that it counts to `cli`. All modules of the Python
    clients are `client`.
    """
    root, _, inside = module.partition(".")
    if root == "experiment_server_client":
        return "client"
    package = inside.partition(".")[0]
    return {"": "package", "__main__": "cli"}.get(package, package)


if __name__ == "__main__":
    PAGE.write_text(with_drawing(PAGE.read_text("utf-8")), "utf-8")
