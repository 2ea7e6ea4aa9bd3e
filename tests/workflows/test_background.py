"""Functions that are called in a thread while another one waits for workers."""

from __future__ import annotations

import threading

import pytest

from branchsweep.workflows.background import in_background


def test_a_function_goes_on_while_its_caller_does_something_else() -> None:
    begun = threading.Event()
    goes_on = threading.Event()

    def wait_for_caller() -> str:
        begun.set()
        assert goes_on.wait(10)
        return threading.current_thread().name

    result = in_background(wait_for_caller)
    assert begun.wait(10)
    goes_on.set()
    assert result() == "wait_for_caller"


def test_its_error_is_raised_where_its_result_is_waited_for() -> None:
    result = in_background(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        result()
