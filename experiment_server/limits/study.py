"""Limits of a study file, of its expansion, and of the report about its design."""

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

# Participants of one design report. No study has more, and the report takes a second.
DESIGN_PARTICIPANTS_MAX: Final = 10_000

# Numbers of participants beyond the requested one that the design report searches for a balanced
# one. The cycle of a square over 11 blocks crossed with one over 10 is 220.
DESIGN_SEARCH_PARTICIPANTS_MAX: Final = 256

# Size of a study file. A thousand blocks have about 200 kB.
STUDY_MAX_BYTES: Final = 4 * 1024 * 1024
