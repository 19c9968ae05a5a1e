"""Processes that are gone, and those that only look like it."""

import os
import subprocess
import sys

import pytest

from deepcollapse.store import process
from deepcollapse.store.process import is_gone, machine, process_began

linux = pytest.mark.skipif(machine() is None, reason="the system does not tell processes apart")


@linux
def test_this_process_is_there():
    began = process_began(os.getpid())
    assert began
    assert not is_gone(pid=os.getpid(), on=machine(), began=began)


@linux
def test_a_number_that_was_given_again_is_gone():
    began = process_began(os.getpid())
    assert is_gone(pid=os.getpid(), on=machine(), began=began - 1)


@linux
def test_an_ended_process_is_gone_even_before_its_parent_looks():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    began = process_began(child.pid)
    assert not is_gone(pid=child.pid, on=machine(), began=began)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(pid=child.pid, on=machine(), began=began)  # its remains are still there
    child.communicate()
    assert is_gone(pid=child.pid, on=machine(), began=began)


@linux
def test_of_other_machines_nothing_is_known():
    began = process_began(os.getpid())
    assert not is_gone(pid=os.getpid(), on="another boot", began=began - 1)
    assert not is_gone(pid=os.getpid(), on=None, began=None)


@linux
def test_a_hidden_process_is_asked_for(monkeypatch, tmp_path):
    began, here = process_began(os.getpid()), machine()
    monkeypatch.setattr(process, "_PROC", tmp_path)
    assert process_began(os.getpid()) is None
    assert not is_gone(pid=os.getpid(), on=here, began=began)
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert is_gone(pid=child.pid, on=here, began=began)


def test_a_system_that_does_not_say(monkeypatch, tmp_path):
    monkeypatch.setattr(process, "_PROC", tmp_path)
    machine.cache_clear()
    assert machine() is None
    machine.cache_clear()
