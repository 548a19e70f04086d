"""Computes a sweep's pieces in this process, in several processes of this machine, or on the workers of a Dask cluster.

Each yields (task, result) as pieces are finished, in any order; the collector puts them in order. If a worker dies,
only its present piece is lost, and another worker computes it.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from yieldbot.backtest.pieces import Result, Task, WorkerInputs, compute
from yieldbot.errors import ConfigError, YieldbotError

if TYPE_CHECKING:
    from concurrent.futures import ProcessPoolExecutor

Crew = Callable[[WorkerInputs, Sequence[Task]], Iterator[tuple[Task, Result]]]

MOST_DEATHS = 3
"""Most workers that may die one after another without a piece being finished in between."""
CONNECT_SECONDS = 10.0
"""How long to wait for an answer of the scheduler."""
IDLE_SECONDS = 60.0
"""How long a cluster may be without any worker."""
AHEAD = 2
"""Pieces handed out at once for each thread of a cluster."""


class WorkersDied(YieldbotError):
    """Workers died again and again before they finished a piece."""


def alone(inputs: WorkerInputs, tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
    """Computes the pieces in this process."""
    digest = inputs.digest
    for task in tasks:
        yield task, compute(inputs, digest, task)


def processes(count: int) -> Crew:
    """A crew of ``count`` processes of this machine; 0: one for each core. They end with this process, however it
    ends."""

    def run(inputs: WorkerInputs, tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
        from concurrent.futures import ProcessPoolExecutor, as_completed
        from concurrent.futures.process import BrokenProcessPool

        several = min(count or os.cpu_count() or 1, len(tasks))
        if several <= 1:
            yield from alone(inputs, tasks)
            return
        waiting, deaths = list(tasks), 0
        while waiting:
            left = dict.fromkeys(waiting)
            pool = ProcessPoolExecutor(several, initializer=_begin, initargs=(inputs, inputs.digest))
            try:
                given = {pool.submit(_run, task): task for task in waiting}
                for future in as_completed(given):
                    result = future.result()
                    del left[given[future]]
                    deaths = 0
                    yield given[future], result
            except BrokenProcessPool:
                deaths += 1
                if deaths > MOST_DEATHS:
                    raise WorkersDied(
                        f"worker processes ended {deaths} times without finishing a piece, as where memory is short: "
                        "write fewer --processes"
                    ) from None
            finally:
                _end(pool)
            waiting = list(left)

    return run


_given: tuple[WorkerInputs, str] | None = None


def _begin(inputs: WorkerInputs, digest: str) -> None:
    """Set up a new worker process: it ignores Ctrl-C (the parent handles it), and ends when the parent does."""
    global _given
    from multiprocessing import parent_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _given = inputs, digest
    if (parent := parent_process()) is not None:

        def watch() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=watch, daemon=True).start()


def _run(task: Task) -> Result:
    assert _given is not None
    return compute(*_given, task)


def _end(pool: ProcessPoolExecutor) -> None:
    """End the processes at once: unfinished pieces are computed by the next sweep."""
    workers = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for worker in workers:
        worker.terminate()
    for worker in workers:
        worker.join()


def cluster(address: str, say: Callable[[str], None]) -> Crew:
    """The workers of the Dask cluster whose scheduler listens at ``address``, as ``tcp://127.0.0.1:8786``.

    Workers may come and go. Raises ConfigError if the extra is missing or no scheduler answers, WorkersDied, and
    YieldbotError if there is no worker for long or the scheduler goes away.
    """

    def run(inputs: WorkerInputs, tasks: Sequence[Task]) -> Iterator[tuple[Task, Result]]:
        client = _client(address)
        try:
            yield from _on_cluster(client, address, inputs, tasks, say)
        finally:
            client.close(timeout=2)

    return run


def _client(address: str) -> Any:
    import logging

    try:
        from distributed import Client
    except ImportError:
        raise ConfigError(
            "--scheduler needs the extra `cluster`: pip install 'yieldbot[cluster]', in an environment where no key is"
        ) from None
    for name in list(logging.root.manager.loggerDict):  # each has a level of its own; what matters is said in our words
        if name.partition(".")[0] == "distributed":
            logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        return Client(address, timeout=CONNECT_SECONDS)  # the default one: `wait` asks for it
    except (OSError, ValueError, ImportError) as failure:  # a timeout is an OSError
        kind = "no scheduler answers" if isinstance(failure, OSError) else str(failure)
        raise ConfigError(
            f"--scheduler {address}: {kind}: write the address that `dask scheduler` prints, as tcp://127.0.0.1:8786"
        ) from None


def _on_cluster(
    client: Any, address: str, inputs: WorkerInputs, tasks: Sequence[Task], say: Callable[[str], None]
) -> Iterator[tuple[Task, Result]]:
    import pickle

    from distributed import KilledWorker, wait

    digest = inputs.digest
    # by a task that the scheduler itself holds, so that it can be made again: scattered data die with their workers
    held = client.submit(_loaded, pickle.dumps(inputs), key=f"yieldbot-{digest}-{os.getpid()}-{time.time_ns()}")
    waiting, flying, deaths = list(reversed(tasks)), dict[Any, Task](), 0
    since = time.monotonic()
    said = False
    while waiting or flying:
        threads = _threads(client)
        if threads:
            since, said = time.monotonic(), False
        elif time.monotonic() - since > IDLE_SECONDS:
            raise YieldbotError(
                f"{address} has had no worker for {IDLE_SECONDS:z.0f} s: start some by `dask worker {address}`"
            )
        elif not said:
            say(f"{address} has no worker: waiting for one (`dask worker {address} --nthreads 1`)")
            said = True
        while waiting and len(flying) < max(1, AHEAD * threads):
            task = waiting.pop()
            flying[client.submit(_on_worker, held, digest, task, pure=False)] = task
        try:
            done = wait(list(flying), timeout=2.0, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            continue
        except Exception as failure:  # futures of a scheduler that is gone are cancelled, by an error of several kinds
            if client.status == "running":
                raise
            raise YieldbotError(f"the scheduler at {address} went away ({type(failure).__name__})") from None
        for future in done:
            task = flying.pop(future)
            if future.status == "cancelled":
                raise YieldbotError(f"the scheduler at {address} went away, or another client cancelled our work")
            try:
                result = future.result()
            except KilledWorker:
                deaths += 1
                if deaths > MOST_DEATHS:
                    raise WorkersDied(
                        f"{deaths} pieces' workers at {address} ended before they finished any, as where memory is "
                        "short: give each more of it"
                    ) from None
                waiting.append(task)
                continue
            deaths = 0
            yield task, result


def _threads(client: Any) -> int:
    return sum(int(one["nthreads"]) for one in client.scheduler_info(n_workers=-1)["workers"].values())


def _loaded(content: bytes) -> WorkerInputs:
    """The inputs, unpacked on a worker (once, then kept)."""
    import pickle

    found = pickle.loads(content)
    assert isinstance(found, WorkerInputs)
    return found


def _on_worker(inputs: WorkerInputs, digest: str, task: Task) -> Result:
    """Compute a piece on a worker. Raises ConfigError if the worker's code differs from that of the process that
    commands the sweep."""
    from yieldbot.backtest.software import software

    if software() != inputs.software:
        raise ConfigError(
            "a worker of the cluster has other code or other versions than this sweep, so its figures could differ: "
            "install the same there"
        )
    return compute(inputs, digest, task)
