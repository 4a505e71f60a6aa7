"""Tables beside a study that is served: read, watched, kept with its versions, and checked."""

import json
import urllib.request

import aiohttp
import pytest
from click.testing import CliRunner

from experiment_server.cli.main import main
from experiment_server.participants.versions import OnChange
from experiment_server.server.app import serving
from experiment_server.server.settings import Settings
from experiment_server.store.study_file import read_source
from tests.conftest import server_running

STUDY = """
[configuration.tables]
words = "words.csv"
[[blocks]]
name = "learn"
[blocks.config]
words = "$words"
"""
WORDS = "word,list\nchair,1\nlamp,2\n"
MORE = "word,list\nchair,1\nlamp,2\ndoor,1\n"
CHAIR, LAMP, DOOR = (
    {"word": "chair", "list": 1},
    {"word": "lamp", "list": 2},
    {"word": "door", "list": 1},
)


@pytest.fixture
def study_file(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    (tmp_path / "words.csv").write_text(WORDS, encoding="utf-8")
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def more_settings(request):
    if request.param == "sqlite":
        return {}
    return {"database": request.getfixturevalue("postgresql")}


async def words_of(http, participant=1):
    async with http.get(f"/api/all-configs/{participant}") as response:
        return (await response.json())[0]["words"]


async def test_a_changed_table_is_a_change_of_the_study(connect, study_file, http, server):
    app, dashboard = await connect(), await connect("/dashboard")
    before = (await dashboard.expect("snapshot"))["study"]
    assert before["digest"] == read_source(study_file).digest
    assert await words_of(http) == [CHAIR, LAMP]
    (study_file.parent / "words.csv").write_text(MORE, encoding="utf-8")
    news = await dashboard.until("study-changed")
    assert (news["version"], news["diagnostics"]) == (2, [])
    assert news["digest"] == read_source(study_file).digest != before["digest"]
    assert (await app.until("study-changed"))["digest"] == news["digest"]
    assert await words_of(http) == [CHAIR, LAMP, DOOR]


async def test_a_study_and_its_table_that_change_together_are_one_version(
    connect, study_file, http, server
):
    """Each alone would be broken: there is no column "group" yet, or no column "list" any more."""
    dashboard = await connect("/dashboard")
    rows = '{ function_name = "rows", args = ["$words", { list = 1 }] }'
    study_file.write_text(STUDY.replace('"$words"', rows), encoding="utf-8")
    assert (await dashboard.until("study-changed"))["version"] == 2
    (study_file.parent / "words.csv").write_text(WORDS.replace("list", "group"), encoding="utf-8")
    grouped = STUDY.replace('"$words"', rows.replace("list", "group"))
    study_file.write_text(grouped, encoding="utf-8")
    news = await dashboard.until("study-changed")
    assert (news["version"], news["diagnostics"]) == (3, [])
    assert await words_of(http) == [{"word": "chair", "group": 1}]
    async with http.get("/api/events") as response:
        assert "study_refused" not in {item["type"] for item in await response.json()}


async def test_a_broken_table_changes_nothing_and_is_reported(connect, study_file, http, server):
    dashboard = await connect("/dashboard")
    before = (await dashboard.expect("snapshot"))["study"]["digest"]
    (study_file.parent / "words.csv").write_text("word,list\nchair,1\nlamp\n", encoding="utf-8")
    news = await dashboard.until("study-changed")
    assert news["digest"] == before
    [found] = news["diagnostics"]
    assert (found["code"], found["file"], found["line"]) == ("table-row", "words.csv", 3)
    assert await words_of(http) == [CHAIR, LAMP]
    async with http.get("/api/events") as response:
        last = (await response.json())[-1]
    assert last["type"] == "study_refused"
    assert last["data"]["first"][0]["file"] == "words.csv"
    (study_file.parent / "words.csv").write_text(WORDS, encoding="utf-8")
    assert (await dashboard.until("study-changed"))["diagnostics"] == []


async def test_a_table_that_is_gone_is_reported(connect, study_file, server):
    dashboard = await connect("/dashboard")
    (study_file.parent / "words.csv").unlink()
    [found] = (await dashboard.until("study-changed"))["diagnostics"]
    assert (found["code"], found["file"], found["line"]) == ("table-unreadable", None, 3)


async def test_who_keeps_a_version_keeps_its_tables_over_a_restart(study_file, more_settings):
    settings = Settings(study_file, port=0, on_change=OnChange.NEW, **more_settings)
    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        assert await words_of(http) == [CHAIR, LAMP]
    (study_file.parent / "words.csv").write_text(MORE, encoding="utf-8")
    async with serving(settings) as running, aiohttp.ClientSession(running.url) as http:
        async with http.put("/api/add-participant/2") as response:
            assert response.status == 200
        assert await words_of(http, 2) == [CHAIR, LAMP, DOOR]
        assert await words_of(http, 1) == [CHAIR, LAMP]
    stored = more_settings.get("database", str(study_file))
    checked = CliRunner().invoke(main, ["events", stored, "--check"])
    assert checked.exit_code == 0, checked.output


async def test_verify_reads_the_tables_on_disk(http, study_file, server):
    async with http.post("/api/verify", data=STUDY.replace("words.csv", "other.csv")) as response:
        [found] = (await response.json())["diagnostics"]
    assert found["code"] == "table-unreadable"
    async with http.post("/api/verify", data=STUDY) as response:
        verified = await response.json()
    assert verified["ok"]
    assert verified["digest"] == read_source(study_file).digest


async def test_a_saved_text_is_served_with_the_tables_on_disk(http, study_file, server):
    async with http.get("/api/study/toml") as response:
        of_text = response.headers["ETag"]
    async with http.get("/api/study") as response:
        of_all = (await response.json())["digest"]
    for number, made_from in enumerate((of_text, of_all)):
        study_file.write_text(STUDY, encoding="utf-8")
        text = f"{STUDY}more = {number}\n"
        async with http.put(
            "/api/study/toml", data=text, headers={"If-Match": made_from}
        ) as response:
            assert response.status == 200, await response.text()
    async with http.put("/api/study/toml", data=STUDY, headers={"If-Match": of_text}) as response:
        assert (response.status, json.loads(await response.text())["code"]) == (412, "study-stale")


async def source_of(http, **query):
    async with http.get("/api/study/source", params=query) as response:
        assert response.status == 200
        return await response.json()


async def save(http, made_from, text=STUDY, **tables):
    body = {"text": text, "tables": {path.replace("_", "."): text for path, text in tables.items()}}
    async with http.put(
        "/api/study/toml", json=body, headers={"If-Match": f'"{made_from}"'}
    ) as response:
        return response.status, await response.json()


async def test_a_study_is_saved_with_its_tables_and_restored(http, study_file, server, connect):
    before = await source_of(http)
    assert before == {
        "text": STUDY,
        "digest": read_source(study_file).digest,
        "tables": [{"path": "words.csv", "text": WORDS}],
    }
    status, saved = await save(http, before["digest"], words_csv=MORE)
    assert (status, saved["version"]) == (200, 2)
    assert (study_file.parent / "words.csv").read_text("utf-8") == MORE
    assert await words_of(http) == [CHAIR, LAMP, DOOR]
    assert await source_of(http, version=1) == before
    assert (await source_of(http))["digest"] == saved["digest"]
    # Over a socket it is the same, here back to the version before.
    dashboard = await connect("/dashboard")
    tables = {table["path"]: table["text"] for table in before["tables"]}
    edit = {"text": before["text"], "tables": tables, "made_from": saved["digest"]}
    answer = await dashboard.ask("save-study", edit)
    assert (answer["ok"], answer["data"]["version"]) == (True, 3)
    assert answer["data"]["digest"] == before["digest"]
    assert read_source(study_file).digest == before["digest"]


async def test_tables_that_nobody_has_seen_are_not_overwritten(http, study_file, server):
    made_from = (await source_of(http))["digest"]
    (study_file.parent / "words.csv").write_text(MORE, encoding="utf-8")
    status, problem = await save(http, made_from, words_csv=WORDS.replace("lamp", "sky"))
    assert (status, problem["code"]) == (412, "study-stale")
    # Of the text alone says nothing of the table.
    async with http.get("/api/study/toml") as response:
        of_text = response.headers["ETag"].strip('"')
    status, problem = await save(http, of_text, words_csv=WORDS.replace("lamp", "sky"))
    assert (status, problem["code"]) == (412, "study-stale")
    # Nor does the study, of a file that is no table of it yet.
    (study_file.parent / "other.csv").write_text("word\nprecious\n", encoding="utf-8")
    made_from = (await source_of(http))["digest"]
    other = STUDY.replace("words.csv", "other.csv")
    status, problem = await save(http, made_from, other, other_csv="word\nnew\n")
    assert (status, problem["code"]) == (412, "study-stale")
    assert "other.csv is there already" in problem["detail"]
    assert (study_file.parent / "other.csv").read_text("utf-8") == "word\nprecious\n"
    status, _ = await save(http, "*", other, other_csv="word\nnew\n")
    assert status == 200
    assert (study_file.parent / "other.csv").read_text("utf-8") == "word\nnew\n"


async def test_a_broken_table_is_not_saved(http, study_file, server):
    status, problem = await save(http, "*", words_csv="word,list\nchair\n")
    assert (status, problem["code"]) == (422, "study-invalid")
    [found] = problem["diagnostics"]
    assert (found["file"], found["line"]) == ("words.csv", 2)
    assert (study_file.parent / "words.csv").read_text("utf-8") == WORDS


async def test_tables_are_written_into_folders_below_and_nowhere_else(
    http, study_file, server, tmp_path_factory
):
    below = STUDY.replace("words.csv", "lists/new/words.csv")
    body = {"text": below, "tables": {"lists/new/words.csv": MORE}}
    async with http.put("/api/study/toml", json=body, headers={"If-Match": "*"}) as response:
        assert response.status == 200, await response.text()
    assert (study_file.parent / "lists" / "new" / "words.csv").read_text("utf-8") == MORE
    outside = tmp_path_factory.mktemp("outside")
    (outside / "words.csv").write_text(WORDS, encoding="utf-8")
    (study_file.parent / "out").symlink_to(outside)
    (study_file.parent / "link.csv").symlink_to(outside / "words.csv")
    for path in ("out/words.csv", "out/new.csv", "link.csv", "../words.csv", "/tmp/words.csv"):
        text = STUDY.replace("words.csv", path)
        for tables in ({}, {path: MORE}):
            async with http.put(
                "/api/study/toml",
                json={"text": text, "tables": tables},
                headers={"If-Match": "*"},
            ) as response:
                problem = await response.json()
            # What cannot be a path of a table is none that the study names.
            expected = (400, "parameter-invalid") if path[0] in "./" and tables else None
            assert (response.status, problem["code"]) == (expected or (422, "study-invalid")), path
    assert (outside / "words.csv").read_text("utf-8") == WORDS
    assert not (outside / "new.csv").exists()


async def test_tables_that_the_study_does_not_name_are_refused(http, study_file, server):
    body = {"text": STUDY, "tables": {"more.csv": "a\n1\n"}}
    for method, path in (("PUT", "/api/study/toml"), ("POST", "/api/verify")):
        async with http.request(method, path, json=body, headers={"If-Match": "*"}) as response:
            problem = await response.json()
        assert (response.status, problem["code"]) == (400, "parameter-invalid")
        assert "more.csv" in problem["detail"]
    assert not (study_file.parent / "more.csv").exists()


async def test_verify_takes_tables_that_are_not_saved(http, study_file, server):
    for table, ok in ((MORE, True), ("word,list\nchair\n", False)):
        body = {"text": STUDY, "tables": {"words.csv": table}}
        async with http.post("/api/verify", json=body) as response:
            assert (await response.json())["ok"] is ok
    assert (study_file.parent / "words.csv").read_text("utf-8") == WORDS


async def test_a_study_may_still_be_declared_as_json(http, study_file, server):
    """As programs do that declare all bodies alike; TOML begins with no brace."""
    headers = {"Content-Type": "application/json"}
    async with http.post("/api/verify", data=STUDY, headers=headers) as response:
        assert (await response.json())["ok"]
    async with http.post("/api/verify", data='{"text": ', headers=headers) as response:
        assert (response.status, (await response.json())["code"]) == (400, "parameter-invalid")


def test_a_backup_has_the_tables_of_all_versions(study_file, tmp_path):
    words = study_file.parent / "words.csv"
    with server_running(study_file, "--on-change", "new"):
        pass
    words.write_text(MORE, encoding="utf-8")
    with server_running(study_file, "--on-change", "new"):
        pass
    copy = tmp_path / "copy.sqlite3"
    backed_up = CliRunner().invoke(main, ["backup", str(study_file), str(copy)])
    assert backed_up.exit_code == 0, backed_up.output
    assert CliRunner().invoke(main, ["events", str(copy), "--check"]).exit_code == 0
    # From the copy, whoever kept the first version goes on with its tables.
    (tmp_path / "study.sqlite3").unlink()
    with server_running(study_file, "--on-change", "new", "--database", copy) as server:
        base = server.url
        with urllib.request.urlopen(f"{base}/api/all-configs/1") as response:
            assert json.load(response)[0]["words"] == [CHAIR, LAMP]
        with urllib.request.urlopen(f"{base}/api/study/source?version=1") as response:
            assert json.load(response)["tables"] == [{"path": "words.csv", "text": WORDS}]
    out = tmp_path / "out"
    assert CliRunner().invoke(main, ["export", str(copy), "-d", str(out)]).exit_code == 0
    for number, text in ((1, WORDS), (2, MORE)):
        assert (out / "study" / f"{number}-tables" / "words.csv").read_text("utf-8") == text


def test_export_writes_the_tables_of_each_version(study_file):
    with server_running(study_file):
        pass
    out = study_file.parent / "out"
    exported = CliRunner().invoke(main, ["export", str(study_file), "-d", str(out)])
    assert exported.exit_code == 0, exported.output
    assert (out / "study" / "1-tables" / "words.csv").read_text("utf-8") == WORDS
