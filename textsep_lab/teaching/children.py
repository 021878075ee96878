"""Processes that end with their parent, and their own children with them, whatever ends it.

A kernel has a session of its own, which Ctrl-C does not reach; so all are found and killed.
Taught in notebook 00.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait

import psutil


def end_with_parent() -> None:
    """Let this process of a pool, with its children, end when its parent is no more."""
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is for the parent alone, who ends the others
    threading.Thread(target=_wait_for_the_end, daemon=True).start()


def _wait_for_the_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        kill(os.getpid())


def kill(process: int) -> None:
    """Kill all that descend from a process, and itself."""
    with suppress(psutil.NoSuchProcess):
        root = psutil.Process(process)
        for each in [*root.children(recursive=True), root]:
            with suppress(psutil.NoSuchProcess):
                each.kill()


@contextmanager
def ended_on_failure() -> Iterator[None]:
    """Kill the processes that were started in the block if it fails or is interrupted.

    Raises:
        ChildProcessError: one of them was killed.
    """
    before = multiprocessing.active_children()
    try:
        yield
    except BaseException as error:
        for each in multiprocessing.active_children():
            if each not in before and each.pid is not None:
                kill(each.pid)
        if isinstance(error, BrokenProcessPool):
            raise ChildProcessError(
                "A process that ran a notebook was killed, perhaps for want of memory: run fewer "
                "at once."
            ) from error
        raise


@contextmanager
def deaf_to_ctrl_c() -> Iterator[None]:
    """Start processes that ignore Ctrl-C until they can look after themselves."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
