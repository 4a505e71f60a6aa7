"""One request each, as the tests' sentences: a method, a path, and what came back."""

from __future__ import annotations

from typing import Any

import aiohttp


async def send(
    http: aiohttp.ClientSession, method: str, path: str, **options: Any
) -> tuple[int, Any]:
    """The status and the JSON of an answer; the options are those of aiohttp's `request`."""
    async with http.request(method, path, **options) as response:
        return response.status, await response.json(content_type=None)


async def read_text(http: aiohttp.ClientSession, path: str) -> str:
    """The text at a path, which has to be there."""
    async with http.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.text()


async def read_json(http: aiohttp.ClientSession, path: str) -> Any:
    """The JSON at a path, which has to be there."""
    async with http.get(path) as response:
        assert response.status == 200, await response.text()
        return await response.json(content_type=None)


async def add_participants(http: aiohttp.ClientSession, *indices: int) -> None:
    """Add participants with these indices, who have to be new."""
    for index in indices:
        async with http.put(f"/api/add-participant/{index}") as response:
            assert response.status == 200, await response.text()
