"""Traces of searches, which are kept in a file while they are made."""

import json
import os
import pathlib
import time
from dataclasses import dataclass

import numpy as np
from _proposers import make_proposer

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Run:
    """What a trace is of.

    Attributes
    ----------
    task, data, contender : str
    points : int
        Candidates a round.
    seed : int
    clock : str
        Of CLOCKS.
    jobs : int
        Processes for fits that are not fused.
    """

    task: str
    data: str
    contender: str
    points: int
    seed: int
    clock: str
    jobs: int


class Traces:
    """The rounds of every run, one a line of a JSON-lines file.

    Parameters
    ----------
    path : path or None
        What it holds is read; rounds are appended when they are done. None keeps no file.
    """

    def __init__(self, path):
        self._path = None if path is None else pathlib.Path(path)
        self._rounds = {}
        if self._path is not None and self._path.exists():
            self._read(self._path.read_text())

    def _read(self, text):
        for line in text.splitlines():
            try:
                entry = json.loads(line)
            except ValueError:  # cut while it was written
                continue
            self.of(Run(**entry.pop("run"))).append(entry)
        if text and not text.endswith("\n"):
            self._write("\n")

    def _write(self, text):
        with self._path.open("a") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def of(self, run):
        """Return the list of a run's rounds."""
        return self._rounds.setdefault(run, [])

    def add(self, run, entry):
        """Keep one more round."""
        self.of(run).append(entry)
        if self._path is not None:
            self._write(json.dumps({"run": vars(run), **entry}) + "\n")

    def __iter__(self):
        return iter(self._rounds)


@dataclass
class Curve:
    """A trace by evaluations.

    Attributes
    ----------
    best : ndarray of shape (n_evaluations,)
        The best score so far; 0 before anything worked.
    proposing, evaluating : ndarray of shape (n_evaluations,)
        Seconds until the end of the evaluation's round.
    """

    best: np.ndarray
    proposing: np.ndarray
    evaluating: np.ndarray

    @classmethod
    def of(cls, rounds):
        """Return the curve of some rounds."""
        sizes = [len(entry["scores"]) for entry in rounds]
        scores = [0.0 if s is None else s for entry in rounds for s in entry["scores"]]
        proposing, evaluating = (
            np.repeat(np.cumsum([entry[part] for entry in rounds]), sizes)
            for part in ("proposing", "evaluating")
        )
        return cls(np.maximum.accumulate(scores), proposing, evaluating)

    @property
    def elapsed(self):
        """Seconds until the end of each evaluation's round."""
        return self.proposing + self.evaluating

    def at_evaluation(self, n):
        """Return the best score after `n` evaluations; NaN if there were fewer."""
        return float(self.best[n - 1]) if len(self.best) >= n else np.nan

    def at_second(self, seconds):
        """Return the best score of the rounds done in time; NaN if the trace is shorter."""
        if not len(self.best) or self.elapsed[-1] < seconds:
            return np.nan
        done = self.best[self.elapsed <= seconds]
        return float(done[-1]) if len(done) else 0.0


def is_done(rounds, n_evaluations, seconds):
    """Return whether a trace has so many evaluations and so many seconds."""
    done = sum(len(entry["scores"]) for entry in rounds)
    elapsed = sum(entry["proposing"] + entry["evaluating"] for entry in rounds)
    return done >= n_evaluations and elapsed >= seconds


def extend(traces, run, task, n_evaluations, seconds):
    """Make a run's trace as long as wanted; rounds that it has are replayed, not evaluated.

    Replaying brings the optimizer to where it was. The time to propose a round includes that to
    learn from the one before.

    Parameters
    ----------
    traces : Traces
    run : Run
    task : Task
    n_evaluations : int
    seconds : float
    """
    rounds, clock = traces.of(run), CLOCKS[run.clock]
    proposer = make_proposer(run.contender, task, run.seed)
    n_known, n_done, i = len(rounds), 0, 0
    while i < n_known or not is_done(rounds, n_evaluations, seconds):
        start = clock()
        if i:
            proposer.learn([np.nan if s is None else s for s in rounds[i - 1]["scores"]])
        candidates = proposer.next(run.points)
        if i < n_known:
            check_replay(run, candidates, rounds[i])
        elif not candidates:  # all of a small space is evaluated
            return
        else:
            entry = {"candidates": candidates, "proposing": clock() - start}
            seeds = [10_000 * (run.seed + 1) + n_done + k for k in range(len(candidates))]
            start = clock()
            scores = task.scores(candidates, seeds, run.jobs)
            entry["evaluating"] = clock() - start
            entry["scores"] = [float(s) if np.isfinite(s) else None for s in scores]
            traces.add(run, entry)
        n_done += len(candidates)
        i += 1


def check_replay(run, candidates, entry):
    """Stop where a trace was made by something else."""
    if json.dumps(candidates) != json.dumps(entry["candidates"]):
        raise SystemExit(
            f"The results file has other candidates for {run}: it was made by other versions. "
            "Give another file with --results."
        )
