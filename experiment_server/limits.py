"""Every bound of the project, each with the reason for its value.

A name ends in its unit: `_S` seconds, `_BYTES`, `_LENGTH` characters; `_MAX` without one counts.
"""

from __future__ import annotations

from typing import Final

# Levels of nesting in a study. The deepest real configs in the field have five; the walkers
# recurse, and Python stops near a thousand frames.
STUDY_NESTING_MAX: Final = 64

# Values in one draw. The longest trial lists in the field have a few hundred; the bound keeps a
# mistyped k from filling the memory.
DRAW_VALUES_MAX: Final = 100_000

# Items of a random Latin square. Drawing it takes memory for the cube of this number.
LATIN_SQUARE_ITEMS_MAX: Final = 100

# Cells that the random walk to a Latin square visits. Up to 19 items the walk has at least as many
# steps as the square has cells times symbols, which is more than it needs to forget where it
# began; beyond that, this bound keeps it to about a second.
LATIN_SQUARE_CELLS_VISITED_MAX: Final = 2_500_000

# Items of the strategy `permutations`: 8 items have 40,320 orders, more than a study has
# participants.
PERMUTATIONS_ITEMS_MAX: Final = 8

# Blocks that one factorial block stands for. The largest designs in the field cross some hundred
# conditions; a mistyped list of levels must not fill the memory.
FACTORIAL_BLOCKS_MAX: Final = 2_000

# Participants whose expansion is tried when a study is read. A table order with keys 1..n and init
# blocks with keys 1..m repeat together after lcm(n, m) participants; this many take well under a
# second.
TRIAL_EXPANSIONS_MAX: Final = 256

# Rows of order tables that stay ready for the next participants, and items in all the orders that
# a group keeps. Squares of up to 200 items are kept whole; what is beyond is made anew, so that a
# long run over a table, or over all permutations, needs no more memory than a short one.
PREPARED_ROWS_MAX: Final = 2_000
GROUP_ORDERS_ITEMS_MAX: Final = 100_000

# Names in an order that is compared with trees that could stand in its place, and turns that are
# compared. Orders that people write out by hand are far below; both together take a few
# hundredths of a second of the reading of a study.
TREE_HINT_NAMES_MAX: Final = 500
TREE_HINT_TURNS_MAX: Final = 100

# Values in the configs of one participant. The largest studies in the field have some ten thousand;
# each takes memory for every participant, and time when an app asks for all of its configs.
EXPANDED_VALUES_MAX: Final = 500_000

# Characters of text in the configs of one participant. An app that asks for all of its configs
# gets them in one answer, which takes some 30 ms to encode at this size.
EXPANDED_CHARACTERS_MAX: Final = 4_000_000

# Blocks of a study, with each member of a factorial block counted, and blocks of one participant.
# The largest designs in the field have some hundred.
STUDY_BLOCKS_MAX: Final = 10_000

# Values in the configs of all blocks of a study, inherited ones included. Reading this many takes
# some three seconds.
STUDY_VALUES_MAX: Final = 1_000_000

# Block names in all rows of a table order: 500 rows of 1,000 blocks each.
ORDER_TABLE_NAMES_MAX: Final = 500_000

# Trials of one crossing with `max_run`, times the kinds among them that it tells apart. Each draw
# looks at every kind at each place: this many take about a tenth of a second.
RUN_WORK_MAX: Final = 200_000

# Steps of the search for an order of trials that keeps `max_run`, which is made when a study is
# read. Only several limits at once need a search; this many steps take about a second.
RUN_SEARCH_STEPS_MAX: Final = 100_000

# Tables of a study. Each is a file that is read every second while the study is served.
STUDY_TABLES_MAX: Final = 64

# Errors that are reported for one study, and likewise warnings and hints. Nobody reads more.
DIAGNOSTICS_MAX: Final = 500

# Time to read a study from the network, or to report on it. A thousand blocks take 0.2 seconds.
STUDY_PARSE_TIMEOUT_S: Final = 5.0

# Memory of the process that reads such studies.
STUDY_PARSE_MEMORY_MAX_BYTES: Final = 2 * 1024**3

# Work for all participants yields after this time. A request takes some five turns, so 10 ms.
LOOP_TURN_S: Final = 0.002

# Thresholds of the garbage collector's three generations. A full collection takes a third of a
# second with 3,000 sockets; with these it is rare, and at most some 100 MB wait for it.
GARBAGE_THRESHOLDS: Final = (5_000, 5, 50)

# Participants whose orders the server lists in one answer, and block names in that answer. With
# more names it lists fewer participants.
ORDERS_PARTICIPANTS_MAX: Final = 500
ORDERS_NAMES_MAX: Final = 100_000

# Participants of one design report. No study has more, and the report takes a second.
DESIGN_PARTICIPANTS_MAX: Final = 10_000

# Numbers of participants beyond the requested one that the design report searches for a balanced
# one. The cycle of a square over 11 blocks crossed with one over 10 is 220.
DESIGN_SEARCH_PARTICIPANTS_MAX: Final = 256

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

# Commits that wait for the writer. Each belongs to a waiting request. When the queue is full, the
# disk has stopped, and further changes are refused.
COMMIT_QUEUE_MAX: Final = 4096

# Commits in one transaction. It bounds how long the first of them waits for the last.
COMMIT_GROUP_MAX: Final = 256

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

# Time that a repeated request gets its first answer. A headset that was put away over night no
# longer repeats its request.
IDEMPOTENCY_RETENTION_S: Final = 24 * 60 * 60

# Interval at which expired answers are removed.
IDEMPOTENCY_SWEEP_INTERVAL_S: Final = 60 * 60

# Length of an idempotency key, given by the wire contract. A UUID has 36 characters.
IDEMPOTENCY_KEY_MAX_LENGTH: Final = 128

# Participants of a session. Each has a row of some 500 bytes in every dashboard's first snapshots.
PARTICIPANTS_MAX: Final = 50_000

# Default for the connections of a server. Each takes some 50 kB.
CONNECTIONS_MAX: Final = 10_000

# Default for the connections from one address. A whole lab, or a campus behind one router, shares
# one address.
CONNECTIONS_PER_ADDRESS_MAX: Final = 1_000

# File descriptors that connections leave free: for the database, the study, and files that are
# served or received.
RESERVED_DESCRIPTORS: Final = 100

# Time to receive the headers of a request. They are one packet, which a bad network delivers in
# this time.
REQUEST_HEADERS_TIMEOUT_S: Final = 15.0

# Time that a connection stays open without a request. Proxies reuse a connection for up to two
# minutes.
IDLE_CONNECTION_TIMEOUT_S: Final = 130.0

# Slowest rate of a request body, and the interval at which it is measured. The slowest link on
# which anybody sends a file is ten times as fast.
BODY_MIN_BYTES_PER_S: Final = 1024
BODY_RATE_INTERVAL_S: Final = 20.0

# A response is aborted when its client reads nothing of it for this time.
UNREAD_RESPONSE_TIMEOUT_S: Final = 60.0

# Log lines of one kind that are written in one interval; further ones are counted.
LOG_REPEATS_MAX: Final = 50
LOG_REPEATS_INTERVAL_S: Final = 10.0

# Time for a new socket to send its Socket.IO connect packet.
CONNECT_PACKET_TIMEOUT_S: Final = 45.0

# Packets of every kind that a connection may send per second on average, and in one burst. The
# fastest apps send a few per second; a program in a loop must not stop the others.
PACKETS_PER_S_MAX: Final = 100.0
PACKET_BURST_MAX: Final = 200.0

# A message of an app over its socket, and of a client that has not said yet who it is. Reading one
# of this size takes some 20 ms. A move with its reason has some hundred bytes; only dashboards send
# studies.
APP_MESSAGE_MAX_BYTES: Final = 128 * 1024

# An app's message counts as one packet more for each piece of this size.
APP_MESSAGE_PIECE_BYTES: Final = 2 * 1024

# Packets in the send queue of a socket, and bytes of those behind the first. A client that reads
# takes each within milliseconds; a client that has stopped reading is disconnected at this bound,
# and gets a complete snapshot when it returns.
SEND_QUEUE_MAX: Final = 256
SEND_QUEUE_MAX_BYTES: Final = 16 * 1024 * 1024

# Connections and disconnections of one participant's apps that are logged in one burst, and the
# interval of one further entry. Bad Wi-Fi causes fewer; a client that connects in a loop does not
# fill the disk.
PRESENCE_BURST_MAX: Final = 20
PRESENCE_INTERVAL_S: Final = 10.0

# Value of the Retry-After header of a response that a limit caused.
RETRY_AFTER_S: Final = 5

# Interval at which the delay of the event loop is measured.
LOOP_LAG_INTERVAL_S: Final = 1.0

# Length of a token. Ours have some 200 characters.
TOKEN_MAX_LENGTH: Final = 1000

# Interval at which an open socket's token is compared with the clock, which may be set meanwhile.
TOKEN_EXPIRY_INTERVAL_S: Final = 60.0

# Shortest token that experimenters may choose. A shorter one can be guessed.
ADMIN_TOKEN_MIN_LENGTH: Final = 16

# Lifetime of a participant's link: a study's season.
LINK_LIFETIME_S: Final = 30 * 24 * 60 * 60

# Time from opening a login link to the login, the user's confirmation included.
LINK_CONFIRMATION_TIMEOUT_S: Final = 10 * 60

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

# Block names in the participants' rows of one message: some 2 MB, which take 20 ms to encode.
MESSAGE_BLOCK_NAMES_MAX: Final = 100_000

# A saved study file is read once it is unchanged for longer than an editor takes to fill it.
FILE_SETTLE_S: Final = 0.25

# Size of a study file. A thousand blocks have about 200 kB.
STUDY_MAX_BYTES: Final = 4 * 1024 * 1024

# Size of a request body, except for files. Nothing is larger than a study.
BODY_MAX_BYTES: Final = STUDY_MAX_BYTES

# Size of a change of one config. The largest have some 200 kB; decoding a megabyte takes 20 ms.
PATCH_MAX_BYTES: Final = 1024 * 1024

# Size of the login form. It has a token, of which each character may take three bytes.
LOGIN_MAX_BYTES: Final = 4 * 1024

# Size of one record of results. A questionnaire has some thousand bytes; larger data are files.
RECORD_MAX_BYTES: Final = 64 * 1024

# Records in one batch, and in one read of a stream. Each takes some ten milliseconds.
RECORD_BATCH_MAX: Final = 1000
RECORD_PAGE_MAX: Final = 1000

# Size after which a read of a stream ends. A page of it is decoded in some ten milliseconds.
RECORD_PAGE_MAX_BYTES: Final = 1024 * 1024

# Cells that are written as CSV at a time. They take some ten milliseconds.
CSV_CELLS_MAX: Final = 20_000

# Records of one participant: a day of samples at 10 Hz. Faster ones belong into a file.
PARTICIPANT_RECORDS_MAX: Final = 1_000_000

# Tables of results in one session, and their columns. A wide questionnaire has some hundred.
RESULT_TABLES_MAX: Final = 100
RESULT_COLUMNS_MAX: Final = 2_000

# Size of one file of results. An hour of a tracker at 90 Hz takes about 20 MB.
RESULT_FILE_MAX_BYTES: Final = 32 * 1024 * 1024

# Files that are decoded and written at the same time, each in a thread. Others wait between chunks.
RESULT_FILES_CONCURRENT_MAX: Final = 2

# Size of the chunks in which a file is decoded. A chunk takes some ten milliseconds.
RESULT_CHUNK_BYTES: Final = 128 * 1024

# Fields of a form, and the size of a field that is not the content of a file.
FORM_FIELDS_MAX: Final = 16
FORM_FIELD_MAX_BYTES: Final = 4 * 1024

# An unfinished file is removed after this time. No request takes as long.
RESULT_ABANDONED_AFTER_S: Final = 24 * 60 * 60

# File names whose next number is cached. For others the folder is read again.
RESULT_NAME_CACHE_MAX: Final = 4096

# Names in the path of a file of results, and length of each: below the limit of Windows.
RESULT_PATH_DEPTH_MAX: Final = 8
RESULT_NAME_MAX_LENGTH: Final = 100

# When the server stops, sockets have the first time to receive the notice and again to close, and
# requests have the second to finish. A stop ends within five seconds.
SHUTDOWN_NOTICE_TIMEOUT_S: Final = 0.8
SHUTDOWN_GRACE_S: Final = 2.0
