"""Tables on a real disk: text from the study's folder, or a reason why there is none."""

import os

import pytest

from experiment_server.store import table_files
from experiment_server.store.study_file import read_source
from experiment_server.store.table_files import read_tables

WORDS = "word\nchair\n"


def read(folder, path):
    (table,) = read_tables(folder, [path])
    return table


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "study").mkdir()
    return tmp_path / "study"


def test_tables_are_read_as_they_are_in_the_order_of_their_paths(folder):
    (folder / "b.csv").write_bytes(b"\xef\xbb\xbfword\r\nchair\r\n")
    (folder / "a.csv").write_text(WORDS, encoding="utf-8")
    assert [(table.path, table.text) for table in read_tables(folder, ["b.csv", "a.csv"])] == [
        ("a.csv", WORDS),
        ("b.csv", "\ufeffword\r\nchair\r\n"),
    ]


def test_links_inside_of_the_folder_are_followed(folder, tmp_path):
    (folder / "lists").mkdir()
    (folder / "lists" / "words.csv").write_text(WORDS, encoding="utf-8")
    (folder / "words.csv").symlink_to(folder / "lists" / "words.csv")
    assert read(folder, "words.csv").text == WORDS
    # So is one that leads to the folder itself.
    (tmp_path / "link").symlink_to(folder)
    assert read(tmp_path / "link", "lists/words.csv").text == WORDS


def test_nothing_is_read_outside_of_the_folder(folder, tmp_path):
    (tmp_path / "secret.csv").write_text("word\nsecret\n", encoding="utf-8")
    (folder / "words.csv").symlink_to(tmp_path / "secret.csv")
    (folder / "up").symlink_to(tmp_path)
    for path in ("words.csv", "up/secret.csv"):
        table = read(folder, path)
        assert (table.text, table.unreadable.message) == ("", "leads out of the study's folder")


def test_what_is_no_file_holds_nobody_up(folder):
    (folder / "folder.csv").mkdir()
    os.mkfifo(folder / "pipe.csv")
    (folder / "circle.csv").symlink_to(folder / "circle.csv")
    (folder / "nowhere.csv").symlink_to(folder / "gone.csv")
    told = {path.name: read(folder, path.name).unreadable.message for path in folder.iterdir()}
    assert told == {
        "folder.csv": "is no file",
        "pipe.csv": "is no file",
        "circle.csv": "cannot be read: its links go in a circle",
        "nowhere.csv": "does not exist",
    }


def test_a_table_has_a_largest_size_and_is_utf8(folder, monkeypatch):
    monkeypatch.setattr(table_files, "STUDY_MAX_BYTES", len(WORDS))
    (folder / "a.csv").write_text(WORDS, encoding="utf-8")
    (folder / "b.csv").write_text(f"{WORDS}x", encoding="utf-8")
    (folder / "c.csv").write_bytes(b"word\n\xff\n")
    fits, large, binary = read_tables(folder, ["a.csv", "b.csv", "c.csv"])
    assert fits.unreadable is None
    assert "has more than" in large.unreadable.message
    assert (binary.unreadable.line, "UTF-8" in binary.unreadable.message) == (2, True)


def test_a_study_is_read_with_the_tables_that_it_names(folder):
    study = folder / "study.toml"
    study.write_text('[configuration.tables]\nwords = "words.csv"\n', encoding="utf-8")
    (folder / "words.csv").write_text(WORDS, encoding="utf-8")
    (folder / "other.csv").write_text(WORDS, encoding="utf-8")
    assert [table.path for table in read_source(study).tables] == ["words.csv"]
