"""The processes of a training, one a device: started for it, or by a launcher; the first one leads the others."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, NoReturn

from tunesmith.core.errors import UserError
from tunesmith.train.devices import PATIENCE, broadcast, check_shard, here, join, launched, leave

if TYPE_CHECKING:
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not say that it is public

Work = Callable[[], object]  # what all processes do together; it travels to them
GRACE_S = 20.0  # between a process that failed and the end of the first one, where that one waits for it in vain
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Ranks:
    """How many processes a training has, and who starts them."""

    processes: int = 1
    shard: bool = False
    on_this_machine: int = 1
    by_launcher: bool = False
    rank: int = 0

    @property
    def in_key(self) -> dict[str, object]:
        """What a checkpoint's KEY knows of them: sums of other parts round differently."""
        kind = "fsdp" if self.shard else "ddp"
        return {"devices": {"processes": self.processes, "kind": kind}} if self.processes > 1 else {}

    def idle_gpus(self, gpus: int) -> str | None:
        """What to tell of GPUs that are not used."""
        if gpus <= self.on_this_machine:
            return None
        return f"{gpus} GPUs are here and {self.on_this_machine} is used: --processes {gpus} trains on all of them."


def ranks_of(processes: int | None, shard: bool, environment: Mapping[str, str]) -> Ranks:
    """The processes that a launcher started, as the environment says, or that were asked for; raises UserError."""
    found = launched(environment)
    if found.world == 1:
        check_shard(shard, processes or 1)
        return Ranks(processes or 1, shard, processes or 1)
    if processes not in (None, found.world):
        raise UserError(
            f"--processes {processes}, but a launcher has started {found.world}.",
            "Leave --processes out under torchrun or accelerate launch.",
        )
    return Ranks(found.world, shard or found.shard, found.on_this_machine, by_launcher=True, rank=found.rank)


@contextmanager
def together(ranks: Ranks, work: Work) -> Iterator[None]:
    """While the block does its own part of the work, the other processes do theirs."""
    if ranks.processes == 1:
        yield
    elif ranks.by_launcher:
        _join_launched(ranks)
        broadcast(work)
        yield
    else:
        with _companions(ranks):
            broadcast(work)
            yield
            broadcast(None)


def take_part(ranks: Ranks) -> None:
    """Be one of the other processes that a launcher started: do what the first one says, until it has no more."""
    _join_launched(ranks)
    _obey()


def dismiss(ranks: Ranks) -> None:
    """Tell processes that a launcher started that there is no more to do."""
    if ranks.by_launcher:
        _join_launched(ranks)
        broadcast(None)
        leave()


def _join_launched(ranks: Ranks) -> None:
    if here().world == 1:
        join(rank=ranks.rank, world=ranks.processes, shard=ranks.shard)


def _obey() -> None:
    while True:
        work: Work | None = broadcast(None)
        if work is None:
            return leave()
        work()


@contextmanager
def _companions(ranks: Ranks) -> Iterator[None]:
    """The other processes, on this machine; they end with the block, and with this process however it ends."""
    if sys.platform == "linux":
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    store = _store(ranks, 0, is_main=True)
    with TemporaryDirectory() as folder, ExitStack() as stack:
        others = [_Companion(rank, ranks, store.port, Path(folder)) for rank in range(1, ranks.processes)]
        for other in others:
            stack.callback(other.end)
        watch = _Watch(others)
        stack.callback(watch.stop)
        try:
            join(rank=0, world=ranks.processes, shard=ranks.shard, store=store)
            yield
            for other in others:
                other.wait()
        except SystemExit:  # asked to end: all leave at the same step
            for other in others:
                other.wait()
            raise
        except BaseException as error:
            failure = None if isinstance(error, (UserError, KeyboardInterrupt)) else watch.failure()
            for other in others:
                other.end()  # before we leave, which may wait for them
            if failure is None:
                raise
            raise failure from error
        finally:
            leave()


class _Companion:
    """One of the other processes. What it writes to stderr is kept for when it fails."""

    def __init__(self, rank: int, ranks: Ranks, port: int, folder: Path) -> None:
        self.name = f"process {rank + 1} of {ranks.processes}"
        self.log = folder / f"{rank}.log"
        command = [sys.executable, "-m", __name__, str(rank), str(ranks.processes), str(int(ranks.shard)), str(port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "LOCAL_RANK": str(rank)},
                stdin=subprocess.PIPE,  # it ends when this closes, with us
                stdout=subprocess.DEVNULL,
                stderr=log,
            )

    def wait(self) -> None:
        """Let it end by itself, for a while."""
        try:
            self.process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()

    def end(self) -> None:
        """End it now, if it has not ended."""
        self.process.kill()
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

    def failure(self) -> UserError | None:
        """Why it ended, if it failed."""
        code = self.process.poll()
        if not code:
            return None
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        said = self.log.read_text("utf-8", errors="replace").strip()
        return UserError(
            f"The training ended, because {self.name} {how}{':' if said else '.'}\n{said}".rstrip(),
            "Run the same command again: it goes on where it stopped.",
        )


class _Watch:
    """Looks after the other processes: a GPU waits for a dead one in vain, and then this process must end as well."""

    def __init__(self, others: list[_Companion]) -> None:
        self.others = others
        self._over = threading.Event()
        threading.Thread(target=self._look, daemon=True).start()

    def failure(self) -> UserError | None:
        """Why the first that failed did; waits a moment, as a broken connection is noticed before the end."""
        until = time.monotonic() + 5.0
        while time.monotonic() < until:
            for other in self.others:
                if found := other.failure():
                    return found
            time.sleep(0.05)
        return None

    def stop(self) -> None:
        """All is well, or is being looked after."""
        self._over.set()

    def _look(self) -> None:
        while not self._over.wait(0.5):
            failures = [found for other in self.others if (found := other.failure())]
            if failures and not self._over.wait(GRACE_S):
                sys.stderr.write(f"Error: {failures[0]}\n")
                sys.stderr.flush()
                os._exit(1)


def _store(ranks: Ranks, port: int, *, is_main: bool) -> TCPStore:
    """Where the processes of this machine meet; the first one picks a free port."""
    from torch.distributed import TCPStore  # type: ignore[attr-defined]  # torch does not say that it is public

    return TCPStore(LOOPBACK, port, ranks.processes, is_main, timeout=PATIENCE, wait_for_workers=False)


def _end_with_the_first() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def main() -> NoReturn:
    """One of the other processes, as `_Companion` starts it."""
    rank, processes, shard, port = map(int, sys.argv[1:])
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    ranks = Ranks(processes, bool(shard))
    try:
        join(rank=rank, world=processes, shard=ranks.shard, store=_store(ranks, port, is_main=False))
        _obey()
    except UserError as error:
        sys.exit(f"Error: {error}")
    sys.exit(0)


if __name__ == "__main__":
    main()
