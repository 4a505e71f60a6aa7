"""Where a participant's blocks and values come from, on their page in a real browser."""

import pytest
from playwright.sync_api import expect

from tests.conftest import server_running
from tests.e2e.conftest import screenshot
from tests.e2e.test_dashboard import client_of, live
from tests.unit.test_explanations import STUDY


@pytest.fixture
def tree(tmp_path):
    """A server with a study that has an order tree, and participant 2 in their third block."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    with server_running(path) as server:
        rest = client_of(server.url)
        rest.add_participant(2)
        rest.move_to_block(2, 2)
        yield server


def opened(window, tree, **options):
    page = window.open(f"{tree.url}/#/participant/2", **options)
    live(page)
    page.get_by_text("Where it comes from").click()
    return page


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_the_page_tells_group_row_parent_variable_and_draw(tree, window, scheme, width):
    page = opened(window, tree, color_scheme=scheme, viewport={"width": width, "height": 1000})
    practice = page.get_by_test_id("origins-2")
    expect(practice).to_contain_text("techniques: hand, 1 of 2 (latin_square, order 2 of 2)")
    rows = practice.locator("dl > div")
    expect(rows.filter(has_text="technique")).to_contain_text("level of the factor")
    expect(rows.filter(has_text="trials.first")).to_contain_text("variable TRIALS")
    expect(rows.filter(has_text="colour")).to_contain_text("drawn by choices")
    select = page.get_by_test_id("origins-3")
    expect(select.locator("dl")).to_be_hidden()
    select.locator("summary").click()
    expect(select).to_contain_text("1 of 1 (shuffled)")
    expect(select.locator("dl > div", has_text="colour")).to_contain_text("from practice-hand")
    page.get_by_test_id("origins").scroll_into_view_if_needed()
    screenshot(page, f"origins-{width}-{scheme}")


def test_what_was_changed_for_the_participant_alone_is_told_beside_the_studys_value(tree, window):
    page = opened(window, tree)
    drawer = page.get_by_test_id("drawer")
    drawer.get_by_test_id("config-trials.first").click()
    drawer.get_by_test_id("config-input").fill("9")
    drawer.get_by_test_id("config-input").press("Enter")
    row = page.get_by_test_id("origins-2").locator("dl > div", has_text="trials.first")
    expect(row).to_contain_text("4")
    expect(row).to_contain_text("for this participant 9")
    expect(page.locator(".origins .changed")).to_have_count(1)


def test_an_edited_study_is_explained_anew(tree, window, tmp_path):
    page = opened(window, tree)
    practice = page.get_by_test_id("origins-2")
    expect(practice).to_contain_text("order 2 of 2")
    edited = STUDY.replace('strategy = "latin_square"', 'strategy = "as_is"')
    (tmp_path / "study.toml").write_text(edited, encoding="utf-8")
    expect(page.get_by_test_id("origins")).not_to_contain_text("order 2 of 2")
