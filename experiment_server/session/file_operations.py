"""The operation on the files of a session. The server's routes receive and send their content."""

from __future__ import annotations

from experiment_server.session.operations import operation
from experiment_server.session.parameters import OnlyParticipant
from experiment_server.session.requests import Request
from experiment_server.session.running import RunningSession
from experiment_server.wire.files import FileInfo


class FileOperations(RunningSession):
    """The operation on the files of a session."""

    @operation("GET", "The files that apps have sent")
    async def files(self, _request: Request, participant: OnlyParticipant) -> list[FileInfo]:
        """The files that apps have sent, in the order in which they arrived."""
        return [file.on_wire() for file in await self.file_log.files(participant)]
