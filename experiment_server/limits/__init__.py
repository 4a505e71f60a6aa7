"""All limits of the project, each with the reason for its value.

A name ends in its unit: `_S` seconds, `_BYTES`, `_LENGTH` characters; `_MAX` without one counts.
"""
