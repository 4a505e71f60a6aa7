"""Limits of connections, requests and messages."""

from __future__ import annotations

from typing import Final

from experiment_server.limits.study import STUDY_MAX_BYTES

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

# Value of the Retry-After header of a response that a limit caused.
RETRY_AFTER_S: Final = 5

# Length of a token. Ours have some 200 characters.
TOKEN_MAX_LENGTH: Final = 1000

# Interval at which an open socket's token is compared with the clock, which may be set meanwhile.
TOKEN_EXPIRY_INTERVAL_S: Final = 60.0

# Shortest token that experimenters may choose. A shorter one can be guessed.
ADMIN_TOKEN_MIN_LENGTH: Final = 16

# Time from opening a login link to the login, the user's confirmation included.
LINK_CONFIRMATION_TIMEOUT_S: Final = 10 * 60

# Size of a request body, except for files. Nothing is larger than a study.
BODY_MAX_BYTES: Final = STUDY_MAX_BYTES

# Size of a change of one config. The largest have some 200 kB; decoding a megabyte takes 20 ms.
PATCH_MAX_BYTES: Final = 1024 * 1024

# Size of the login form. It has a token, of which each character may take three bytes.
LOGIN_MAX_BYTES: Final = 4 * 1024
