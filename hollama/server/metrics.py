"""GET /metrics, for Prometheus: the library counts, if it is installed. Knows no request but by its record.

Labels have few values: routes are those of the table, models those that are installed; nothing is as a client sent it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from aiohttp import web

from hollama.errors import HollamaError
from hollama.runtime.runtime import Runtime
from hollama.server.records import Record
from hollama.types import Heard

if TYPE_CHECKING:
    from prometheus_client import Metric

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)
_RATES = (1, 2, 5, 10, 20, 30, 50, 75, 100, 150, 200, 500, 1000)  # tokens a second
_COUNTS = {
    "prompt_tokens": "Tokens of prompts",
    "cached_tokens": "Of those, the ones that were in the prefix cache",
    "generated_tokens": "Tokens of answers",
    "drafted_tokens": "Guesses of what an answer says next",
    "accepted_tokens": "Of those, the right ones",
}
_MISSING = "metrics need the package prometheus-client, which is not installed: pip install 'hollama[metrics]'"


class NotInstalled(HollamaError):
    status = 501


def routes(metrics: Metrics | None) -> list[web.RouteDef]:
    async def show(request: web.Request) -> web.Response:
        if metrics is None:
            raise NotInstalled(_MISSING)
        return metrics.page()

    return [web.get("/metrics", show, allow_head=False)]


def make_metrics(runtime: Runtime) -> Metrics | None:
    """None where the library is not installed."""
    try:
        return Metrics(runtime)
    except ImportError:
        return None


class Metrics:
    """What is counted since the server began, and what there is when the page is asked for."""

    def __init__(self, runtime: Runtime) -> None:
        """Raises ImportError."""
        import prometheus_client as library

        self._library = library
        self._registry = library.CollectorRegistry()
        self._registry.register(Residents(runtime))
        counter = partial(library.Counter, namespace="hollama", registry=self._registry)
        histogram = partial(library.Histogram, namespace="hollama", registry=self._registry)
        model, route = ("model",), ("route",)
        self._counts = {name: counter(name, text, model) for name, text in _COUNTS.items()}
        self._first = histogram(
            "time_to_first_token_seconds", "From a request to its first token", model, buckets=_SECONDS
        )
        self._rate = histogram("tokens_per_second", "Of an answer, after its first token", model, buckets=_RATES)
        self._requests = counter("requests", "Requests that have ended", ("method", "route", "status"))
        self._seconds = histogram("request_seconds", "What requests took", route, buckets=_SECONDS)

    def keep(self, record: Record) -> None:
        self._requests.labels(record.method, record.route, str(record.status)).inc()
        self._seconds.labels(record.route).observe(record.seconds)

    def hear(self, heard: Heard) -> None:
        counted = heard.statistics
        for name, counter in self._counts.items():
            counter.labels(heard.model).inc(getattr(counted, name))
        if counted.first_token_ns:
            self._first.labels(heard.model).observe(counted.first_token_ns / 1e9)
        if counted.generated_tokens > 1 and counted.generation_ns:
            rate = (counted.generated_tokens - 1) * 1e9 / counted.generation_ns
            self._rate.labels(heard.model).observe(rate)

    def page(self) -> web.Response:
        body = self._library.generate_latest(self._registry)
        return web.Response(body=body, headers={"Content-Type": self._library.CONTENT_TYPE_LATEST})


class Residents:
    """The loaded models as they are now; nothing of it is kept anywhere else."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily

        residents = self._runtime.residents()
        yield GaugeMetricFamily("hollama_models_loaded", "Models that are loaded", len(residents))
        yield GaugeMetricFamily("hollama_loads_waiting", "Requests that wait for a load", self._runtime.waiting)
        gauges = {
            name: GaugeMetricFamily(f"hollama_{name}", text, labels=("model",))
            for name, text in (
                ("jobs_running", "Answers under way"),
                ("jobs_waiting", "Answers that wait for a slot"),
                ("model_memory_bytes", "Memory of weights and contexts"),
                ("kv_pages_used", "Pages of KV memory in use, kept prefixes among them"),
                ("kv_pages", "Pages of KV memory"),
            )
        }
        for resident in residents:
            of_pages = zip(("kv_pages_used", "kv_pages"), resident.pages, strict=True)
            values = {"jobs_running": resident.running, "jobs_waiting": resident.waiting, **dict(of_pages)}
            for name, value in {**values, "model_memory_bytes": resident.memory}.items():
                gauges[name].add_metric((resident.model.name.short,), value)
        yield from gauges.values()
