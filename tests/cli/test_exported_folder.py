"""export: a folder that pandas, R and Psych-DS read, complete or not there."""

import csv
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import urllib.parse
import urllib.request
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from tests import psych_ds
from tests.conftest import server_running
from tests.waiting import PATIENCE

ROOT = Path(__file__).parents[2]

STUDY = """
[configuration]
order = ["point-{size}-{device}"]
between = ["device"]
[configuration.factors]
size = ["small", "large"]
device = ["mouse", "pen"]
[configuration.tables]
words = "words.csv"
[[blocks]]
name = "point-{size}-{device}"
factors = ["size", "device"]
config.words = "$words"
"""
RTS = {"small": (0.6, 0.8), "large": (0.3, 0.5)}
MEANS = {"large": 0.4, "small": 0.7}


def call(url, method="GET", body=None):
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.loads(answer.read() or "null")


def take_part(url, participant):
    """Two blocks, two trials in each, a questionnaire, and the end; a file is uploaded."""
    for _ in range(2):
        call(f"{url}/api/move-to-next/{participant}", "POST")
        state = call(f"{url}/api/state/{participant}")
        here = {"block_id": state["block_id"], "revision": state["revision"]}
        trials = [
            {
                **here,
                "record_id": f"{state['block_id']}-{trial}",
                "recorded_at": "2026-11-24T09:30:00.000Z",
                "data": {
                    "trial": trial,
                    "rt": rt,
                    "hit": trial == 0,
                    "said": "=1+1" if trial else "",
                    "pos": {"x": 10**15 + trial, "path": [1, 2]},
                    "mixed": trial or "none",
                    **({"late": True} if trial else {}),
                },
            }
            for trial, rt in enumerate(RTS[state["config"]["size"]])
        ]
        call(f"{url}/api/results/{participant}", "POST", {"records": trials})
    answers = [{**here, "record_id": "q", "data": {"row_id": 7, "effort": 5}}]
    for table in ("nasa-tlx", "nasa_tlx"):
        sent = [{**item, "record_id": f"{table}-q"} for item in answers]
        call(f"{url}/api/results/{participant}", "POST", {"table": table, "records": sent})
    call(f"{url}/api/move-to-next/{participant}", "POST")


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A study that two participants finished, and that a third was added to."""
    path = tmp_path_factory.mktemp("studied") / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    path.with_name("words.csv").write_text("word\nchair\n", encoding="utf-8")
    with server_running(path) as server:
        for participant in (2, 3):
            call(f"{server.url}/api/add-participant/{participant}", "PUT")
        for participant in (1, 2):
            take_part(server.url, participant)
        form = {"filepath": "P1/README.csv", "data": "a,b\n1,2\n"}
        request = urllib.request.Request(
            f"{server.url}/api/uxf", urllib.parse.urlencode(form).encode()
        )
        with urllib.request.urlopen(request, timeout=PATIENCE):
            pass
        text = urllib.request.urlopen(f"{server.url}/api/results/trials.csv").read()
    path.with_name("over-rest.csv").write_bytes(text)
    return path


def export(study, out, *options, code=0):
    result = subprocess.run(
        [sys.executable, "-m", "experiment_server", "export", study, "-d", out, *options],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    return result.stderr


@pytest.fixture(scope="module")
def exported(studied):
    out = studied.with_name("exported")
    (said,) = export(studied, out).splitlines()
    assert "trials (8), participants (3), timings (4) and 1 uploaded files" in said
    return out


def table(folder, name="trials"):
    return folder / "data" / f"description-{name}_data.csv"


def test_tables_whose_names_are_alike_have_files_of_their_own_on_every_system(tmp_path):
    """Also where a file system takes both cases of a letter for one."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    path.with_name("words.csv").write_text("word\nchair\n", encoding="utf-8")
    names = ("a-b", "a_b", "ab", "parti-cipants", "participants-", "timings_", "events-")
    with server_running(path) as server:
        for name in names:
            record = {"record_id": name, "block_id": -1, "revision": 0, "data": {"of": name}}
            call(f"{server.url}/api/results/1", "POST", {"table": name, "records": [record]})
    out = tmp_path / "exported"
    export(path, out)
    files = [file.name.casefold() for file in (out / "data").iterdir()]
    assert len(files) == len(set(files)) == len(names) + 2
    assert "of" not in pd.read_csv(table(out, "participants"))
    assert "of" not in pd.read_csv(table(out, "timings"))
    codebook = pd.read_csv(out / "codebook.csv")
    for name in names:
        (file,) = set(codebook[codebook["table"] == name]["file"])
        assert list(pd.read_csv(out / file)["of"]) == [name]


def test_pandas_reads_a_table_with_the_right_types_and_a_known_mean(exported):
    trials = pd.read_csv(table(exported))
    means = trials.groupby("size")["rt"].mean().round(12).to_dict()
    assert means == MEANS
    kinds = {name: trials[name].dtype.kind for name in ("trial", "rt", "hit", "pos.x", "block_id")}
    assert kinds == {"trial": "i", "rt": "f", "hit": "b", "pos.x": "i", "block_id": "i"}
    assert trials["pos.x"].max() == 10**15 + 1
    assert trials["late"].isna().sum() == 4
    assert json.loads(trials["pos.path"][0]) == [1, 2]
    assert [*trials.columns[:7]] == [
        "participant_index", "session", "row", "block_id", "block_name", "visit", "study_version",
    ]  # fmt: skip
    assert str(pd.to_datetime(trials["received_at"]).dtype.tz) == "UTC"
    assert set(trials["device"]) == {"mouse", "pen"}


def test_r_reads_a_table_with_the_right_types_and_a_known_mean(exported):
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("Rscript is not on this machine: apt install r-base-core")
    program = """
        trials <- read.csv(commandArgs(TRUE)[1])
        cat(class(trials$rt), class(trials$trial), class(trials$hit), class(trials$late),
            class(trials$size), sum(is.na(trials$late)), "\n")
        means <- aggregate(rt ~ size, trials, mean)
        cat(paste(means$size, round(means$rt, 12)), sep = "\n")
    """
    ran = subprocess.run(
        [rscript, "--vanilla", "-e", program, table(exported)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    types, *means = ran.stdout.strip().splitlines()
    assert types.split() == ["numeric", "integer", "logical", "logical", "character", "4"]
    assert means == [f"{size} {mean}" for size, mean in MEANS.items()]


def test_the_readme_leads_from_a_new_study_to_a_mean_per_condition(tmp_path):
    """Its commands and lines are carried out as they stand there."""
    text = (ROOT / "README.md").read_text("utf-8").partition("Try your analysis before")[2]
    commands, lines = re.findall(r"```(?:sh|python)\n(.*?)```", text, re.S)[:2]
    assert len((commands + lines).splitlines()) <= 10
    programs = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    options = {
        "cwd": tmp_path, "capture_output": True, "text": True, "check": True,
        "timeout": 6 * PATIENCE, "env": {**os.environ, "PATH": programs},
    }  # fmt: skip
    subprocess.run(["bash", "-e", "-c", commands], **options)
    said = subprocess.run([sys.executable, "-c", lines], **options).stdout
    means = re.findall(r"(tap|swipe) +(0\.\d+)", said)
    assert [gesture for gesture, _ in means] == ["swipe", "tap"] * 2
    assert all(0.2 < float(mean) < 1 for _, mean in means)
    assert psych_ds.problems(tmp_path / "rehearsal") == []


def test_the_table_over_rest_is_the_same_byte_for_byte(exported, studied):
    assert table(exported).read_bytes() == studied.with_name("over-rest.csv").read_bytes()


def test_a_key_with_the_name_of_a_factor_has_one_column_in_all_blocks(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(
        '[configuration]\norder = [["practice"], ["{size}"]]\n'
        '[configuration.factors]\nsize = ["small"]\n'
        '[[blocks]]\nname = "practice"\nconfig = {}\n'
        '[[blocks]]\nname = "{size}"\nfactors = ["size"]\nconfig = {}\n',
        encoding="utf-8",
    )
    with server_running(path) as server:
        for block_id in (0, 1):
            call(f"{server.url}/api/move-to-next", "POST")
            record = {"record_id": f"{block_id}", "block_id": block_id, "revision": block_id + 1}
            sent = {**record, "data": {"size": block_id + 7, "data.size": block_id}}
            call(f"{server.url}/api/results", "POST", {"records": [sent]})
        over_rest = urllib.request.urlopen(f"{server.url}/api/results/trials.csv").read()
    export(path, tmp_path / "out")
    assert table(tmp_path / "out").read_bytes() == over_rest
    trials = pd.read_csv(table(tmp_path / "out"), keep_default_na=False)
    assert trials[["size", "data.size.2", "data.size"]].values.tolist() == [
        ["", 7, 0],
        ["small", 8, 1],
    ]
    codebook = pd.read_csv(tmp_path / "out" / "codebook.csv").set_index(["table", "column"])
    assert codebook["type"]["trials"][["size", "data.size.2"]].to_list() == ["string", "integer"]


def test_the_folder_is_valid_psych_ds(exported):
    assert psych_ds.problems(exported) == []


def test_a_folder_that_is_no_psych_ds_is_told_apart(exported, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(exported, copy)
    table(copy).rename(copy / "data" / "trials_data.csv")
    with (copy / "data" / "trials_data.csv").open("a") as file:
        file.write("1,2\n")
    table(copy, "timings").write_text("nobody knows it\n1\n")
    (copy / "more.txt").touch()
    found = " ".join(psych_ds.problems(copy))
    for words in ("not made of keywords", "has 2 columns", "'nobody knows it'", "more.txt"):
        assert words in found


def test_participants_have_their_cell_times_and_counts(exported):
    people = pd.read_csv(table(exported, "participants")).set_index("participant_index")
    assert people["status"].to_dict() == {1: "finished", 2: "finished", 3: "added"}
    assert people["device"].to_dict() == {1: "mouse", 2: "pen", 3: "mouse"}
    assert people["records"].to_dict() == {1: 6, 2: 6, 3: 0}
    assert people["records_trials"].to_dict() == {1: 4, 2: 4, 3: 0}
    assert people["visits"].to_dict() == {1: 2, 2: 2, 3: 0}
    timings = pd.read_csv(table(exported, "timings"))
    for index in (1, 2):
        names = timings[timings["participant_index"] == index]["block_name"]
        assert json.loads(people["order"][index]) == [*names]
        assert people["minutes"][index] >= 0
        assert people["finished_at"][index] > people["started_at"][index]
        blocks = json.loads((exported / "expanded" / f"{index}.json").read_text("utf-8"))
        assert [block["name"] for block in blocks] == [*names]
        assert blocks[0]["words"] == [{"word": "chair"}]
    assert people["added_at"].notna().all()
    assert people["started_at"].isna().to_dict() == {1: False, 2: False, 3: True}


def test_the_codebook_describes_each_column_of_each_table(exported):
    with (exported / "codebook.csv").open(encoding="utf-8", newline="") as file:
        rows = {(row["table"], row["column"]): row for row in csv.DictReader(file)}
    for name in {name for name, _ in rows}:
        (path,) = {row["file"] for (of, _), row in rows.items() if of == name}
        columns = [column for of, column in rows if of == name]
        assert [*pd.read_csv(exported / path).columns] == columns
    kinds = {column: row["type"] for (of, column), row in rows.items() if of == "trials"}
    assert {
        "trial": "integer", "rt": "number", "hit": "boolean", "said": "string",
        "pos.path": "json", "mixed": "json", "received_at": "timestamp", "size": "string",
    }.items() <= kinds.items()  # fmt: skip
    rt, late = rows["trials", "rt"], rows["trials", "late"]
    assert (rt["values"], rt["missing"], rt["minimum"], rt["maximum"]) == ("8", "0", "0.3", "0.8")
    assert late["missing"] == "4"
    assert json.loads(rows["trials", "size"]["levels"]) == ["large", "small"]
    assert rows["trials", "size"]["source"].startswith("the study")
    assert all(row["description"] or row["source"] == "the app" for row in rows.values())
    assert "a spreadsheet may execute" in rows["trials", "said"]["description"]


def test_tables_whose_names_look_alike_to_psych_ds_have_a_file_each(exported):
    for name in ("nasaTlx", "nasaTlx2"):
        answers = pd.read_csv(table(exported, name))
        assert [*answers["data.row_id"]] == [7, 7]
    rows = pd.read_csv(exported / "codebook.csv")
    files = rows[rows["table"].isin(["nasa-tlx", "nasa_tlx"])]["file"]
    assert files.nunique() == 2


def test_the_study_and_uploads_are_in_the_folder(exported, studied):
    assert (exported / "study" / "1.toml").read_text("utf-8") == STUDY
    tables = exported / "study" / "1-tables"
    assert (tables / "words.csv").read_bytes() == studied.with_name("words.csv").read_bytes()
    assert (exported / "files" / "P1" / "README.csv").read_text("utf-8") == "a,b\n1,2\n"
    assert "trials, 8 rows" in (exported / "README.md").read_text("utf-8")


def test_texts_are_defused_only_if_asked(exported, studied, tmp_path):
    assert '"=1+1"' in table(exported).read_text("utf-8")
    export(studied, tmp_path / "safe", "--formula-safe")
    text = table(tmp_path / "safe").read_text("utf-8")
    assert '"\'=1+1"' in text
    assert '"=1+1"' not in text


def test_parquet_has_the_types_and_a_row_group_for_each_page(studied, tmp_path, monkeypatch):
    out = tmp_path / "out"
    export(studied, out, "--format", "parquet")
    trials = pd.read_parquet(out / "data" / "trials.parquet")
    assert trials.groupby("size")["rt"].mean().round(12).to_dict() == MEANS
    schema = pq.read_schema(out / "data" / "trials.parquet")
    kinds = {name: str(schema.field(name).type) for name in schema.names}
    assert {
        "trial": "int64", "rt": "double", "hit": "bool", "late": "bool", "said": "string",
        "pos.path": "string", "mixed": "string", "received_at": "timestamp[ms, tz=UTC]",
    }.items() <= kinds.items()  # fmt: skip
    assert schema.field("row").metadata[b"description"].startswith(b"The row of the design")
    assert [*trials["said"]] == ["", "=1+1"] * 4, "an empty text is no missing value"
    people = pd.read_parquet(out / "data" / "participants.parquet")
    assert people["started_at"].dtype.kind == "M"
    assert not (out / "dataset_description.json").exists()


def read_terminal(terminal):
    try:
        return os.read(terminal, 4096)
    except OSError:  # Linux reports the end of a terminal so.
        return b""


def test_many_rows_are_a_row_group_for_each_thousand(studied, tmp_path):
    with server_running(studied, "--database", tmp_path / "many.db") as server:
        for start in range(0, 2500, 500):
            records = [
                {"record_id": f"{number}", "block_id": -1, "revision": 0, "data": {"n": number}}
                for number in range(start, start + 500)
            ]
            call(f"{server.url}/api/results/1", "POST", {"records": records})
        # Also while the server runs; a terminal shows how far it is.
        ours, theirs = pty.openpty()
        command = [sys.executable, "-m", "experiment_server", "export", tmp_path / "many.db"]
        with subprocess.Popen(
            [*command, "-d", tmp_path / "out", "--format", "parquet"], stderr=theirs
        ) as process:
            os.close(theirs)
            shown = b"".join(iter(lambda: read_terminal(ours), b""))
        assert process.returncode == 0
        assert b"trials" in shown
        assert b"100%" in shown
    file = pq.ParquetFile(tmp_path / "out" / "data" / "trials.parquet")
    groups = range(file.num_row_groups)
    assert [file.metadata.row_group(group).num_rows for group in groups] == [1000, 1000, 500]
    assert file.read()["n"].to_pylist() == [*range(2500)]


def test_parquet_without_pyarrow_says_what_to_install(studied, tmp_path):
    program = (
        "import sys; sys.modules['pyarrow'] = None; from experiment_server.cli.main import main; "
        "main(sys.argv[1:])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program, "export", studied, "-d", tmp_path / "out",
         "--format", "parquet"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )  # fmt: skip
    assert ran.returncode == 1
    assert "pip install 'experiment-server[parquet]'" in ran.stderr
    assert [*tmp_path.iterdir()] == []


def test_an_export_that_is_killed_leaves_no_folder_that_looks_complete(studied, tmp_path):
    """It kills itself at the last file of the tables, as a power switch would."""
    program = f"""
import os, sys
def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith("codebook.csv"):
        os.kill(os.getpid(), {int(signal.SIGKILL)})
sys.addaudithook(hook)
from experiment_server.cli.main import main
main(sys.argv[1:])
"""
    out = tmp_path / "out"
    ran = subprocess.run(
        [sys.executable, "-c", program, "export", studied, "-d", out],
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ran.returncode == -signal.SIGKILL
    (rest,) = tmp_path.iterdir()
    assert rest.name.startswith(".out-")
    assert rest.name.endswith(".part")
    export(studied, out)
    assert psych_ds.problems(out) == []


def test_nothing_is_overwritten(studied, tmp_path):
    there = tmp_path / "there"
    there.mkdir()
    (there / "notes.txt").write_text("precious")
    assert "is not empty" in export(studied, there, code=1)
    assert [path.name for path in there.iterdir()] == ["notes.txt"]
    assert "is a file" in export(studied, there / "notes.txt", code=2)
    assert (there / "notes.txt").read_text() == "precious"
    (tmp_path / "empty").mkdir()
    export(studied, tmp_path / "empty")
    assert table(tmp_path / "empty").exists()


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(studied, tmp_path):
    tmp_path.chmod(0o500)
    assert "cannot be written" in export(studied, tmp_path / "out", code=1)


def test_a_session_on_postgresql_is_exported_too(studied, tmp_path, postgresql):
    with server_running(studied, "--database", postgresql, "--data", tmp_path / "up") as server:
        take_part(server.url, 1)
        export(postgresql, tmp_path / "out")
    assert psych_ds.problems(tmp_path / "out") == []
    trials = pd.read_csv(table(tmp_path / "out"))
    assert trials.groupby("size")["rt"].mean().round(12).to_dict() == MEANS
    assert not (tmp_path / "out" / "files").exists()
