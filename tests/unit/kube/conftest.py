from collections.abc import AsyncIterator, Callable

import pytest

from core.kube.access import Access
from core.kube.transport import HttpTransport, StaticToken, TokenSource
from tests.unit.kube.certificates import Authority

LONG = 600.0  # seconds; no test waits for its end


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The cluster's CA."""
    return Authority(tmp_path_factory.mktemp("cluster-ca"), "cluster-ca")


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """A CA that has nothing to do with the cluster."""
    return Authority(tmp_path_factory.mktemp("other-ca"), "other-ca")


Connect = Callable[..., HttpTransport]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes transports to a URL or by an Access, and closes them."""
    made: list[HttpTransport] = []

    def make(to: str | Access, *, tokens: TokenSource | None = None, connections: int = 4) -> HttpTransport:
        access = to if isinstance(to, Access) else Access(to, None, tokens or StaticToken())
        made.append(
            HttpTransport(
                server=access.server,
                tls=access.tls,
                tokens=access.tokens,
                user_agent="sluice/test",
                connections=connections,
                server_name=access.server_name,
                connect_timeout=LONG,
            )
        )
        return made[-1]

    yield make
    for transport in made:
        await transport.close()
