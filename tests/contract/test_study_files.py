"""Study files and their tables on disk."""

import os
from pathlib import Path

import pytest

from experiment_server.store.table_files import read_tables

DESCRIPTORS = Path("/proc/self/fd")


@pytest.mark.skipif(not DESCRIPTORS.exists(), reason="open files are counted in /proc")
@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_file_leaves_nothing_open(tmp_path, make):
    make(tmp_path / "words.csv")
    before = len(list(DESCRIPTORS.iterdir()))
    for _ in range(5):
        (table,) = read_tables(tmp_path, ["words.csv"])
        assert table.unreadable is not None
        assert table.unreadable.message == "is no file"
    assert len(list(DESCRIPTORS.iterdir())) == before
