"""Shares of the work on a Ray cluster, or on a Ray of this machine's own where RAY_ADDRESS names none.

Every machine needs hollama, and the model and the data under the same paths. Knows no task.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterator, Sequence

from hollama.errors import EvaluationError
from hollama.evaluate.work import Result, Share, work


def require_ray() -> None:
    """Raises EvaluationError."""
    if not importlib.util.find_spec("ray"):
        raise EvaluationError("--ray: Ray is not installed; pip install 'hollama[ray]' here and on all machines")


def on_ray(shares: Sequence[Share]) -> Iterator[Result]:
    """Results of all shares as they come. Raises EvaluationError where one fails."""
    require_ray()
    ray = importlib.import_module("ray")
    started = not ray.is_initialized()
    if started:
        ray.init(log_to_driver=False, configure_logging=False)
    task = ray.remote(work).options(num_returns="streaming", scheduling_strategy="SPREAD", max_retries=0)
    under_way = [task.remote(share) for share in shares]
    try:
        while under_way:
            ready, under_way = ray.wait(under_way, num_returns=1)
            for stream in ready:
                try:
                    result: Result = ray.get(next(stream))
                except StopIteration:
                    continue
                under_way.append(stream)
                yield result
    except ray.exceptions.RayError as error:
        reason = getattr(error, "cause", None) or error
        raise EvaluationError(f"on Ray: {reason}") from error
    finally:
        if started:
            ray.shutdown()
