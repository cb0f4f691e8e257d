import threading

import pytest

from napari_unet.base.prefetch import ahead

WAIT = 10  # s, for what happens at once


def test_results_come_in_order():
    assert list(ahead(lambda n: n * n, range(6), "squares")) == [0, 1, 4, 9, 16, 25]
    assert list(ahead(lambda n: n, [], "nothing")) == []


def test_the_next_is_begun_before_the_first_is_taken():
    begun = [threading.Event() for _ in range(3)]

    def work(n):
        begun[n].set()
        return n

    results = ahead(work, range(3), "work")
    assert next(results) == 0
    assert begun[1].wait(WAIT)  # nobody asked for it yet
    assert not begun[2].is_set()  # one ahead, not all
    assert list(results) == [1, 2]


def test_work_is_done_in_one_thread_of_that_name():
    names = list(ahead(lambda _: threading.current_thread().name, range(3), "my-work"))
    assert len(set(names)) == 1
    assert names[0].startswith("my-work")


def test_an_error_is_raised_in_its_turn():
    results = ahead(lambda n: 1 // (2 - n), range(4), "division")
    assert next(results) == 0
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_an_error_of_the_items_is_raised():
    def items():
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ahead(lambda n: n, items(), "items"))


def test_what_was_begun_before_an_error_of_the_items_comes_first():
    def items():
        yield 1
        yield 2
        raise OSError("gone")

    results = ahead(lambda n: 10 * n, items(), "items")
    assert [next(results), next(results)] == [10, 20]
    with pytest.raises(OSError, match="gone"):
        next(results)


def test_closing_waits_for_what_runs_and_leaves_no_thread():
    before = threading.active_count()
    finished = []
    go = threading.Event()

    def work(n):
        if n:
            assert go.wait(WAIT)
        finished.append(n)

    results = ahead(work, range(9), "work")
    next(results)
    threading.Timer(0.05, go.set).start()
    results.close()
    assert finished in ([0], [0, 1])  # the second may not have been begun
    assert not [t for t in threading.enumerate() if t.name.startswith("work")]
    assert threading.active_count() <= before + 1  # the timer


def test_stages_overlap():
    """Reading the third, computing the second and taking the first happen together."""
    third_read, first_taken = threading.Event(), threading.Event()

    def read(n):
        if n == 2:
            third_read.set()
        return n

    def compute(n):
        if n == 1:
            assert first_taken.wait(WAIT)
        return n

    results = ahead(compute, ahead(read, range(4), "read"), "compute")
    assert next(results) == 0
    assert third_read.wait(WAIT)
    first_taken.set()
    assert list(results) == [1, 2, 3]
