"""What may stand between a client and its server, and answers in the server's place."""

from __future__ import annotations

import asyncio

from tests.clients.conformance import Network

BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 24\r\n"
    b"Connection: close\r\n\r\n<h1>502 Bad Gateway</h1>\n"
)
LOGIN_PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 24\r\n"
    b"Connection: close\r\n\r\n<h1>Guests, log in</h1>\n\n"
)
LOGIN_REDIRECT = (
    b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Gateway(Network):
    """Passes on to the server, or answers by itself while it `says` something."""

    def __init__(self, upstream: int) -> None:
        super().__init__()
        self.upstream = upstream
        self.says: bytes | None = None
        self.asked: list[str] = []

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.says is None:
            await super()._serve(reader, writer)
            return
        header = await reader.readuntil(b"\r\n\r\n")
        self.asked.append(header.decode())
        writer.write(self.says)
        writer.write_eof()
        await reader.read()
