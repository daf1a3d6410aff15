"""Tasks run in threads or worker processes: in order, few at a time, and never longer than the run itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from tests.core.executor_tasks import die, fail_on_seven, my_pid, slow_square

from tunesmith.core.errors import UserError
from tunesmith.core.executor import IN_FLIGHT, Lane, LocalExecutor, usable_cores


@pytest.mark.parametrize("lane", ["threads", "processes"])
@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_items(workers: int, lane: Lane) -> None:
    found = list(LocalExecutor(workers).map(slow_square, list(range(20)), lane=lane))
    assert found == [number * number for number in range(20)]


def test_one_worker_and_one_item_stay_in_this_process() -> None:
    assert list(LocalExecutor(1).map(my_pid, [1, 2, 3])) == [os.getpid()] * 3
    assert list(LocalExecutor(8).map(my_pid, [1])) == [os.getpid()]
    assert os.getpid() not in list(LocalExecutor(2).map(my_pid, [1, 2, 3]))


def test_few_tasks_are_in_flight_however_many_there_are() -> None:
    begun: list[int] = []
    lock = threading.Lock()

    def note(number: int) -> int:
        with lock:
            begun.append(number)
        return number

    results = LocalExecutor(2).map(note, list(range(1000)), lane="threads")
    next(results)
    time.sleep(0.1)
    assert len(begun) <= IN_FLIGHT * 2 + 1
    assert [*results] == list(range(1, 1000))


@pytest.mark.parametrize("lane", ["threads", "processes"])
def test_what_a_task_raises_is_raised_in_its_place(lane: Lane) -> None:
    results = LocalExecutor(2).map(fail_on_seven, list(range(20)), lane=lane)
    assert [next(results) for _ in range(7)] == list(range(7))
    with pytest.raises(ValueError, match="seven"):
        next(results)


def test_a_worker_that_was_killed_is_told_as_what_it_most_likely_is() -> None:
    with pytest.raises(UserError, match=r"a worker process was killed, most likely for want of memory"):
        list(LocalExecutor(2).map(die, [1, 2]))


def test_no_worker_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    code = Path(__file__).with_name("executor_tasks.py")
    parent = subprocess.Popen([sys.executable, str(code), str(tmp_path)])
    workers = _wait_for(lambda: [int(path.name) for path in tmp_path.iterdir()], 2)
    assert all(_is_alive(worker) for worker in workers)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _wait_for(lambda: [worker for worker in workers if not _is_alive(worker)], 2)


def _wait_for(found: object, count: int) -> list[int]:
    for _ in range(600):
        if len(result := found()) == count:  # type: ignore[operator]  # a function
            return list(result)
        time.sleep(0.05)
    raise AssertionError("waited for half a minute")


def _is_alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(") ")[2][0] != "Z"


def test_the_cores_of_this_process_are_counted() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)
