"""`pms-gateway simulate`: the simulated PMSs by themselves."""

from typing import Annotated

import typer

from app.cli.console import tell


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8900,
) -> None:
    """Serve a simulator of every vendor, each below /{vendor}/demo, until told to stop."""
    from app.cli.serving import listening_socket, run_server, stops_quietly
    from app.simulators.server import Simulators, demo_hotels, server_config

    with stops_quietly():
        listening = listening_socket(host, port, hint="--port chooses another one")

        def announce() -> None:
            for hotel in demo_hotels(f"http://{host}:{port}"):
                tell(f"{hotel.body['vendor']}: {hotel.body['base_url']}")

        run_server(server_config(Simulators(), host=host, port=port), listening, announce=announce)
