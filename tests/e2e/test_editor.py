"""The study editor knows the whole language: what it completes, and what its pieces become."""

import pytest
from playwright.sync_api import expect

from experiment_server.study.parse import parse
from tests.conftest import server_running
from tests.e2e.conftest import screenshot
from tests.e2e.test_dashboard import live
from tests.unit.test_explanations import STUDY

BLOCKS = STUDY[STUDY.index("[configuration.variables]") :]


@pytest.fixture
def editor(tmp_path, window):
    """A page with the editor of a study that has factors, variables and an order tree."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY, encoding="utf-8")
    with server_running(path) as server:
        page = window.open(f"{server.url}/#/study")
        live(page)
        expect(page.locator(".cm-content")).to_contain_text("[configuration]")
        yield Editor(page)


class Editor:
    """The editor's content, typed as people do."""

    def __init__(self, page):
        self.page = page
        self.offers = page.locator(".cm-tooltip-autocomplete li")

    def write(self, before, after=""):
        """Replace everything; the cursor stands between the two."""
        self.page.locator(".cm-content").click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.press("Delete")
        self.page.keyboard.insert_text(before + after)
        self.page.keyboard.press("ControlOrMeta+Home")
        for _ in before.split("\n")[1:]:
            self.page.keyboard.press("ArrowDown")
        self.page.keyboard.press("End")

    def type(self, text):
        self.page.keyboard.type(text)

    def offered(self, *labels):
        """These labels are offered."""
        for label in labels:
            expect(self.offer(label)).to_be_visible()

    def offer(self, label):
        return self.offers.filter(has=self.page.get_by_text(label, exact=True)).first

    def text(self):
        return "\n".join(
            line.rstrip("\n") for line in self.page.locator(".cm-line").all_inner_texts()
        )


MISTAKES = {"toml-syntax", "type", "strategy-unknown", "function-unknown", "function-arguments"}
ORDER = "[configuration]\norder = [\n"


@pytest.mark.parametrize(
    ("before", "typed", "offered"),
    [
        (ORDER + "  {", " st", ["strategy"]),
        (ORDER + "  {", " p", ["pick"]),
        (ORDER + "  {", " l", ["label"]),
        (ORDER + "  { strategy =", ' "ran', ["randomize", "random_latin_square"]),
        (ORDER + "  { each =", ' "', ["technique", "size"]),
        (ORDER + '  { each = "size", blocks = [', '"sel', ["select-{technique}-{size}"]),
        (ORDER + '  { each = "size", blocks = [', '"select-{', ["technique", "size"]),
        (ORDER, "gro", ["a group for each level of a factor (in an order)"]),
        ("[configuration]", "\nbetween", ["between", "between_strategy"]),
        ("[configuration]\nbetween = [", '"', ["technique", "size"]),
        ("[[blocks]]", "\ncond", ["condition"]),
        ("[[blocks]]\ncondition =", " fa", ["false"]),
        ("[[blocks]]\nfactors = [", '"te', ["technique"]),
        ("[[blocks]]\nextends =", ' "pra', ["practice-{technique}"]),
        ("[[blocks]]\n[blocks.config]\nx = {", " fu", ["function_name"]),
        ("[[blocks]]\n[blocks.config]\nx = [{ function_name =", ' "sh', ["shuffle"]),
        ("[[blocks]]\n[blocks.config]\nx =", ' "$', ["$TRIALS"]),
    ],
)
def test_it_completes(editor, before, typed, offered):
    editor.write(before, "\n" + BLOCKS)
    editor.type(typed)
    editor.page.keyboard.press("Control+Space")
    editor.offered(*offered)


def test_a_group_is_written_with_what_it_offers(editor):
    editor.write(ORDER, "\n]\n" + BLOCKS)
    editor.type("  { ea")
    editor.offer("each").click()
    editor.type('"te')
    editor.offered("technique")
    screenshot(editor.page, "editor-completion")
    editor.offer("technique").click()
    editor.type('", blocks = ["pra')
    editor.offer("practice-{technique}").click()
    editor.type('"] },')
    assert '{ each = "technique", blocks = ["practice-{technique}"] },' in editor.text()
    expect(editor.page.get_by_test_id("findings")).not_to_contain_text("not valid TOML")


def test_every_piece_is_a_piece_of_a_study(editor):
    chooser = editor.page.get_by_test_id("snippets")
    labels = chooser.locator("option:not([disabled])").all_inner_texts()
    assert len(labels) >= 16
    for label in labels:
        inside = "(in an order)" in label
        editor.write(ORDER if inside else "[configuration]\n", "\n]\n" if inside else "")
        chooser.select_option(label=label)
        found = {item.code for item in parse(editor.text()).diagnostics}
        # What it names is still to be written.
        assert found & MISTAKES == set(), label


def test_the_tree_that_is_put_in_runs_with_its_blocks(editor):
    blocks = "".join(
        f'[[blocks]]\nname = "{name}"\nfactors = {factors}\nconfig = {{}}\n'
        for name, factors in (
            ("practice-{technique}", '["technique"]'),
            ("select-{technique}-{size}", '["technique", "size"]'),
            ("questions-{technique}", '["technique"]'),
            ("welcome", "[]"),
            ("thanks", "[]"),
        )
    )
    factors = '[configuration.factors]\ntechnique = ["ray", "hand"]\nsize = [1, 2]\n'
    editor.write("[configuration]", "\n" + factors + blocks)
    editor.page.get_by_test_id("snippets").select_option(
        label="an order tree: practice, conditions, questions for each level"
    )
    study = parse(editor.text())
    assert study.study, study.diagnostics
    expect(editor.page.get_by_test_id("findings")).not_to_contain_text("unknown")
