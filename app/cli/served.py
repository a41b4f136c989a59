"""The application as a worker process of `serve --workers` makes it."""

import multiprocessing
import signal

from fastapi import FastAPI

from app import main
from app.embedded import tie_to_parent


def create_app() -> FastAPI:
    """Make the application, after seeing to it that this worker does not outlive its master.

    A killed master cannot stop its workers, which would go on to answer on its port (uvicorn has no remedy).
    SIGTERM lets them finish what they have begun.
    """
    master = multiprocessing.parent_process()
    if master is not None and master.pid is not None:
        tie_to_parent(signal.SIGTERM, master.pid)
    return main.create_app()
