"""A signal that comes while C code runs is raised when it has come back, and never lost."""

import os
import signal

import pytest

from textsep_lab.utils.signals import signals_wait


@pytest.mark.skipif(os.name == "nt", reason="no signals")
@pytest.mark.parametrize("fails", [False, True])
def test_ctrl_c_waits_for_the_end_of_the_block_and_is_raised_there(fails):
    done = []
    with pytest.raises(KeyboardInterrupt), signals_wait():
        os.kill(os.getpid(), signal.SIGINT)
        done.append(1)
        if fails:
            raise ValueError("also this")
    assert done == [1] and signal.getsignal(signal.SIGINT) is signal.default_int_handler
