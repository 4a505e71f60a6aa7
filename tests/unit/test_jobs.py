"""The writer's queue: groups in order, records beside the rest, one wake-up for each turn."""

import threading

import pytest

from experiment_server.limits.store import (
    COMMIT_GROUP_MAX,
    RECORDS_GROUP_INTERVAL_S,
    RECORDS_GROUP_MAX,
)
from experiment_server.store.jobs import JobQueue


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(clock) -> JobQueue[int]:
    return JobQueue(clock)


def test_jobs_are_taken_in_order_and_no_more_than_a_group(jobs):
    numbers = list(range(COMMIT_GROUP_MAX + 2))
    for number in numbers:
        jobs.put(number)
    assert len(jobs) == len(numbers)
    assert jobs.take(0) == numbers[:-2]
    assert jobs.take(0) == numbers[-2:]
    assert len(jobs) == 0


def test_jobs_with_records_are_taken_up_to_a_number_of_records(jobs, clock):
    half = RECORDS_GROUP_MAX // 2
    for number, records in enumerate([half, half, 1, RECORDS_GROUP_MAX + 1, 1]):
        jobs.put(number, records)
    groups = []
    while group := jobs.take(0):
        groups.append(group)
        clock.now += RECORDS_GROUP_INTERVAL_S
    # A job with more records than a group has one of its own.
    assert groups == [[0, 1], [2], [3], [4]]


def test_jobs_with_records_are_taken_at_intervals_and_others_meanwhile(jobs, clock):
    jobs.put(1, RECORDS_GROUP_MAX)
    jobs.put(2, 1)
    assert jobs.take(0) == [1]
    assert jobs.take(0) == []
    jobs.put(3)
    assert jobs.take(0) == [3]
    clock.now += RECORDS_GROUP_INTERVAL_S
    assert jobs.take(0) == [2]


def test_neither_kind_of_job_waits_for_more_than_a_group_of_the_other(jobs, clock):
    for number in range(6):
        jobs.put(number, RECORDS_GROUP_MAX)
    taken = []
    for number in range(100, 106):
        jobs.put(number)
        taken.append(jobs.take(0))
        clock.now += RECORDS_GROUP_INTERVAL_S
    assert taken == [[100], [0], [101, 102], [1], [103, 104], [2]]


def test_each_kind_of_job_counts_its_own(jobs):
    jobs.put(1, 7)
    jobs.put(2, 1)
    jobs.put(3)
    assert (jobs.waiting(5), jobs.waiting(0), len(jobs)) == (2, 1, 3)


def test_a_closed_queue_gives_its_records_without_intervals(jobs):
    for number in range(3):
        jobs.put(number, RECORDS_GROUP_MAX)
    jobs.close()
    assert [jobs.take(0) for _ in range(4)] == [[0], [1], [2], None]


def test_nothing_is_taken_from_an_empty_queue(jobs):
    assert jobs.take(0) == []


def test_jobs_of_one_turn_wake_their_reader_once(jobs):
    later = []
    jobs.set_wake_scheduler(later.append)
    jobs.put(1)
    jobs.put(2)
    assert len(later) == 1
    assert jobs.take(0) == []
    later.pop()()
    assert jobs.take(0) == [1, 2]
    jobs.put(3)
    later.pop()()
    assert jobs.take(0) == [3]


def test_a_job_of_another_thread_wakes_its_reader_at_once(jobs):
    later = []
    jobs.set_wake_scheduler(later.append)
    jobs.put(1)
    thread = threading.Thread(target=jobs.put, args=(2,))
    thread.start()
    thread.join()
    assert jobs.take(0) == [1, 2]
    # The turn ends, and there is nothing left to take.
    later.pop()()
    assert jobs.take(0) == []


def test_a_closed_queue_is_emptied_before_it_ends(jobs):
    later = []
    jobs.set_wake_scheduler(later.append)
    jobs.put(1)
    jobs.put(2, 1)
    jobs.close()
    assert [jobs.take(0) for _ in range(3)] == [[1], [2], None]
