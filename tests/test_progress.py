"""Bars: hidden where a page has its own, in that thread alone."""

import sys
import threading

from textsep_lab.demo.worker import Worker
from textsep_lab.utils.progress import no_progress, progress


def shown() -> bool:
    return not progress([1], "counting", "number").disable


def test_bars_are_hidden_in_one_thread_and_come_back():
    seen = []
    with no_progress():
        other = threading.Thread(target=lambda: seen.append(shown()))
        other.start()
        other.join()
        seen.append(shown())
    assert seen == [True, False] and shown()


def test_a_job_of_the_page_shows_no_bar_and_redirects_nothing():
    seen, worker = [], Worker()
    worker.start("job", lambda _: seen.append((shown(), sys.stderr)), print).result()
    assert seen == [(False, sys.stderr)]
