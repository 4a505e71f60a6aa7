"""Limits of the database and of the queue of its writer."""

from __future__ import annotations

from typing import Final

# Commits that wait for the writer, with records and without. Each belongs to a waiting request.
# When one of the two queues is full, the disk has stopped, and further changes are refused.
COMMIT_QUEUE_MAX: Final = 4096

# Commits in one transaction. It bounds how long the first of them waits for the last.
COMMIT_GROUP_MAX: Final = 256

# Records of results in one transaction, except for a larger batch. A move waits for one such
# transaction at most. It takes a few milliseconds and a flush to the disk.
RECORDS_GROUP_MAX: Final = 128

# Time from the begin of one transaction with records to the next, as long as apps send more. Moves
# find the writer idle in between. It allows 6,400 records a second, twice what is wanted.
RECORDS_GROUP_INTERVAL_S: Final = 0.02

# Time to connect to a database server. A working one takes milliseconds.
DATABASE_CONNECT_TIMEOUT_S: Final = 5.0

# Time of one transaction: as long as SQLite waits for a lock of another program, and longer than a
# disk stalls under a backup. A longer transaction has lost its network.
TRANSACTION_TIMEOUT_S: Final = 8.0

# Time to migrate a database to a new schema, which reads and writes all of it.
MIGRATION_TIMEOUT_S: Final = 120.0

# Size of a SQLite database that is checked as a whole before it is served. A slow disk reads this
# in half a second. The log of a larger database is checked while the server runs already.
START_CHECK_MAX_BYTES: Final = 32_000_000

# A request is answered with "not known yet" when its commit takes longer. It is longer than a
# transaction, and shorter than an app waits.
COMMIT_TIMEOUT_S: Final = 10.0

# Interval of the check that this server still holds its session, and, after a transaction with an
# unknown outcome, of the attempt to find that outcome.
SESSION_CHECK_INTERVAL_S: Final = 2.0

# Time that /readyz waits for its trial write. Monitors give up after five to ten seconds.
READINESS_TIMEOUT_S: Final = 4.0

# Time that the outcome of a trial write is reused, since everybody may ask /readyz.
READINESS_CACHE_S: Final = 1.0

# Interval of log lines about a database that refuses changes. Each refused change also tells its
# caller.
REFUSAL_LOG_INTERVAL_S: Final = 10.0

# Time that the store takes at most to finish when the server stops. With it a stop ends within ten
# seconds, after which Docker kills the process.
STORE_STOP_TIMEOUT_S: Final = 3.0

# Rows of one statement. SQLite takes 32,766 values in a statement; a state has 10.
STATEMENT_ROWS_MAX: Final = 256

# Attempts of a change that loses its compare-and-swap. Each attempt starts from the newest state.
COMMIT_ATTEMPTS_MAX: Final = 64
