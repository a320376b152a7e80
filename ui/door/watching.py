"""What a monitoring system asks: `/health` and `/metrics` (Prometheus), for who knows UPDP_METRICS_TOKEN.

Numbers alone: no record, no person, no text. Without a token both are answered as if they were not there, since behind
a proxy of this machine everybody comes from it.
"""

from __future__ import annotations

import hmac
import logging
import sys
from collections.abc import Iterator
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from starlette.responses import JSONResponse, PlainTextResponse, Response

from updp_core.domain import Actor
from updp_core.errors import UpdpError, UsageError
from updp_core.logs import OURS
from updp_core.workbench import Workbench

ACTOR = Actor("monitoring", "administrator")
PATHS = ("/health", "/metrics")
SHORTEST = 16


class Watch(Collector):
    """Answers for one workspace. Raises UsageError for a token that is too short."""

    def __init__(self, workbench: Workbench, token: str) -> None:
        if 0 < len(token) < SHORTEST:
            raise UsageError(f"UPDP_METRICS_TOKEN has at least {SHORTEST} characters, so that nobody guesses it.")
        self.workbench, self.token = workbench, token
        self.errors = _Errors()
        logging.getLogger(OURS).addHandler(self.errors)
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def answer(self, path: str, authorization: str) -> Response:
        """The answer to a GET of one of `PATHS`."""
        if not self.token:
            return PlainTextResponse("Not found", 404)
        if not hmac.compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            return PlainTextResponse("This takes the token of UPDP_METRICS_TOKEN.", 401, {"WWW-Authenticate": "Bearer"})
        try:
            if path == "/metrics":
                return Response(generate_latest(self.registry), media_type=CONTENT_TYPE_LATEST)
            self.workbench.vitals(actor=ACTOR)
        except UpdpError as error:
            return JSONResponse({"status": "failing", "reason": str(error)}, 503)
        return JSONResponse({"status": "ok"})

    def describe(self) -> list[Any]:
        """Nothing is asked of the database before somebody asks."""
        return []

    def collect(self) -> Iterator[Any]:
        """The numbers of this moment."""
        now = self.workbench.vitals(actor=ACTOR)
        records = GaugeMetricFamily("updp_records", "Records by how they stand.", labels=["state"])
        for state, number in now["states"].items():
            records.add_metric([state], number)
        yield records
        for name, text, number in (
            ("updp_records_flagged", "Records with an open flag.", now["flagged"]),
            ("updp_records_released", "Records that have left in a release.", now["released"]),
            ("updp_runs_active", "Generations that are running or paused.", now["active"]),
        ):
            yield GaugeMetricFamily(name, text, value=number)
        for name, text, amount in (
            ("updp_candidates", "Candidates ever made.", now["candidates"]),
            ("updp_decisions", "Verdicts, flags and what took them back, ever.", now["decisions"]),
            ("updp_audit_events", "Events in the audit trail.", now["events"]),
            ("updp_run_records", "Records that runs have finished.", now["run_records"]),
            ("updp_run_failures", "Records that failed in runs.", now["run_failures"]),
            ("updp_run_seconds", "Seconds that runs have worked.", now["run_seconds"]),
            ("updp_log_errors", "Errors that this process has logged.", self.errors.number),
        ):
            yield CounterMetricFamily(name, text, value=amount)
        yield from _gpus()


class _Errors(logging.Handler):
    """Counts errors of ours."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.number = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.number += 1


def _gpus() -> Iterator[Any]:
    """Memory of each GPU in bytes, once torch is loaded; nothing where there is no GPU."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available():
        return
    free = GaugeMetricFamily("updp_gpu_memory_free_bytes", "Free memory of a GPU.", labels=["gpu"])
    total = GaugeMetricFamily("updp_gpu_memory_total_bytes", "Memory of a GPU.", labels=["gpu"])
    for index in range(torch.cuda.device_count()):
        left, whole = torch.cuda.mem_get_info(index)
        free.add_metric([str(index)], left)
        total.add_metric([str(index)], whole)
    yield free
    yield total
