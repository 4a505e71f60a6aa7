"""Migrates a database to the newest revision of the schema."""

from __future__ import annotations

from pkgutil import iter_modules

from sqlalchemy import Connection, func, inspect, select, text
from sqlalchemy.exc import SQLAlchemyError

from experiment_server.errors import DatabaseUnusable
from experiment_server.limits.store import MIGRATION_TIMEOUT_S
from experiment_server.store.database import DatabaseAddress, lock_family, reason_of
from experiment_server.store.migrations import versions

# The advisory lock for a migration of a PostgreSQL schema; sessions have the numbers from 1.
_MIGRATION_LOCK = 0


def revision_of(connection: Connection) -> str | None:
    """The revision of a database's schema, None for an empty database."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    return None if found is None else str(found)


def revisions() -> list[str]:
    """The revisions of this release, ascending, from the names of the modules.

    Alembic knows them too, but its import takes a tenth of a server's start. So it is imported only
    for a migration.
    """
    return sorted(module.name.partition("_")[0] for module in iter_modules(versions.__path__))


def newest() -> str:
    """The revision of the schema that this release writes."""
    return revisions()[-1]


def migrate(connection: Connection, place: DatabaseAddress) -> None:
    """Migrate the schema to the newest revision in one transaction; raises DatabaseUnusable."""
    if revision_of(connection) == newest():
        return
    if connection.dialect.name == "postgresql":
        _extend_deadline(connection)
        connection.execute(select(func.pg_advisory_xact_lock(lock_family(), _MIGRATION_LOCK)))
    try:
        _upgrade(connection)
    except SQLAlchemyError as error:
        raise DatabaseUnusable(
            f"{place} cannot be used as the study's database: {reason_of(error)}; "
            "restore it from a backup, or choose another place with --database"
        ) from None


def _upgrade(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "experiment_server.store:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _extend_deadline(connection: Connection) -> None:
    from experiment_server.store import postgresql

    postgresql.allow(connection, MIGRATION_TIMEOUT_S)
