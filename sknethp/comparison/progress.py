"""A line for each model that has finished a fold."""

from __future__ import annotations

from sknethp.comparison.evaluation import Result
from sknethp.fusion.progress import tell, wanted


class Progress:
    """Tells what was finished, and about how long the rest will take."""

    def __init__(self, progress: bool | None, n_models: int, n_folds: int, metric: str):
        self._is_wanted = wanted(progress)
        self._n_models, self._n_folds, self._metric = n_models, n_folds, metric
        self._seconds: dict[str, list[float]] = {}

    def show(self, model: str, fold: int, result: Result) -> None:
        """Print a line."""
        seconds = result.fit_seconds + result.predict_seconds
        self._seconds.setdefault(model, []).append(seconds if seconds == seconds else 0.0)
        if not self._is_wanted:
            return
        score = next(iter(result.scores.values()))
        what = f"failed: {result.failure}" if result.failure else f"{self._metric} {score:.4f}"
        tell(
            f"sknethp: fold {fold + 1} of {self._n_folds}, {model}: {what}, {seconds:.0f} s"
            f"{self._rest(fold)}"
        )

    def _rest(self, fold: int) -> str:
        """Say how long the rest will take, by what each model took so far."""
        means = {name: sum(s) / len(s) for name, s in self._seconds.items()}
        n_left = sum(self._n_folds - len(s) for s in self._seconds.values())
        unknown = (self._n_models - len(means)) * self._n_folds
        usual = sum(means.values()) / len(means)
        left = sum(means[n] * (self._n_folds - len(s)) for n, s in self._seconds.items())
        left += unknown * usual
        if not n_left + unknown:
            return ""
        return f"; about {left / 60:.0f} min left" if left >= 90 else f"; about {left:.0f} s left"
