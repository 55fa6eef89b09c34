"""Shares of the work in processes of their own, each with its own model. Knows no task."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess

from threadpoolctl import threadpool_limits

from hollama.errors import EvaluationError, HollamaError
from hollama.evaluate.work import Result, Share, work

_Message = Result | str | None  # a result, what went wrong, or the end


def in_processes(shares: Sequence[Share]) -> Iterator[Result]:
    """Results of all shares as they come. Raises EvaluationError where a process fails or dies; ends all others."""
    context: SpawnContext = get_context("spawn")  # a fork would inherit threads of BLAS and their locks
    threads = max(1, (os.cpu_count() or 1) // len(shares))
    under_way: dict[Connection, SpawnProcess] = {}
    try:
        for share in shares:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_serve, args=(share, threads, theirs), daemon=True)
            process.start()
            theirs.close()
            under_way[ours] = process
        while under_way:
            for ready in wait(list(under_way)):
                assert isinstance(ready, Connection)
                message = _receive(ready, under_way[ready])
                if message is None:
                    under_way.pop(ready).join()
                    ready.close()
                else:
                    yield message
    finally:
        for pipe, process in under_way.items():
            process.terminate()
            process.join()
            pipe.close()


def _receive(pipe: Connection, process: SpawnProcess) -> Result | None:
    try:
        message: _Message = pipe.recv()
    except EOFError:
        process.join()
        raise EvaluationError(
            f"a process of the evaluation ended with status {process.exitcode}, perhaps for want of memory; with "
            "--results, running the command again goes on from here, and fewer --devices need less memory"
        ) from None
    if isinstance(message, str):
        raise EvaluationError(message)
    return message


def _serve(share: Share, threads: int, pipe: Connection) -> None:
    """In the process: its part of the machine's cores is all it takes."""
    os.environ.setdefault("HOLLAMA_THREADS", str(threads))
    # nobody listens any more once the pipe is broken
    with closing(pipe), threadpool_limits(threads), suppress(BrokenPipeError, KeyboardInterrupt):
        try:
            for result in work(share):
                pipe.send(result)
            pipe.send(None)
        except (HollamaError, OSError) as error:
            pipe.send(str(error))
