"""Compiles C# with Mono, against Newtonsoft's JSON, as Unity would."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from tests.conftest import ROOT, need

UNITY = ROOT / "clients" / "unity"
CORE = UNITY / "Runtime" / "Core"
NEWTONSOFT = Path("/usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll")


def newtonsoft() -> Path:
    """Where Newtonsoft's assembly is."""
    return Path(need(str(NEWTONSOFT) if NEWTONSOFT.exists() else None, "Newtonsoft.Json for Mono"))


def sources(*places: Path) -> list[Path]:
    """The C# files in folders, and the files among the places."""
    found = [sorted(place.rglob("*.cs")) if place.is_dir() else [place] for place in places]
    return [path for paths in found for path in paths]


def compiled(
    target: Path, files: Iterable[Path], *references: Path, defines: Iterable[str] = ()
) -> Path:
    """Compile to a program or, by its suffix, a library; a warning is an error."""
    target.parent.mkdir(exist_ok=True)
    mcs = need(shutil.which("mcs"), "Mono's C# compiler")
    assemblies = [newtonsoft(), *references]
    command = [
        mcs,
        # Unity's language is 7.3; Mono's compiler knows what is older.
        *("-langversion:7.2", "-warn:4", "-warnaserror", f"-out:{target}"),
        f"-target:{'library' if target.suffix == '.dll' else 'exe'}",
        "-r:System.Net.Http.dll",
        *(f"-define:{name}" for name in defines),
        *(f"-r:{assembly}" for assembly in assemblies),
        *map(str, files),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    for assembly in assemblies:
        if assembly.parent != target.parent:
            shutil.copy(assembly, target.parent)
    return target


def run_by_mono(program: Path) -> list[str]:
    """What starts a compiled program."""
    return [need(shutil.which("mono"), "Mono"), "--debug", str(program)]


def told_by(*command: str) -> list[str]:
    """The lines that a program writes until it ends."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()
