"""Memory that is had ahead: what one process wrote to, the next does not wait for."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGES = 1024
SCRIPT = """
import os, resource, sys
from engine.runtime import pages

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def write(data):
    before = faults()
    for at in range(0, len(data), 4096):
        data[at] = 1
    return faults() - before

def child(body):
    pid = os.fork()
    if pid == 0:
        body()
        os._exit(0)
    os.waitpid(pid, 0)

def learn():
    write(data)
    hot.learn(os.getpid())

def take():
    hot.take()
    print(write(data), flush=True)

hot, data = pages.Hot(), bytearray(%d * 4096)
write(data)
child(take)  # nothing is known yet
child(learn)
child(take)
print(hot.is_known)
"""


def test_what_the_first_process_wrote_to_is_copied_ahead_for_the_next() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT % PAGES], cwd=ROOT, check=True, capture_output=True, text=True
    )
    unprepared, prepared, known = done.stdout.split()

    assert known == "True"
    assert int(unprepared) >= PAGES
    assert int(prepared) < PAGES / 10


def test_a_process_that_is_gone_teaches_nothing() -> None:
    script = """
import os
from engine.runtime import pages
hot = pages.Hot()
pid = os.fork()
if pid == 0:
    os._exit(0)
os.waitpid(pid, 0)
try:
    hot.learn(pid)
except OSError:
    print(hot.is_known)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True
    )

    assert done.stdout.strip() == "False"
