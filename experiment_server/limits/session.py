"""Limits of a running session: its participants, log, notifications and caches."""

from __future__ import annotations

from typing import Final

# Work for all participants yields after this time. A request takes some five turns, so 10 ms.
LOOP_TURN_S: Final = 0.002

# Thresholds of the garbage collector's three generations. A full collection takes a third of a
# second with 3,000 sockets; with these it is rare, and at most some 100 MB wait for it.
GARBAGE_THRESHOLDS: Final = (5_000, 5, 50)

# Participants whose orders the server lists in one answer, and block names in that answer. With
# more names it lists fewer participants.
ORDERS_PARTICIPANTS_MAX: Final = 500
ORDERS_NAMES_MAX: Final = 100_000

# Largest participant index: SQLite, PostgreSQL and JavaScript all hold it exactly.
PARTICIPANT_INDEX_MAX: Final = 2**31 - 1

# Block sequences in the cache: one for every connected participant (CONNECTIONS_MAX) and some for
# others, so that a move of all participants expands no block anew.
SEQUENCE_CACHE_MAX: Final = 12_000

# Values in all blocks of cached sequences, those in lists and tables included. Each takes some 50
# bytes, so the cache takes at most some 200 MB.
SEQUENCE_CACHE_VALUES_MAX: Final = 4_000_000

# Encoded snapshots in the cache, for apps that ask again. Each takes some 2 kB.
SNAPSHOT_CACHE_MAX: Final = 12_000

# Time that a repeated request gets its first answer. A headset that was put away over night no
# longer repeats its request.
IDEMPOTENCY_RETENTION_S: Final = 24 * 60 * 60

# Interval at which expired answers are removed.
IDEMPOTENCY_SWEEP_INTERVAL_S: Final = 60 * 60

# Length of an idempotency key, given by the wire contract. A UUID has 36 characters.
IDEMPOTENCY_KEY_MAX_LENGTH: Final = 128

# Participants of a session. Each has a row of some 500 bytes in every dashboard's first snapshots.
PARTICIPANTS_MAX: Final = 50_000

# Connections and disconnections of one participant's apps that are logged in one burst, and the
# interval of one further entry. Bad Wi-Fi causes fewer; a client that connects in a loop does not
# fill the disk.
PRESENCE_BURST_MAX: Final = 20
PRESENCE_INTERVAL_S: Final = 10.0

# Interval at which the delay of the event loop is measured.
LOOP_LAG_INTERVAL_S: Final = 1.0

# Lifetime of a participant's link: a study's season.
LINK_LIFETIME_S: Final = 30 * 24 * 60 * 60

# Length of the reason for a move: a sentence in the log.
REASON_MAX_LENGTH: Final = 500

# Length of a timestamp in any form of ISO 8601. Those in snapshots have 24 characters.
TIMESTAMP_MAX_LENGTH: Final = 40

# Errors of a refused study in the log.
DIAGNOSTICS_LOGGED_MAX: Final = 20

# Length of a session's name.
SESSION_NAME_MAX_LENGTH: Final = 100

# Largest id of a log entry: JavaScript holds it exactly.
EVENT_ID_MAX: Final = 2**53 - 1

# Log entries in one answer, and in one read of a stream: some 500 kB.
EVENTS_PAGE_MAX: Final = 1000

# Interval at which changes are sent to dashboards. Those of one interval share a message.
DASHBOARD_BATCH_INTERVAL_S: Final = 0.05

# Interval at which numbers of records are sent to dashboards, since apps record often.
# Participants in one message of a dashboard's initial data: some 500 kB, which take 5 ms to encode.
DASHBOARD_RESULTS_INTERVAL_S: Final = 0.25
DASHBOARD_RESULTS_MAX: Final = 5_000

# Block names in the participants' rows of one message: some 2 MB, which take 20 ms to encode.
MESSAGE_BLOCK_NAMES_MAX: Final = 100_000

# A saved study file is read once it is unchanged for longer than an editor takes to fill it.
FILE_SETTLE_S: Final = 0.25

# When the server stops, sockets have the first time to receive the notice and again to close, and
# requests have the second to finish. A stop ends within five seconds.
SHUTDOWN_NOTICE_TIMEOUT_S: Final = 0.8
SHUTDOWN_GRACE_S: Final = 2.0
