"""One thread for long work, so that the page stays alive. Taught in notebook 06."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from textsep_lab.session.session import Cancelled
from textsep_lab.utils.progress import no_progress

Job = Callable[[Callable[[], bool]], None]


class Worker:
    """Does one job after the other; a new job of a kind cancels the earlier ones of that kind.

    Example:
        >>> worker, done = Worker(), []
        >>> worker.start("count", lambda cancelled: done.append(cancelled()), print).result()
        >>> done
        [False]
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, "textsep")
        self._newest: Counter[str] = Counter()

    def start(self, kind: str, job: Job, failed: Callable[[str], None]) -> Future:
        """Do `job` soon.

        Args:
            job: is given a function that says whether it was cancelled.
            failed: is told in one sentence what went wrong.
        """
        self.cancel(kind)
        number = self._newest[kind]
        return self._pool.submit(self._do, job, lambda: self._newest[kind] != number, failed)

    def cancel(self, kind: str) -> None:
        """Let no job of that kind have an effect any more."""
        self._newest[kind] += 1

    def _do(self, job: Job, cancelled: Callable[[], bool], failed: Callable[[str], None]) -> None:
        if cancelled():
            return
        try:
            with no_progress():
                job(cancelled)
        except Cancelled:
            pass
        except Exception as error:  # the app is to outlive whatever happens here
            if not cancelled():
                failed(sentence(error))


def sentence(error: Exception) -> str:
    """Return an error in one sentence: the package's own as they are, others with their kind.

    Example:
        >>> sentence(ValueError("The query is empty.")), sentence(KeyError("x"))
        ('The query is empty.', "Something went wrong here (KeyError: 'x'): try something else.")
    """
    if isinstance(error, ValueError | OSError | ImportError) and str(error):
        return str(error)
    if isinstance(error, MemoryError):
        return "There is not enough memory for this recording: cut it first."
    return f"Something went wrong here ({type(error).__name__}: {error}): try something else."
