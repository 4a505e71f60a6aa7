"""Limits of records of results and of uploaded files."""

from __future__ import annotations

from typing import Final

# Size of one record of results. A questionnaire has some thousand bytes; larger data are files.
RECORD_MAX_BYTES: Final = 64 * 1024

# Records in one batch, and in one read of a stream. Each takes some ten milliseconds.
RECORD_BATCH_MAX: Final = 1000
RECORD_PAGE_MAX: Final = 1000

# Latest records of a table in one answer. For each, a participant's moves may have to be read.
LATEST_RECORDS_MAX: Final = 100

# Size after which a read of a stream ends. A page of it is decoded in some ten milliseconds.
RECORD_PAGE_MAX_BYTES: Final = 1024 * 1024

# Cells that are written as CSV at a time. They take some ten milliseconds.
CSV_CELLS_MAX: Final = 20_000

# Records of one participant: a day of samples at 10 Hz. Faster ones belong into a file.
PARTICIPANT_RECORDS_MAX: Final = 1_000_000

# Tables of results in one session, and their columns. A wide questionnaire has some hundred.
RESULT_TABLES_MAX: Final = 100
RESULT_COLUMNS_MAX: Final = 2_000

# Texts that a codebook lists as the levels of a column, and length of each. More are answers, and
# no conditions.
LEVELS_MAX: Final = 20
LEVEL_MAX_LENGTH: Final = 60

# Size of one file of results. An hour of a tracker at 90 Hz takes about 20 MB.
RESULT_FILE_MAX_BYTES: Final = 32 * 1024 * 1024

# Size of one file that is sent in pieces or as a whole body. An hour of EEG with 64 channels at
# 1 kHz takes about 1 GB. A server that resumes a file of 4 GB hashes it in some ten seconds.
FILE_MAX_BYTES: Final = 4 * 1024 * 1024 * 1024

# Size of one piece. A piece is stored whole or not at all, so a bad network repeats at most this
# much; a client with 10 Mbit/s sends it within half a minute.
FILE_PIECE_MAX_BYTES: Final = 32 * 1024 * 1024

# Files of one participant, and of a session, and the size of all of them. The list of files is held
# in memory, with about 400 bytes each.
PARTICIPANT_FILES_MAX: Final = 10_000
SESSION_FILES_MAX: Final = 100_000
SESSION_FILES_MAX_BYTES: Final = 1024 * 1024 * 1024 * 1024

# Unfinished files of one participant. An app sends a few at the same time.
UNFINISHED_FILES_MAX: Final = 20

# Room that files leave free on their disk, because the database is usually on the same one.
DISK_RESERVE_BYTES: Final = 256 * 1024 * 1024

# Finished files for which a repeat of the last piece is recognised.
FINISHED_FILES_CACHE_MAX: Final = 1000

# Files that are decoded and written at the same time, each in a thread. Others wait between chunks.
RESULT_FILES_CONCURRENT_MAX: Final = 2

# Size of the chunks in which a file is decoded. A chunk takes some ten milliseconds.
RESULT_CHUNK_BYTES: Final = 128 * 1024

# Fields of a form, and the size of a field that is not the content of a file.
FORM_FIELDS_MAX: Final = 16
FORM_FIELD_MAX_BYTES: Final = 4 * 1024

# An unfinished file is removed after this time without a new piece, and the interval at which the
# server looks for such files. No request takes as long.
RESULT_ABANDONED_AFTER_S: Final = 24 * 60 * 60
RESULT_ABANDONED_INTERVAL_S: Final = 60 * 60

# File names whose next number is cached. For others the folder is read again.
RESULT_NAME_CACHE_MAX: Final = 4096

# Names in the path of a file of results, and bytes of each: below the limit of Windows. A longer
# suffix is no type of a file, and is not kept when a name is shortened.
RESULT_PATH_DEPTH_MAX: Final = 8
RESULT_NAME_MAX_LENGTH: Final = 100
RESULT_SUFFIX_MAX_LENGTH: Final = 16
