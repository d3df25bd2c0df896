"""What the server counts, for Prometheus; no name, id or content of a client's is among it."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.25, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 900)


class Metrics:
    """Counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.jobs = Counter(
            "twinshot_restorations", "Restorations by how they ended.", ["outcome"], registry=self.registry
        )
        self.seconds = Histogram(
            "twinshot_restoration_seconds", "Seconds a restoration ran.", buckets=_SECONDS, registry=self.registry
        )
        self.requests = Counter(
            "twinshot_requests", "Requests by method and status.", ["method", "status"], registry=self.registry
        )
        self.queue = Gauge("twinshot_queue", "Restorations that wait or are in upload.", registry=self.registry)
        self.storage = Gauge("twinshot_storage_bytes", "Bytes of uploads and results.", registry=self.registry)
        self.starts = Gauge("twinshot_worker_starts", "Worker processes started.", registry=self.registry)
        ProcessCollector(registry=self.registry)

    def text(self) -> bytes:
        """Everything in Prometheus's text format."""
        return generate_latest(self.registry)
