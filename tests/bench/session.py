"""HTTP to the API server as the bare client has it: kept connections, as many as there are calls at once."""

import ssl

import aiohttp


def open_session(url: str, *, ca: str, token: str) -> aiohttp.ClientSession:
    """Return a session with the credentials of `token`, to be opened and closed as a context manager.

    `ca` is the file of the authority that is trusted.
    """
    connector = aiohttp.TCPConnector(limit=0, ssl=ssl.create_default_context(cafile=ca), keepalive_timeout=55)
    return aiohttp.ClientSession(url, connector=connector, headers={"Authorization": f"Bearer {token}"})
