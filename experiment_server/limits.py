"""Every bound of the project, each with the reason for its value."""

from __future__ import annotations

from typing import Final

# The deepest real configs in the field nest five levels; the walkers recurse, and Python stops
# near a thousand frames.
STUDY_NESTING: Final = 64

# Values in one draw. The longest trial lists in the field have a few hundred; the bound keeps a
# mistyped k from filling the memory.
DRAW_SIZE: Final = 100_000

# Items of a random Latin square; its drawing keeps the cube of them in memory.
SQUARED_ITEMS: Final = 100

# Cells that the random walk to a Latin square looks at. Up to 19 items it makes at least as many
# steps as the square has cells times symbols, which is more than it needs to forget where it
# began; beyond, this bound keeps it to about a second.
LATIN_WORK: Final = 2_500_000

# Items of which all orders are dealt: 8 have 40,320, more than a study has participants.
PERMUTED_ITEMS: Final = 8

# Blocks that one factorial block may stand for. The largest designs in the field cross some
# hundred conditions; a mistyped list of levels must not fill the memory.
CROSSED_BLOCKS: Final = 2_000

# A table order keyed 1..n and init blocks keyed 1..m repeat together after lcm(n, m)
# participants; each is tried out when a study is read, and this many take well under a second.
TRIAL_EXPANSIONS: Final = 256

# Values in the configs of one participant. The largest studies in the field have some ten thousand;
# each takes memory for everybody who takes part, and time when an app asks for all of its configs.
EXPANDED_VALUES: Final = 500_000

# Characters of text in the configs of one participant, in all. An app that asks for all of its
# configs gets them in one answer, and writing that one must not hold up the others: this many take
# some 30 ms.
EXPANDED_CHARACTERS: Final = 4_000_000

# Blocks of a study, crossed ones counted each, and blocks that a participant goes through: the
# largest designs in the field have some hundred.
STUDY_BLOCKS: Final = 10_000

# Values in the configs of all blocks of a study together, what they inherit included. Reading this
# many takes some three seconds.
STUDY_VALUES: Final = 1_000_000

# Block names in all orders of a table together: 500 rows of 1,000 blocks each.
ORDER_NAMES: Final = 500_000

# Tables of a study: each is a file that is looked at every second while the study runs.
TABLES: Final = 64

# Errors of a study, and as many warnings, that are told apart: more than anybody reads.
DIAGNOSTICS: Final = 500

# What a study may take that comes over the network, to read it or to report on its design. A study
# of a thousand blocks takes a fifth of a second. Seconds.
READING: Final = 5.0

# And how much memory. Bytes.
READING_MEMORY: Final = 2 * 1024**3

# How long work for all participants goes on before others get their turn. A request takes some five
# turns of the event loop, so it waits some 10 ms for such work. Seconds.
TURN: Final = 0.002

# Objects after which Python looks for garbage among the new ones; how many such looks make one at
# the middle-aged; and how many of those one at all, which is rare enough for the third of a second
# that it takes with 3,000 sockets, and lets at most some 100 MB wait for it.
GARBAGE_THRESHOLDS: Final = (5_000, 5, 50)

# Participants whose orders the server lists in one answer, and block names in them: beyond that
# it lists fewer participants.
ORDERS_LISTED: Final = 500
ORDERED_NAMES: Final = 100_000

# Participants of one design report: more than any study, and still there in a second.
DESIGN_PARTICIPANTS: Final = 10_000

# Participants beyond those of a report among which a better number is looked for. The cycle of a
# square over 11 blocks crossed with one over 10 is 220.
DESIGN_SEARCH: Final = 256

# The largest index that SQLite, PostgreSQL and a JavaScript number all hold exactly.
PARTICIPANT_INDEX: Final = 2**31 - 1

# Block sequences kept in memory: one for everybody who is connected (SOCKETS), and some for those
# who are looked up, so that moving all of them expands nobody anew.
SEQUENCES_CACHED: Final = 12_000

# Settings of all blocks in those sequences: some 100 bytes each, so at most some 200 MB.
SETTINGS_CACHED: Final = 2_000_000

# Snapshots kept with their encodings, for apps that ask again: some 2 kB each.
SNAPSHOTS_CACHED: Final = 12_000

# Commits that wait for the writer. Each belongs to a request that waits too, so this is also the
# number of requests in flight; beyond it the disk has stopped, and saying so is better.
COMMITS_WAITING: Final = 4096

# Commits that share one transaction: bounds how long the first of them waits for the last.
COMMITS_GROUPED: Final = 256

# How long a database server may take to accept a connection: a working one takes milliseconds.
# Seconds.
CONNECT_TIMEOUT: Final = 5.0

# How long a transaction may take: as long as SQLite waits for somebody else's lock, and longer than
# a disk stalls under a backup. What is longer is a network that lost its way. Seconds.
TRANSACTION_TIMEOUT: Final = 8.0

# Bringing a database to a new schema reads and writes all of it. Seconds.
MIGRATION_TIMEOUT: Final = 120.0

# A change that is not committed after this is answered with "not known yet": longer than a
# transaction, and shorter than an app waits. Seconds.
COMMIT_TIMEOUT: Final = 10.0

# How often it is looked whether this server still has its session for itself, and, while nobody
# knows what became of a transaction, whether that can be found out now. Seconds.
SESSION_WATCHED: Final = 2.0

# How long /readyz waits for a trial write; monitors give up after five to ten. Seconds.
READY_TIMEOUT: Final = 4.0

# The outcome of a trial write holds for so long, whoever asks: the door is open to everybody.
# Seconds.
READY_KEPT: Final = 1.0

# A database that refuses is in the log this often; each change tells its caller. Seconds.
REFUSALS_LOGGED: Final = 10.0

# How long the store may take to say that it is there, and to finish when the server stops. With it
# a stop ends within ten seconds, after which Docker kills. Seconds.
STORE_ANSWERS: Final = 3.0

# Rows that one statement writes: SQLite takes 32,766 values, and a state has 10.
ROWS_IN_STATEMENT: Final = 256

# Lost races before a change is given up. Each retry starts from the state that won.
COMMIT_ATTEMPTS: Final = 64

# How long a repeated request still gets its first answer: a headset that lay in a drawer over
# night has given up. Seconds.
REPLIES_KEPT: Final = 24 * 60 * 60

# Old replies are looked for this often. Seconds.
REPLIES_SWEPT: Final = 60 * 60

# Characters of an idempotency key, as the wire contract has it; a UUID has 36.
KEY_LENGTH: Final = 128

# Participants of a session. Everybody's row is in every dashboard's first snapshot, some 500 bytes.
PARTICIPANTS: Final = 50_000

# Connections in all, unless settings say otherwise: each takes some 50 kB here.
CONNECTIONS: Final = 10_000

# Connections from one address, unless settings say otherwise. A whole lab, or a campus behind one
# router, shares one.
CONNECTIONS_PER_ADDRESS: Final = 1_000

# Descriptors that are kept for what is no connection: the database, the study, files that are
# served or received.
DESCRIPTORS_RESERVED: Final = 100

# The headers of a request are one packet; a bad network gets it through in this time. Seconds.
HEADERS_WITHIN: Final = 15.0

# A connection without a request is ended after this long: longer than any of the usual proxies
# keeps one to use it again (the longest two minutes). Seconds.
IDLE_CONNECTION: Final = 130.0

# A body has to bring so many bytes a second, looked at so often. The slowest link on which somebody
# would send a file is ten times as fast. Seconds.
BODY_RATE: Final = 1024
BODY_WATCHED: Final = 20.0

# An answer of which a client takes nothing for this long is given up. Seconds.
UNREAD_ANSWER: Final = 60.0

# Log lines of one kind that are written within so many seconds; the rest is counted.
LOG_LINES_ALIKE: Final = 50
LOG_LINES_WITHIN: Final = 10.0

# A connection that has not said who it is after this long is ended. Seconds.
HELLO_WITHIN: Final = 45.0

# Packets a second that a connection may send over a while, and how many it may send at once: asks,
# greetings and goodbyes, pongs. The fastest apps ask a few times a second; a program in a loop must
# not stop the others.
MESSAGES_PER_SECOND: Final = 100.0
MESSAGES_AT_ONCE: Final = 200.0

# Packets that wait for a client to take them, pushes and answers, and the bytes of those behind
# the first. Who reads gets each within milliseconds; beyond this a client has stopped reading, and
# comes back to a snapshot that has everything.
OUTGOING: Final = 256
OUTGOING_SIZE: Final = 16 * 1024 * 1024

# Comings and goings of one participant's apps that the log takes at once, and how often it takes
# one after that: more than a bad Wi-Fi makes, and a client that connects in a loop does not fill
# the disk. Seconds.
PRESENCE_AT_ONCE: Final = 20
PRESENCE_EVERY: Final = 10.0

# How long somebody is asked to wait who met a limit. Seconds.
RETRY_AFTER: Final = 5

# How often it is looked how late the event loop is. Seconds.
LAG_MEASURED: Final = 1.0

# Characters of a token; ours have some 200.
TOKEN_LENGTH: Final = 1000

# A socket whose token expires is looked at this often, because the clock may be set meanwhile; each
# thing that it asks for is checked anyway. Seconds.
EXPIRY_CHECKED: Final = 60.0

# Characters of an experimenters' token that somebody chooses: shorter ones can be guessed.
ADMIN_TOKEN_LENGTH: Final = 16

# How long a participant's link lets in: a study's season. Seconds.
LINK_VALID: Final = 30 * 24 * 60 * 60

# How long a browser that has followed a link may take until it is let in, or until its user has
# answered that it is meant. Seconds.
LINK_HELD: Final = 10 * 60

# Characters of the reason that somebody gives for a move: a sentence for the log.
REASON_LENGTH: Final = 500

# Characters of a time; those that a snapshot says have 24, and ISO 8601 has no longer form in use.
TIME_LENGTH: Final = 40

# Errors of a refused study that the log quotes; who mends the file sees all of them.
DIAGNOSTICS_LOGGED: Final = 20

# Characters of a session's name.
SESSION_NAME: Final = 100

# The largest id of a log entry that a JavaScript number holds exactly.
EVENT_ID: Final = 2**53 - 1

# Log entries in one answer, and in one read of a stream: some 500 kB.
EVENTS_PAGE: Final = 1000

# A change of one participant reaches the dashboards within this time; changes that fall into it
# travel together, so that moving 300 people at once is one message. Seconds.
DASHBOARD_GATHERING: Final = 0.05

# Block names in the participants' rows of one message: some 2 MB, which take 20 ms to write.
NAMES_PUSHED: Final = 100_000

# A saved study file is read once nothing about it has changed for this long: longer than an editor
# takes between emptying a file and filling it, and shorter than anybody waits. Seconds.
FILE_SETTLES: Final = 0.25

# Bytes of a study file: one of a thousand blocks has about 200 kB.
STUDY_SIZE: Final = 4 * 1024 * 1024

# Bytes of what a client sends; nothing is larger than a study.
BODY_SIZE: Final = STUDY_SIZE

# A change of one participant's config. Real configs have a few kB, the largest some 200; reading
# a megabyte of JSON stops the others for twenty milliseconds.
PATCH_SIZE: Final = 1024 * 1024

# The form of a login has a token, and each of its characters may take three.
LOGIN_SIZE: Final = 4 * 1024

# One file of results: an hour of a tracker at 90 Hz is about 20 MB.
RESULT_SIZE: Final = 32 * 1024 * 1024

# Files that are decoded and written at the same time, by a thread each; the others wait for their
# turn, piece by piece.
RESULTS_AT_ONCE: Final = 2

# Bytes of a file that are decoded at a time: some ten milliseconds.
RESULT_PIECE: Final = 128 * 1024

# Fields of a form, and bytes of what is no content of a file: a name, a path, a header.
FORM_FIELDS: Final = 16
FORM_NAME: Final = 4 * 1024

# A file that was never finished is removed after this long; no request takes as long. Seconds.
RESULT_ABANDONED: Final = 24 * 60 * 60

# Names of files whose numbers are remembered; who forgets looks into the folder again.
RESULT_NAMES_CACHED: Final = 4096

# Names in the path of a file of results, and characters of each: together they stay below what
# Windows takes, if the folder of the study is not deep down itself.
RESULT_DEPTH: Final = 8
RESULT_NAME: Final = 100

# When the server stops, sockets get this long to take their farewell and as long to close, and then
# requests to finish: a stop is over within five seconds. Seconds.
FAREWELL: Final = 0.8
SHUTDOWN_GRACE: Final = 2.0
