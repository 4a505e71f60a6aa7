"""Gives every new file of the package the .meta file by which Unity knows it."""

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
IMPORTERS = {
    ".cs": "MonoImporter",
    ".asmdef": "AssemblyDefinitionImporter",
    ".md": "TextScriptImporter",
    ".prefab": "PrefabImporter",
}
IMPORTERS |= {".json": "PackageManifestImporter"}


def meta(path: Path) -> str:
    """Its content. The identifier is made of the path, once: a file that moves takes it along."""
    name = path.relative_to(PACKAGE).as_posix()
    identifier = hashlib.md5(
        f"experiment-server/{name}".encode(), usedforsecurity=False
    ).hexdigest()
    folder = "folderAsset: yes\n" if path.is_dir() else ""
    importer = IMPORTERS.get(path.suffix, "DefaultImporter")
    return (
        f"fileFormatVersion: 2\nguid: {identifier}\n{folder}{importer}:\n  externalObjects: {{}}\n"
        "  userData: \n  assetBundleName: \n  assetBundleVariant: \n"
    )


for path in sorted(PACKAGE.rglob("*")):
    # Unity copies what is in Samples~ into a project, with its .meta files.
    parts = path.relative_to(PACKAGE).parts
    parts = parts[2:] if parts[0] == "Samples~" else parts
    hidden = not parts or any(part.endswith("~") for part in parts)
    target = path.with_name(f"{path.name}.meta")
    if path.suffix != ".meta" and not hidden and not target.exists():
        target.write_text(meta(path), encoding="utf-8", newline="\n")
        print(target.relative_to(PACKAGE))  # noqa: T201
