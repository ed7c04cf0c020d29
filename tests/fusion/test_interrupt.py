"""Ctrl-C in a fused search: it ends at once, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPT = """
import signal, sys, threading, warnings
from pathlib import Path
import torch
from joblib.parallel import get_active_backend
from sklearn import get_config
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch.callbacks import Callback
from sknethp import DeepNetClassifier, fused

class Started(Callback):
    def __init__(self, path):
        self.path = path

    def on_epoch_begin(self, net, **kwargs):
        if len(net.history) == 2:
            Path(self.path).touch()

def state():
    threads = {thread.name for thread in threading.enumerate() if "sknethp" in thread.name}
    backend = type(get_active_backend()[0]).__name__
    return torch.get_num_threads(), list(warnings.filters), get_config(), backend, threads

def search(max_epochs, **parameters):
    net = DeepNetClassifier(hidden_units=4, max_epochs=max_epochs, **parameters)
    names = {"deepnetclassifier__lr": [1e-3, 1e-2]}
    return GridSearchCV(make_pipeline(StandardScaler(), net), names, cv=2)

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in a shell's background
    signal.alarm(120)  # whatever happens to the test, it does not run for hours
    n_jobs = eval(sys.argv[1])
    X, y = load_iris(return_X_y=True)
    search(2).fit(X, y)  # some imports change the filters
    before = state()
    try:
        with fused(n_jobs, silent=True):
            search(1_000_000, callbacks=[Started(sys.argv[2])]).fit(X, y)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    assert state() == before, (state(), before)
    with fused(n_jobs, silent=True) as summary:
        search(2).fit(X, y)
    assert summary.fused == 4, summary
    print("the next search works", flush=True)
"""


def start(script, *arguments, **variables):
    """Start a script in a session of its own, with more variables in its environment."""
    return subprocess.Popen(
        [sys.executable, *map(str, (script, *arguments))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        text=True,
        env=os.environ | variables,
    )


def processes_of_session(session):
    """Return the numbers of the processes that belong to a session."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def wait_for(condition, seconds):
    """Wait until something is the case; return whether it is."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
@pytest.mark.parametrize("whole_group", [False, True])
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_interrupt(tmp_path, n_jobs, whole_group):
    """A search that would take hours ends within seconds, and the next works."""
    script, started = tmp_path / "script.py", tmp_path / "started"
    script.write_text(SCRIPT)
    process = start(script, n_jobs, started)
    try:
        assert wait_for(lambda: started.exists() or process.poll() is not None, 50)
        # From a terminal, workers get the signal too.
        send = os.killpg if whole_group else os.kill
        send(process.pid, signal.SIGINT)
        assert process.stdout.readline() == "interrupted\n", process.stderr.read()
        output, errors = process.communicate(timeout=50)
        assert output == "the next search works\n", errors
        assert process.returncode == 0
        assert wait_for(lambda: not processes_of_session(process.pid), 10)
    finally:
        for left in processes_of_session(process.pid):
            os.kill(left, signal.SIGKILL)
        process.communicate()
