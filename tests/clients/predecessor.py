"""Drives a server with the client of whichever Python runs this: the predecessor's, or ours.

Takes host and port, prints each answer as a line of JSON.
"""

import json
import logging
import sys

from experiment_server import Client

logging.disable(logging.CRITICAL)

client = Client(sys.argv[1], sys.argv[2])
CALLS = [
    ("server_is_active",),
    ("get_blocks_count",),
    ("get_config",),
    ("move_to_next",),
    ("get_config",),
    ("server_is_active",),
    ("get_all_configs",),
    ("move_to_block", 3),
    ("move_to_block", 99),
    ("new_participant",),
    ("add_participant", 5),
    ("add_participant", 5),
    ("add_participant", 0),
    ("move_to_next", 5),
    ("move_to_block", 4, 5),
    ("move_to_next", 5),
    ("server_is_active", 5),
    ("get_config", 44),
    ("move_to_next", 44),
    ("shutdown",),
]
for call in CALLS:
    name, arguments = str(call[0]), call[1:]
    print(json.dumps([[name, *arguments], getattr(client, name)(*arguments)]), flush=True)
