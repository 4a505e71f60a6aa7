"""The revisions of the schema, and bringing a database to the newest."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import DatabaseUnusable
from experiment_server.limits import MIGRATION_TIMEOUT_S
from experiment_server.store.database import Place, lock_family, reason_of

# Held while a PostgreSQL schema is brought up to date; sessions count from 1.
_MIGRATION_LOCK = 0


def revision_of(connection: Connection) -> str | None:
    """The revision of a database's schema, None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def is_known(revision: str) -> bool:
    """Whether a revision is one of this release."""
    return any(script.revision == revision for script in _scripts().walk_revisions())


def newest() -> str:
    """The revision of the schema that this release writes."""
    return _scripts().get_current_head() or ""


def migrate(connection: Connection, place: Place) -> None:
    """Bring the schema up to date, all of it or nothing; raises DatabaseUnusable."""
    if revision_of(connection) == newest():
        return
    if connection.dialect.name == "postgresql":
        _take_time(connection)
        connection.execute(select(func.pg_advisory_xact_lock(lock_family(), _MIGRATION_LOCK)))
    config = _alembic()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except (CommandError, SQLAlchemyError) as error:
        raise DatabaseUnusable(
            f"{place} cannot be used as the study's database: {reason_of(error)}; "
            "restore it from a backup, or choose another place with --database"
        ) from None


def _take_time(connection: Connection) -> None:
    from experiment_server.store import postgresql

    postgresql.allow(connection, MIGRATION_TIMEOUT_S)


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", "experiment_server.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def _scripts() -> ScriptDirectory:
    return ScriptDirectory.from_config(_alembic())
