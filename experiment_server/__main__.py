"""`python -m experiment_server`: the command line."""

from experiment_server.cli.main import main

main(prog_name="experiment-server")
