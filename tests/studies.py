"""Texts of studies that several tests and benchmarks share."""

from collections.abc import Iterable

TECHNIQUES, SIZES = ("ray", "hand", "gaze"), ("small", "large")

TREE = """order = [
  "welcome",
  { each = "technique", strategy = "latin_square", blocks = [
      "practice-{technique}",
      { strategy = "randomize", label = "conditions", blocks = ["select-{technique}-{size}"] },
      "tlx-{technique}",
  ] },
  "debriefing",
]"""
"""The commonest design: for each technique practice, the conditions shuffled, a questionnaire."""

TREE_BLOCKS = """
[configuration.factors]
technique = ["ray", "hand", "gaze"]
size = ["small", "large"]
[[blocks]]
name = "welcome"
config = {}
[[blocks]]
name = "practice-{technique}"
factors = ["technique"]
config.feedback = true
[[blocks]]
name = "select-{technique}-{size}"
factors = ["technique", "size"]
extends = "practice-{technique}"
[[blocks]]
name = "tlx-{technique}"
factors = ["technique"]
condition = false
[[blocks]]
name = "debriefing"
config = {}
"""


def of_techniques(order: str = TREE, configuration: str = "") -> str:
    """A study with the blocks of the commonest design, in some order."""
    return f"[configuration]\n{configuration}\n{order}\n{TREE_BLOCKS}"


def without_settings(names: Iterable[str], configuration: str = "") -> str:
    """A study of blocks that have only names."""
    blocks = "".join(f'[[blocks]]\nname = "{name}"\nconfig = {{}}\n' for name in names)
    return f"[configuration]\n{configuration}\n{blocks}"
