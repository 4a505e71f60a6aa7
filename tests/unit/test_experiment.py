"""The Python API: a study file in memory."""

import pytest

import experiment_server
from experiment_server import Experiment
from experiment_server.errors import (
    BlockOutOfRange,
    NotInBlock,
    ParticipantExists,
    ParticipantUnknown,
    StudyFileUnreadable,
    StudyInvalid,
)


def test_a_walk_through_a_study(study_file):
    experiment = Experiment(study_file)
    assert experiment.is_active() is False
    assert experiment.get_blocks_count() == 5
    with pytest.raises(NotInBlock):
        experiment.get_config()
    names = [experiment.move_to_next() for _ in range(6)]
    assert names == ["Hello", "A", "B", "C", "D", "END"]
    assert experiment.move_to_previous() == "D"
    assert experiment.move_to_block(1) == "A"
    assert experiment.get_config()["speed"] == 1
    assert experiment.get_state()["revision"] == 8


def test_participants_have_their_own_place_and_order(study_file):
    experiment = Experiment(study_file, default_participant_index=2)
    experiment.add_participant(7)
    assert experiment.new_participant() == 8
    assert experiment.participants() == [2, 7, 8]
    experiment.move_to_next()
    experiment.move_to_next(7)
    assert experiment.move_all_to_block(3) == [2, 7]
    assert experiment.get_config(2)["name"] == "A"
    assert experiment.get_config(7)["name"] == "C"
    assert [config["name"] for config in experiment.get_all_configs(8)][1:] == ["C", "D", "A", "B"]


def test_a_participant_follows_another_row_under_their_own_index(study_file):
    experiment = Experiment(study_file)
    experiment.add_participant(2)
    experiment.add_participant(9, row=2)
    assert (experiment.get_state(9)["participant_index"], experiment.get_state(9)["row"]) == (9, 2)
    assert experiment.get_state(2)["row"] == 2

    def blocks(index):
        return [config | {"participant_index": 0} for config in experiment.get_all_configs(index)]

    assert blocks(9) == blocks(2) != blocks(1)
    assert {config["participant_index"] for config in experiment.get_all_configs(9)} == {9}
    experiment.move_to_next(9)
    experiment.reload()
    assert experiment.get_state(9)["row"] == 2
    assert blocks(9) == blocks(2)


def test_misuse_is_named(study_file):
    experiment = Experiment(study_file)
    with pytest.raises(ParticipantUnknown):
        experiment.move_to_next(5)
    with pytest.raises(ParticipantExists):
        experiment.add_participant(1)
    with pytest.raises(BlockOutOfRange):
        experiment.move_to_block(9)


def test_configs_belong_to_the_caller(study_file):
    experiment = Experiment(study_file)
    experiment.move_to_next()
    experiment.get_config()["text"] = "changed"
    assert experiment.get_config()["text"] == "hi"


def test_programs_of_0_3_find_what_they_use(study_file):
    experiment = Experiment(study_file)
    assert [experiment.get_next_participant() for _ in range(2)] == [2, 3]
    assert experiment.add_participant_index(3) is False
    assert experiment.add_participant_index(7) is True
    assert experiment.get_next_participant() == 8
    experiment.move_to_next(7)
    experiment.move_to_next(7)
    assert experiment.reset_participant(7) is True
    assert experiment.get_state(7)["block_id"] == 1


def test_whoever_listens_hears_of_every_change(study_file):
    experiment, heard = Experiment(study_file), []
    experiment.on_change(
        lambda state: heard.append((state["participant_index"], state["block_id"]))
    )
    experiment.new_participant()
    experiment.move_to_next(2)
    experiment.move_to_previous()  # before the first block already: nothing changes
    assert heard == [(2, -1), (2, 0)]


def test_a_file_that_was_changed_is_read_again_and_a_broken_one_changes_nothing(study_file):
    experiment = Experiment(study_file)
    experiment.move_to_block(4)
    study_file.write_text("not a study", encoding="utf-8")
    with pytest.raises(StudyInvalid):
        experiment.reload()
    assert experiment.get_blocks_count() == 5
    study_file.write_text('[[blocks]]\nname = "only"\nconfig = { x = 1 }\n', encoding="utf-8")
    experiment.reload()
    assert experiment.get_state()["block_name"] == "END", "they were beyond the new last block"
    experiment.move_to_previous()
    assert experiment.get_config()["x"] == 1


def test_a_file_that_is_no_study_is_refused(tmp_path):
    with pytest.raises(StudyFileUnreadable, match="does not exist"):
        Experiment(tmp_path / "none.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[[blocks]]\nname='A'\n", encoding="utf-8")
    with pytest.raises(StudyInvalid, match="neither config nor extends") as caught:
        Experiment(broken)
    assert [item.code for item in caught.value.diagnostics] == ["block-empty"]


def test_the_package_offers_these_names_and_no_others():
    assert experiment_server.__all__ == [
        "AsyncClient",
        "Client",
        "Experiment",
        "StudyError",
        "server_process",
    ]
    for name in experiment_server.__all__:
        assert getattr(experiment_server, name).__name__ == name
    with pytest.raises(AttributeError):
        experiment_server.nothing  # noqa: B018
