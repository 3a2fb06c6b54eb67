"""`sluice dead-letters`: lists, shows and sends again what the dead letter sink keeps."""

from __future__ import annotations

import asyncio
import json
import os
import re
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - Typer reads the types
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
import yaml
from rich.table import Table
from rich.text import Text

from core.common.clock import RealClock
from core.common.resilience import Deadline
from core.kube.access import find_access
from core.kube.errors import ConflictError, NotFoundError
from core.kube.transport import ApiRequest
from core.local.cluster import BROKERS, client_over, named_context, transport_by
from core.local.demo import harmless_url
from core.local.places import chosen_settings, look_at
from core.local.shell import USAGE, CommandError, new_console
from core.local.viewing.commands import Context, Namespace  # noqa: TC001 - Typer reads the types
from core.local.viewing.rows import Output, age
from core.local.web import HttpAnswer, call
from core.triggers.dead_letter import DEAD_LETTERS, from_object, to_request

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from core.kube.client import KubeClient
    from core.kube.transport import Transport
    from core.settings import Settings
    from core.triggers.dead_letter import DeadLetter

    Send = Callable[[DeadLetter], Awaitable[HttpAnswer]]

JsonObject = dict[str, Any]

_SECONDS = 600.0
_ANSWER_SECONDS = 15.0
_PAGE = 50
_IN_CLUSTER = re.compile(
    r"(?P<scheme>https?)://(?P<service>[^./]+)\.(?P<namespace>[^./:]+)\.svc[^/:]*(?P<port>:\d+)?(?P<path>/.*)?"
)
_COLUMNS = ("NAME", "TYPE", "OBJECT", "CODE", "ANSWER", "BYTES", "AGE")
_ANSWER_LENGTH = 60

Form = Annotated[Output, typer.Option("--output", "-o", help="How to show them.")]


def list_command(*, context: Context = "", namespace: Namespace = "", output: Form = Output.TABLE) -> None:
    """List events that could not be delivered, the oldest first."""

    async def work() -> None:
        async with _opened(context, namespace) as store:
            kept = await store.all()
        if output is not Output.TABLE:
            _write(kept, output)
        elif kept:
            new_console().print(_table(kept))
        else:
            new_console(stderr=True).print(f"No dead letters in {store.place}.", markup=False, soft_wrap=True)

    asyncio.run(work())


def show_command(
    name: Annotated[str, typer.Argument(help="Its name, or the start of it.")],
    *,
    context: Context = "",
    namespace: Namespace = "",
    output: Annotated[Output, typer.Option("--output", "-o", help="yaml, json, or name.")] = Output.YAML,
) -> None:
    """Show one event: its attributes, why it was not delivered, and its data."""

    async def work() -> None:
        async with _opened(context, namespace) as store:
            obj = _named(await store.all(), name, store.place)
        _write([obj], Output.YAML if output is Output.TABLE else output, one=True)

    asyncio.run(work())


def send_command(
    names: Annotated[list[str] | None, typer.Argument(help="Their names, or the starts of them.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Send all there are.")] = False,
    context: Context = "",
    namespace: Namespace = "",
    broker: Annotated[str, typer.Option(help="The Broker of that namespace to send them to.")] = "sluice",
    url: Annotated[str, typer.Option(help="Send them to this URL instead, a function's for example.")] = "",
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token for --url, where senders have tokens.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave those that were taken where they are.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Send; without it, say what would be sent.")] = False,
) -> None:
    """Send events again, to the Broker by way of the API server; those that are taken are deleted."""
    if bool(names) == everything:
        raise CommandError("name the dead letters to send, or say --all", exit_code=USAGE)
    if token_file and not url:
        raise CommandError(
            "--token-file is for --url: on the way to a Broker the API server takes a token away", exit_code=USAGE
        )
    token = _token_in(token_file)

    async def work() -> bool:
        async with _opened(context, namespace) as store:
            kept = await store.all()
            chosen = kept if everything else [_named(kept, name, store.place) for name in names or ()]
            target = harmless_url(url, settings=store.settings, yes=yes) if url else f"Broker {broker}"
            if not (yes or url):
                raise CommandError(
                    f"nothing was sent; --yes sends {_counted(len(chosen))} of {store.place} to {target}",
                    exit_code=USAGE,
                )
            send = _to_url(target, token=token) if url else await store.to_broker(broker)
            return await _send_all(store, chosen, send, keep=keep)

    if not asyncio.run(work()):
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Store:
    """The dead letters of one namespace."""

    client: KubeClient
    transport: Transport
    settings: Settings
    place: str
    deadline: Deadline

    async def all(self) -> list[JsonObject]:
        """Return all objects, the oldest first."""
        pages = self.client.pages(DEAD_LETTERS, namespace=self.settings.namespace, size=_PAGE, deadline=self.deadline)
        found = [each async for page in pages for each in page.items]
        return sorted(found, key=lambda obj: (obj["metadata"]["creationTimestamp"], obj["metadata"]["name"]))

    async def delete(self, obj: JsonObject) -> None:
        """Delete one, unless somebody else has."""
        seen = obj["metadata"]
        with suppress(NotFoundError, ConflictError):
            await self.client.delete(
                DEAD_LETTERS,
                namespace=self.settings.namespace,
                name=seen["name"],
                preconditions={"uid": seen["uid"]},
                deadline=self.deadline,
            )

    async def to_broker(self, name: str) -> Send:
        """Return what sends to a Broker through the API server's proxy of its Service.

        Raises:
            CommandError: there is no such Broker, its address is not that of a Service, or it asks for tokens.
        """
        try:
            reply = await self.client.get(BROKERS, namespace=self.settings.namespace, name=name, deadline=self.deadline)
        except NotFoundError as error:
            raise CommandError(f"there is no Broker {name} in {self.place}; name it by --broker") from error
        address = (reply.obj.get("status") or {}).get("address") or {}
        url = str(address.get("url") or "")
        path = proxy_path(url)
        if not path:
            raise CommandError(
                f"the address of the Broker {name} is {url or 'not known yet'}, no Service of the cluster; "
                "send by --url, from where that is reached"
            )
        if address.get("audience"):
            raise CommandError(_way_with_token(url, audience=str(address["audience"]), settings=self.settings))

        async def send(event: DeadLetter) -> HttpAnswer:
            headers, body = to_request(event)
            request = ApiRequest(method="POST", path=path, body=body, content_type=headers["Content-Type"])
            answer = await self.transport.send(request, timeout=_ANSWER_SECONDS)
            return HttpAnswer(answer.status, answer.body)

        return send


def proxy_path(address: str) -> str:
    """Return the API server's path that leads to a Service's URL inside the cluster; empty where it is none."""
    found = _IN_CLUSTER.fullmatch(address)
    if not found:
        return ""
    port = found["port"] or (":443" if found["scheme"] == "https" else ":80")
    service = f"{found['scheme']}:{found['service']}{port}"
    return f"/api/v1/namespaces/{found['namespace']}/services/{service}/proxy{found['path'] or '/'}"


def _way_with_token(url: str, *, audience: str, settings: Settings) -> str:
    """Say how to send to a Broker that asks for tokens (Eventing's authentication-oidc), which the proxy takes away."""
    parts = urlsplit(url)
    service, namespace = (parts.hostname or "").split(".")[:2]
    whose = f"kubectl get apiserversource -n {settings.namespace}"
    return (
        "nothing was sent: the Broker asks for a token, which the API server's proxy takes away. Forward a port to it, "
        "and send with a token of an account that its EventPolicy admits, as the source's is:\n"
        f"  kubectl port-forward -n {namespace} service/{service} 8081:{parts.port or 80} &\n"
        f"  account=$({whose} -o jsonpath='{{.items[0].status.auth.serviceAccountName}}')\n"
        f"  kubectl create token -n {settings.namespace} $account --audience {audience} >token\n"
        f"  sluice dead-letters send --all --yes --url http://127.0.0.1:8081{parts.path or '/'} --token-file token"
    )


def _to_url(url: str, *, token: str) -> Send:
    async def send(event: DeadLetter) -> HttpAnswer:
        headers, body = to_request(event)
        if token:
            headers["Authorization"] = f"Bearer {token}"
        return await asyncio.to_thread(call, url, body=body, timeout=_ANSWER_SECONDS, headers=headers)

    return send


def _token_in(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"--token-file {file} cannot be read: {error}", exit_code=USAGE) from error


async def _send_all(store: _Store, chosen: list[JsonObject], send: Send, *, keep: bool) -> bool:
    taken = 0
    for obj in chosen:
        name, event = obj["metadata"]["name"], from_object(obj)
        if event.cut:
            _say(f"{name} is left out: it was too long to be kept whole ({event.size} bytes)")
            continue
        answer = await send(event)
        if answer.status >= 300:
            _say(f"{name} was answered {answer.status}: {answer.sentence}")
            continue
        taken += 1
        if not keep:
            await store.delete(obj)
    new_console().print(Text(f"{taken} of {_counted(len(chosen))} taken."), soft_wrap=True)
    return taken == len(chosen)


@asynccontextmanager
async def _opened(context: str, namespace: str) -> AsyncIterator[_Store]:
    look_at(context)
    settings, clock = chosen_settings(context, namespace), RealClock()
    access = await find_access(settings, clock=clock, context=context)
    transport = transport_by(access, settings)
    named = "" if settings.api_server else named_context(os.environ.get("KUBECONFIG", ""), context=context)
    place = ", ".join(part for part in (f"namespace {settings.namespace}", named, access.server) if part)
    async with client_over(transport, settings, clock=clock) as client:
        yield _Store(
            client=client,
            transport=transport,
            settings=settings,
            place=place,
            deadline=Deadline(clock=clock, seconds=_SECONDS),
        )


def _named(kept: list[JsonObject], name: str, place: str) -> JsonObject:
    found = [each for each in kept if each["metadata"]["name"].startswith(name)]
    exact = [each for each in found if each["metadata"]["name"] == name]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if not found:
        raise CommandError(f'no dead letter is named "{name}" in {place}')
    names = ", ".join(each["metadata"]["name"] for each in found[:5])
    raise CommandError(f'{len(found)} dead letters are named "{name}...": {names}')


def _table(kept: list[JsonObject]) -> Table:
    shown = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    now = RealClock().now()
    for column in _COLUMNS:
        shown.add_column(column, no_wrap=True, justify="right" if column == "BYTES" else "left")
    for obj in kept:
        event, metadata = from_object(obj), obj["metadata"]
        cells = (
            metadata["name"],
            event.attributes.get("type", ""),
            event.attributes.get("subject", "") or event.attributes.get("id", ""),
            event.failure.get("code", ""),
            event.failure.get("answer", "")[:_ANSWER_LENGTH],
            str(event.size),
            age(metadata["creationTimestamp"], now=now),
        )
        shown.add_row(*map(Text, cells))
    return shown


def _write(objects: list[JsonObject], output: Output, *, one: bool = False) -> None:
    if output is Output.NAME:
        typer.echo("".join(f"deadletter/{each['metadata']['name']}\n" for each in objects), nl=False)
        return
    whole: Any = objects[0] if one else {"apiVersion": "v1", "kind": "List", "metadata": {}, "items": objects}
    if output is Output.JSON:
        typer.echo(json.dumps(whole, indent=2, ensure_ascii=False))
    else:
        typer.echo(yaml.safe_dump(whole, sort_keys=False, allow_unicode=True), nl=False)


def _say(sentence: str) -> None:
    new_console(stderr=True).print(Text(f"sluice: {sentence}", style="yellow"), soft_wrap=True)


def _counted(number: int) -> str:
    return f"{number} dead letter{'s' * (number != 1)}"
