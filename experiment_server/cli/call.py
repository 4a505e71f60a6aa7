"""`call`: call the operations of a running server."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

import click

from experiment_server.errors import ServerRefused

if TYPE_CHECKING:
    from experiment_server.session.operations import Kind, Operation, Parameter
    from experiment_server.wire.values import JsonValue


@click.command(
    name="call",
    epilog="Examples: `experiment-server call participants`, "
    "`experiment-server call move-to-next participant_index=7 reason='headset froze'`, "
    "`experiment-server call update-config participant_index=7 patch='{\"speed\": 5}'`. "
    "Without OPERATION, all of them are listed.",
)
@click.argument("operation", required=False)
@click.argument("parameters", nargs=-1, metavar="[NAME=VALUE]...")
@click.option(
    "--server",
    default="http://127.0.0.1:5000",
    show_default=True,
    metavar="URL",
    help="The address that `run` prints.",
)
@click.option(
    "--token",
    envvar="EXPERIMENT_SERVER_ADMIN_TOKEN",
    metavar="TOKEN",
    help="The experimenters' token, where the server needs one. "
    "Also taken from EXPERIMENT_SERVER_ADMIN_TOKEN.",
)
def command(
    operation: str | None, parameters: tuple[str, ...], server: str, token: str | None
) -> None:
    """Call an OPERATION of a running server, as its dashboard and REST do."""
    from experiment_server.session.session import OPERATIONS

    if operation is None:
        for known in OPERATIONS.values():
            takes = " ".join(f"{item.name}=" for item in known.parameters)
            click.echo(f"{known.name:<20}{known.summary}" + (f"  ({takes})" if takes else ""))
        return
    if operation not in OPERATIONS:
        raise click.UsageError(
            f"there is no operation {operation!r}; there is {', '.join(OPERATIONS)}"
        )
    request = _request(
        OPERATIONS[operation], _parse_parameters(OPERATIONS[operation], parameters), server
    )
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    click.echo(_send(request, server), nl=False)


def _parse_parameters(operation: Operation, parameters: tuple[str, ...]) -> dict[str, str]:
    known = [item.name for item in operation.parameters]
    given = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        if not equals or name not in known:
            takes = ", ".join(f"{item}=..." for item in known) or "nothing"
            raise click.UsageError(f"{operation.name} takes {takes}; got {text!r}")
        given[name] = value
    return given


def _request(operation: Operation, given: Mapping[str, str], server: str) -> urllib.request.Request:
    from experiment_server.server.rest import paths
    from experiment_server.server.security import CLI_AGENT
    from experiment_server.session.operations import Location

    def given_in(place: Location) -> dict[str, str]:
        return {
            item.name: given[item.name]
            for item in operation.parameters
            if item.location is place and item.name in given
        }

    in_path = given_in(Location.PATH)
    wanted = {f"{{{name}}}" for name in in_path}
    matching = [path for path in paths(operation) if _placeholders(path) == wanted]
    if not matching:
        needed = ", ".join(item.name for item in operation.parameters if _is_required_in_path(item))
        raise click.UsageError(f"{operation.name} needs {needed}")
    path = matching[0]
    for name, value in in_path.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    query = urlencode(given_in(Location.QUERY))
    body = "".join(given_in(Location.BODY).values())
    if members := given_in(Location.BODY_MEMBER):
        kinds = {item.name: item.kind for item in operation.parameters}
        values = {name: _parse_member(name, kinds[name], text) for name, text in members.items()}
        body = json.dumps({**given_in(Location.BODY), **values})
    request = urllib.request.Request(  # noqa: S310 - the user's own server
        f"{server.rstrip('/')}{path}" + (f"?{query}" if query else ""),
        method=operation.method,
        data=body.encode() if body else None,
        headers={"User-Agent": CLI_AGENT, "Content-Type": "application/json"},
    )
    for tag in given_in(Location.IF_MATCH).values():
        request.add_header("If-Match", f'"{tag}"')
    return request


def _parse_member(name: str, kind: Kind, text: str) -> JsonValue:
    from experiment_server.session.operations import Kind

    if kind is Kind.TEXT:
        return text
    try:
        value: JsonValue = json.loads(text)
    except ValueError:
        raise click.UsageError(f"{name} has to be JSON, got {text!r}") from None
    return value


def _placeholders(path: str) -> set[str]:
    return {part for part in path.split("/") if part.startswith("{")}


def _is_required_in_path(parameter: Parameter) -> bool:
    from experiment_server.session.operations import Location, Requirement

    return parameter.location is Location.PATH and parameter.requirement is Requirement.REQUIRED


def _send(request: urllib.request.Request, server: str) -> str:
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310
            body = response.read().decode()
            if not body:
                return ""
            if response.headers.get_content_type() != "application/json":
                return str(body if body.endswith("\n") else f"{body}\n")
            return json.dumps(json.loads(body), indent=2, ensure_ascii=False) + "\n"
    except urllib.error.HTTPError as error:
        with error:
            raise ServerRefused(_error_detail(error.read(), str(error))) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ServerRefused(f"no answer from {server}: {reason}; is the server running?") from None


def _error_detail(body: bytes, otherwise: str) -> str:
    try:
        problem = json.loads(body)
        return str(problem["detail"])
    except (ValueError, KeyError, TypeError):
        return otherwise
