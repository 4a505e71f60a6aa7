"""The writer's queue: in order, many at a time, and one wake-up for each turn of the loop."""

import threading

import pytest

from experiment_server.store.jobs import JobQueue


@pytest.fixture
def jobs() -> JobQueue[int]:
    return JobQueue()


def test_jobs_are_taken_in_order_and_not_more_than_asked_for(jobs):
    for number in range(5):
        jobs.put(number)
    assert len(jobs) == 5
    assert jobs.take(3, 0) == [0, 1, 2]
    assert jobs.take(3, 0) == [3, 4]
    assert len(jobs) == 0


def test_nothing_is_taken_from_an_empty_queue(jobs):
    assert jobs.take(3, 0) == []


def test_jobs_of_one_turn_wake_their_reader_once(jobs):
    later = []
    jobs.set_wake_scheduler(later.append)
    jobs.put(1)
    jobs.put(2)
    assert len(later) == 1
    assert jobs.take(9, 0) == []
    later.pop()()
    assert jobs.take(9, 0) == [1, 2]
    jobs.put(3)
    later.pop()()
    assert jobs.take(9, 0) == [3]


def test_a_job_of_another_thread_wakes_its_reader_at_once(jobs):
    later = []
    jobs.set_wake_scheduler(later.append)
    jobs.put(1)
    thread = threading.Thread(target=jobs.put, args=(2,))
    thread.start()
    thread.join()
    assert jobs.take(9, 0) == [1, 2]
    # The turn ends, and there is nothing left to take.
    later.pop()()
    assert jobs.take(9, 0) == []


def test_a_closed_queue_is_emptied_before_it_ends(jobs):
    later = []
    jobs.set_wake_scheduler(later.append)
    jobs.put(1)
    jobs.put(2)
    jobs.close()
    assert jobs.take(1, 0) == [1]
    assert jobs.take(1, 0) == [2]
    assert jobs.take(1, 0) is None
