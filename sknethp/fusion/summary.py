"""The summary of a ``fused()`` block, in numbers and in a line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from sknethp.fusion.tasks import Task
from sknethp.training.epoch import Epoch


@dataclass
class Summary:
    """Counts of a ``fused()`` block.

    Attributes
    ----------
    tasks : int
        Tasks that joblib handed over.
    fits : int
        Networks trained, fused or not.
    found : int
        Finished fits that were loaded from a memory.
    fused : int
        Networks that shared a population at least once.
    populations : int
        Distinct populations of two or more networks.
    largest : int
        Networks in the largest population.
    not_fused : Counter
        Reasons, and how many networks or tasks each kept apart.
    seconds : float
        From the beginning to the end of the block.
    seconds_training : float
        Spent in training, summed over all worker processes.
    workers : int
        Worker processes; 0 if everything was trained in this one.
    bytes_sent : int
        Sent to a cluster: tasks, and once to each worker (with Ray, each machine) their data.
    choice : str
        Who trained in joblib's last call, and why; empty if ``fused()`` had no choice.
    """

    tasks: int = 0
    found: int = 0
    largest: int = 0
    seconds: float = 0.0
    seconds_training: float = 0.0
    bytes_sent: int = 0
    choice: str = ""
    _tasks_without_net: int = field(default=0, repr=False)
    _trained: dict[Hashable, bool] = field(default_factory=dict, repr=False)
    _seen: set[frozenset] = field(default_factory=set, repr=False)
    _observed: set[Hashable] = field(default_factory=set, repr=False)
    _lone: dict[Hashable, str] = field(default_factory=dict, repr=False)
    _processes: set[Hashable] = field(default_factory=set, repr=False)
    _added: int = field(default=0, repr=False)

    @property
    def fits(self) -> int:
        """Networks trained."""
        return len(self._trained)

    @property
    def fused(self) -> int:
        """Networks that shared a population at least once."""
        return sum(self._trained.copy().values())

    @property
    def populations(self) -> int:
        """Distinct populations of two or more networks."""
        return len(self._seen)

    def count_task(self, task: Task) -> None:
        """Count a task that has ended."""
        if not (task.trains or task.recalls):
            self._tasks_without_net += 1

    def count_lone_fit(self, serial: Hashable | None, reason: str) -> None:
        """Count a fit outside the block's tasks; its network's serial is None if recalled."""
        if serial is None:
            self.found += 1
        else:
            self._lone[serial] = reason
            self._trained[serial] = False

    def count_round(self, epochs: Sequence[Epoch], groups: Sequence[Sequence[int]]) -> None:
        """Count the populations of a round."""
        for group in groups:
            serials = [epochs[i].fit for i in group]
            shared = len(group) > 1
            for serial in serials:
                self._trained[serial] = self._trained.get(serial, False) or shared
            self.largest = max(self.largest, len(group))
            if shared:
                self._seen.add(frozenset(serials))
        self._observed.update(e.fit for e in epochs if e.observer is not None)

    @property
    def workers(self) -> int:
        """Worker processes."""
        return len(self._processes)

    def count_seconds(self, seconds: float, process: Hashable | None) -> None:
        """Count what training has taken here, or in a worker process."""
        self.seconds_training += seconds
        if process is not None:
            self._processes.add(process)

    def add(self, other: Summary, process: Hashable | None) -> None:
        """Add a summary of other networks, whose serials may be the same, from a worker process."""
        self._added += 1

        def here(serial: Hashable) -> Hashable:
            return self._added, serial

        if process is not None:
            self._processes.add(process)
        self.tasks += other.tasks
        self.found += other.found
        self.largest = max(self.largest, other.largest)
        self.seconds_training += other.seconds_training
        self._tasks_without_net += other._tasks_without_net
        self._trained |= {here(serial): shared for serial, shared in other._trained.items()}
        self._seen |= {frozenset(map(here, serials)) for serials in other._seen}
        self._observed |= set(map(here, other._observed))

    @property
    def not_fused(self) -> Counter:
        """Reasons, and how many networks or tasks each kept apart."""
        lone, trained = self._lone.copy(), self._trained.copy()  # other threads may add to them
        alone = {serial for serial, shared in trained.items() if not shared} - lone.keys()
        counted = Counter(lone.values())
        if tasks := self._tasks_without_net:
            counted["tasks that trained no DeepNetClassifier"] = tasks
        if observed := len(alone & self._observed):
            counted["callbacks that follow single batches"] = observed
        if others := len(alone - self._observed):
            counted["no other network of its kind at the same time"] = others
        return counted

    def __str__(self) -> str:
        reasons = [f"{count} × {reason}" for reason, count in self.not_fused.items()]
        parts = [f"sknethp: {self._what_was_done()}, {self.seconds:.1f} s"]
        parts += [self.choice] if self.choice and self.workers else []
        parts += [f"not fused: {', '.join(reasons)}"] if reasons else []
        return "; ".join(parts)

    def _what_was_done(self) -> str:
        found = f"{_counted(self.found, 'fit')} found finished, " if self.found else ""
        if found and not self.fits:
            return f"{found}none to train"
        populations = _counted(self.populations, "population")
        workers = f", {_counted(self.workers, 'worker process', 'es')}" if self.workers else ""
        if self.bytes_sent:
            workers += f" ({self.bytes_sent / self.fits / 1000:,.1f} kB sent per fit)"
        return (
            f"{found}{_counted(self.fits, 'fit')}, {self.fused} of them fused into {populations} "
            f"(largest {self.largest}){workers}"
        )


def _counted(count: int, noun: str, ending: str = "s") -> str:
    return f"{count} {noun}{'' if count == 1 else ending}"
