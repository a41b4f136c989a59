"""The command line: what operators and newcomers type. One module a group of commands.

Commands parse, call and print; all thought is in the floors below. Heavy things are imported inside the
commands, so that `--help` is quick.
"""

import io
import sys

import typer

from app.cli.console import CommandError, tell
from app.cli.dead_letters import dead_letters
from app.cli.demo import demo
from app.cli.doctor import doctor
from app.cli.hotels import hotels
from app.cli.keys import keys, secrets
from app.cli.matrix import matrix
from app.cli.migrate import migrate
from app.cli.new_vendor import new_vendor
from app.cli.rotation import give_up, rotate_encryption, status
from app.cli.serve import serve
from app.cli.setup import setup
from app.cli.simulate import simulate
from app.cli.worker import worker


def main() -> None:
    """Run the command that was typed; ends the process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a tick must not end the demo on a terminal without one
    try:
        _commands()()
    except CommandError as error:
        tell(f"pms-gateway: {error}")
        sys.exit(error.status)


def _commands() -> typer.Typer:
    app = typer.Typer(
        help="One REST API in front of many hotel property-management systems.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for command in (demo, setup, doctor, serve, worker, migrate, simulate, matrix, secrets, new_vendor):
        app.command()(command)
    for of_keys, name in ((rotate_encryption, "rotate-encryption"), (status, "status"), (give_up, "give-up")):
        keys.command(name)(of_keys)
    app.add_typer(keys, name="keys")
    app.add_typer(hotels, name="hotels")
    app.add_typer(dead_letters, name="dead-letters")
    return app
