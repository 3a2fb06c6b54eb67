"""google.pubsub.v1.Publisher, the part that publishes, as a gRPC server in this process."""

from __future__ import annotations

from typing import Any, Self

import grpc
from google.pubsub_v1 import PublishRequest, PublishResponse

_SERVICE = "google.pubsub.v1.Publisher"


class PubSubServer:
    """A context manager: inside it `address` listens, and `requests` are what was published.

    Refusals in `refusals`, each a status code and what is said, are answered first, one to each request.
    """

    def __init__(self) -> None:
        self.address = ""
        self.requests: list[Any] = []
        self.calls = 0
        self.refusals: list[tuple[Any, str]] = []
        self._server = grpc.aio.server()
        handler = grpc.unary_unary_rpc_method_handler(
            self._publish,
            request_deserializer=PublishRequest.deserialize,
            response_serializer=PublishResponse.serialize,
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Publish": handler}),))

    async def __aenter__(self) -> Self:
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        await self._server.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.stop(grace=None)

    @property
    def messages(self) -> list[Any]:
        """All messages published, oldest first."""
        return [message for request in self.requests for message in request.messages]

    async def _publish(self, request: Any, context: Any) -> Any:
        self.calls += 1
        if self.refusals:
            code, said = self.refusals.pop(0)
            await context.abort(code, said)
        self.requests.append(request)
        return PublishResponse(message_ids=[str(len(self.requests))])
