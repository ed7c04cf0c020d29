"""AutoGluon in an environment of its own: as a classifier here, and as the process it runs in.

The process is started, and has imported everything, before `fit` is called. It is told "fit" or
"predict" on its standard input, finds the arrays in a folder, and answers "done" or what failed.
"""

import contextlib
import functools
import importlib
import itertools
import os
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

TRAIN, TEST, PROBABILITIES = "train.npz", "test.npy", "probabilities.npy"
BACKENDS = ("lightgbm", "catboost", "xgboost", "torch", "fastai", "ray")
FIND_VERSION = f"""
from importlib.metadata import version
from importlib.util import find_spec
missing = [name for name in {BACKENDS} if find_spec(name) is None]
print(version("autogluon.tabular"), *(["without", ", ".join(missing)] if missing else []))
"""


class AutoGluon:
    """A TabularPredictor with a time limit, run by the Python of another environment."""

    def __init__(self, python, preset, seconds, n_cores):
        self.folder = tempfile.TemporaryDirectory(prefix="autogluon-")
        command = [python, "-E", __file__, self.folder.name, preset, str(seconds), str(n_cores)]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # AutoGluon warns even when it is told to be silent
            text=True,
        )
        self.wait()

    def wait(self):
        """Wait for the answer to the latest request."""
        answer = self.process.stdout.readline().strip()
        if answer != "done":
            raise RuntimeError(answer or "AutoGluon's process ended without an answer.")

    def ask(self, request):
        """Have the process do one thing."""
        self.process.stdin.write(f"{request}\n")
        self.process.stdin.flush()
        self.wait()

    def fit(self, X, y):
        """Fit to arrays."""
        np.savez(pathlib.Path(self.folder.name, TRAIN), X=X, y=y)
        self.classes_ = np.unique(y)
        self.ask("fit")
        return self

    def predict_proba(self, X):
        """Return the probabilities of the classes in ascending order."""
        np.save(pathlib.Path(self.folder.name, TEST), X)
        self.ask("predict")
        return np.load(pathlib.Path(self.folder.name, PROBABILITIES))

    def predict(self, X):
        """Return the most probable classes."""
        return self.classes_[self.predict_proba(X).argmax(axis=1)]


@functools.cache
def find_version(python):
    """Return AutoGluon's version in another Python's environment, and which libraries it lacks."""
    try:
        done = subprocess.run([python, "-E", "-c", FIND_VERSION], capture_output=True, text=True)
    except OSError as error:
        raise SystemExit(f"--autogluon: {python} cannot be run ({error}).") from None
    if done.returncode:
        raise SystemExit(f"--autogluon: {python} has no autogluon.tabular; install it there.")
    return f"autogluon.tabular {done.stdout.strip()}"


def serve(folder, preset, seconds, n_cores):
    """Answer requests until standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # so that nothing else is taken for an answer
    handle = None
    for line in itertools.chain(["start"], sys.stdin):
        try:
            if handle is None:
                handle = start(pathlib.Path(folder), preset, seconds, n_cores)
            else:
                handle(line.strip())
            print("done", file=answers, flush=True)
        except Exception as error:
            print(" ".join(repr(error).split()), file=answers, flush=True)


def start(folder, preset, seconds, n_cores):
    """Import what AutoGluon needs and return the function that does what is asked for."""
    for name in BACKENDS:  # which AutoGluon imports in `fit` only
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    predictor = TabularPredictor(
        "target", eval_metric="log_loss", path=folder / "models", verbosity=0
    )

    def frame(X):
        return pd.DataFrame(X, columns=[f"column {i}" for i in range(X.shape[1])])

    def handle(request):
        if request == "fit":
            train = np.load(folder / TRAIN)
            predictor.fit(
                frame(train["X"]).assign(target=train["y"]),
                presets=preset,
                time_limit=seconds,
                num_cpus=n_cores,
                num_gpus=0,
            )
        else:
            table = predictor.predict_proba(frame(np.load(folder / TEST)), as_multiclass=True)
            np.save(folder / PROBABILITIES, table[sorted(table)].to_numpy())

    return handle


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
