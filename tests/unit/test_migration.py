"""The revisions of the schema, read without Alembic, are those that Alembic knows."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from experiment_server.store.migration import newest, revisions


def test_the_revisions_are_those_of_the_scripts_in_their_order():
    config = Config()
    config.set_main_option("script_location", "experiment_server.store:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config)
    assert revisions() == [script.revision for script in scripts.walk_revisions()][::-1]
    assert newest() == scripts.get_current_head()
