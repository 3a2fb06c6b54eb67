"""One worker process: settings and metrics from its import on, the gateway from its first request on."""

from __future__ import annotations

import asyncio
import os
import sys
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import PROCESS_COLLECTOR, REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from core.admission.assembly import check_admission
from core.common.clock import Clock, RealClock
from core.common.memory import PerLoop
from core.common.trace_context import NO_TRACER
from core.errors import ConfigurationError
from core.gateway import Gateway, build_gateway
from core.kube.access import check_access, find_access
from core.logs import configure_logging
from core.metrics import LoopTasks, Metrics
from core.settings import Settings, load_settings, traces_asked_for, unknown_variables
from core.signals.rules import rules_in
from functions._sigterm import outlive_sigterm

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from core.common.trace_context import Tracer
    from core.signals.rules import Rules

_metrics: Metrics | None = None
_loop_tasks = LoopTasks(registry=REGISTRY)


class Worker:
    """Holds what lives as long as the process, and what belongs to its event loop.

    Attributes:
        gateway: returns the gateway of the running loop, made at the first call; raises ConfigurationError where the
            access to the API server that is configured cannot be used.
        tracer: returns the tracer of the running loop.
        has_answered: whether a sender was answered already.
    """

    gateway: Callable[[], Awaitable[Gateway]]
    tracer: Callable[[], Awaitable[Tracer]]

    def __init__(
        self,
        *,
        settings: Settings,
        metrics: Metrics,
        logger: logging.Logger,
        clock: Clock,
        rules: Rules | None = None,
        open_tracer: Callable[[], Tracer] = lambda: NO_TRACER,
    ) -> None:
        self._rules = rules
        self.settings = settings
        self.metrics = metrics
        self.logger = logger
        self.clock = clock
        self.gateway = PerLoop(self._build).get
        self.tracer = PerLoop(partial(_opened, open_tracer)).get
        # functions-framework imports the function in the process that the container starts: workers are forks of it.
        self._process_start = _process_start()
        self.has_answered = False

    def started(self) -> None:
        """Note the first answer to a sender: until then its senders waited for this process."""
        self.has_answered = True
        if self._process_start:
            self.metrics.cold_start.set(self.clock.now().timestamp() - self._process_start)

    def exposition(self, accept: str) -> tuple[bytes, str]:
        """Return the metrics as text and its media type: OpenMetrics where the header Accept asks for it."""
        encode, media_type = choose_encoder(accept)
        return encode(self.registry()), media_type

    def registry(self) -> CollectorRegistry:
        """Return what collects the metrics; those of all workers where PROMETHEUS_MULTIPROC_DIR is set."""
        if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
            return REGISTRY
        from functions._multiprocess import WorkersCollector  # noqa: PLC0415

        registry = CollectorRegistry()
        registry.register(WorkersCollector(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])))
        return registry

    async def _build(self) -> Gateway:
        outlive_sigterm()
        _loop_tasks.loop = asyncio.get_running_loop()
        access = await find_access(self.settings, clock=self.clock, warn=self.logger.warning)
        gateway = build_gateway(
            settings=self.settings,
            transport=access.transport(
                connections=self.settings.max_concurrent, call_timeout=self.settings.api_timeout
            ),
            metrics=self.metrics,
            logger=self.logger,
            clock=self.clock,
            rules=self._rules,
            tracer=await self.tracer(),
        )
        gateway.sweeper.start()
        return gateway


def start_worker() -> Worker:
    """Read the settings and make the worker.

    A wrong setting ends the process with one sentence on standard error, and no stack trace.
    """
    try:
        settings = load_settings()
        check_access(settings)
        traced = traces_asked_for()
        _check_packages(settings, traced=traced)
        rules = rules_in(settings.rules)
        dangers = check_admission(settings, host=listening_host(sys.argv, os.environ))
    except ConfigurationError as error:
        raise SystemExit(f"sluice: {error}") from None
    logger = configure_logging(settings)
    for sentence in (*dangers, *unknown_variables()):
        logger.warning(sentence)
    return Worker(
        settings=settings,
        metrics=_process_metrics(),
        logger=logger,
        clock=RealClock(),
        rules=rules,
        open_tracer=_tracer_opener(logger) if traced else lambda: NO_TRACER,
    )


def _tracer_opener(logger: logging.Logger) -> Callable[[], Tracer]:
    from core.tracing import open_tracer  # noqa: PLC0415 - a fifth of a second, for those who asked for traces alone

    return partial(open_tracer, logger=logger)


async def _opened(open_tracer: Callable[[], Tracer]) -> Tracer:
    return open_tracer()


def _check_packages(settings: Settings, *, traced: bool) -> None:
    """Tell at the start, and not at the first poison, that an image of the base set alone was told to do more."""
    needed = {
        "SLUICE_DEAD_LETTER_TOPIC": ("google.pubsub_v1", settings.dead_letter_topic, "requirements.txt"),
        "SLUICE_LOG_SINK": ("google.cloud.logging", settings.log_sink == "cloud-logging", "requirements.txt"),
        "SLUICE_API_SERVER": ("google.auth", settings.api_server, "requirements.txt"),
        "OTEL_*": ("opentelemetry.exporter.otlp.proto.http", traced, "requirements-otel.txt"),
    }
    for name, (package, asked_for, requirements) in needed.items():
        if asked_for and not _is_installed(package):
            raise ConfigurationError(
                f"{name} needs the Python package of {package}, which is not here: build the image with "
                f"--build-arg REQUIREMENTS={requirements}"
            )


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ModuleNotFoundError:  # the package above it is missing
        return False


def listening_host(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Return the address that functions-framework was told to listen on, in its command or in HOST.

    It tells the function nothing of it. Where another program serves the function, that is taken for all addresses.
    """
    host = environ.get("HOST") or "0.0.0.0"  # noqa: S104 - functions-framework's default
    for index, word in enumerate(argv):
        if word == "--host" and index + 1 < len(argv):
            host = argv[index + 1]
        elif word.startswith("--host="):
            host = word.removeprefix("--host=")
    return host


def _process_start() -> float:
    """Return when this process began, in seconds since 1970; 0 where the system does not tell."""
    for family in PROCESS_COLLECTOR.collect():
        if family.name == "process_start_time_seconds":
            return float(family.samples[0].value)
    return 0.0


def _process_metrics() -> Metrics:
    # The default registry takes each name once, and a process may load more than one function.
    global _metrics  # noqa: PLW0603
    if _metrics is None:
        _metrics = Metrics(registry=REGISTRY)
    return _metrics
