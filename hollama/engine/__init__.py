"""Runs jobs on a loaded model: token ids in, token ids out. Knows no text, names, HTTP or device.

A `Job` is submitted to the `Engine`, whose thread drives the `Scheduler`: at most `parallel` jobs have a slot each,
with a context of the `ContextPool`, an `Answer` and its `Chain` of samplers. A job's tokens never depend on other jobs.
`Texts` to embed take turns with the jobs, on the same contexts: the `Embedder` runs them.
"""

from __future__ import annotations

from hollama.engine.embedding import Pooling, Texts, Vector
from hollama.engine.engine import Engine
from hollama.engine.job import End, Job, Listener, Scored, Token
from hollama.engine.stream import Stream

__all__ = ["End", "Engine", "Job", "Listener", "Pooling", "Scored", "Stream", "Texts", "Token", "Vector"]
