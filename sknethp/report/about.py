"""What was run, in words: the data, the search, and the lines that make and load a model."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sknethp.display.scales import label_of
from sknethp.report.files import PIPELINE, Run
from sknethp.report.search import SearchTable

_METHODS = {
    "auto": "nets that tune themselves (DeepNetClassifierCV)",
    "grid": "grid search",
    "random": "random search",
    "bayes": "Bayesian search",
    "grow": "growing layers",
}
_MOST_NAMES = 12
_HELD_OUT = "test_"
_COMPUTED = ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "roc_auc_ovr")

Facts = list[tuple[str, str]]


def title_of(run: Run) -> str:
    """Return the name of the data, without folders and endings."""
    name = Path(str(run.settings["data"].get("name") or "data")).name
    return name.split(".")[0] or name


def data_facts(run: Run) -> Facts:
    """Return what the data are, as pairs of term and text."""
    data, settings = run.settings["data"], run.settings
    columns, numbers = data.get("columns", []), data.get("numbers", [])
    facts = [("Source", str(settings["arguments"].get("data", data.get("name", ""))))]
    if "n_rows" in data:
        facts.append(("Rows", _rows(settings)))
    facts.append(("Columns", f"{len(columns)}, {len(numbers)} of them numeric: {_listed(columns)}"))
    facts.append(("Label", f"{data.get('target')}"))
    facts.append(("Classes", f"{len(run.classes)}: {_listed(run.classes)}"))
    if data.get("group"):
        facts.append(("Groups", f"rows with the same {data['group']} stay together"))
    if dropped := settings["arguments"].get("drop"):
        facts.append(("Left out", ", ".join(map(str, dropped))))
    return facts


def _rows(settings: Mapping[str, Any]) -> str:
    text = f"{settings['data']['n_rows']:,}"
    if "n_held_out" in settings:
        text += f": {settings['n_train']:,} to tune on, {settings['n_held_out']:,} held out"
    return text


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(map(str, names[:_MOST_NAMES]))
    return f"{shown}, …" if len(names) > _MOST_NAMES else shown


def tried_facts(run: Run, search: SearchTable | None) -> Facts:
    """Return what was tried, as pairs of term and text."""
    given = run.settings["arguments"]
    facts = [("Chosen by", str(given.get("metric", "")))] if given.get("metric") else []
    if run.comparison is None:
        method = str(given.get("method") or "")
        facts.insert(0, ("Method", _METHODS.get(method, method)))
    else:
        facts.insert(0, ("Models", ", ".join(run.comparison.models_)))
    notes = run.settings.get("notes") or []
    if search is not None:
        facts.append(("Candidates", _candidates(search)))
        own = f"{len(search.results['params'])} candidates ("
        notes = [note for note in notes if not note.startswith(own)]
    facts += [("Folds", str(given["cv"]))] if given.get("cv") else []
    if given.get("budget"):
        what = "for each model in each fold" if run.comparison else "at most"
        facts.append(("Budget", f"{given['budget']:g} s {what}"))
    if "seconds" in run.settings:
        facts.append(("Took", f"{run.settings['seconds']:,} s"))
    facts += [("Notes", "; ".join(notes))] if notes else []
    facts += [("Seed", str(given["seed"]))] if given.get("seed") is not None else []
    return facts


def _candidates(search: SearchTable) -> str:
    states = search.results.get("state")
    text = str(len(search.results["params"]))
    if states is None:
        n_failed = int(search.candidates.failed.sum())
        return f"{text}, {n_failed} of which failed" if n_failed else text
    counts = {state: int((states == state).sum()) for state in dict.fromkeys(states)}
    return f"{text} ({', '.join(f'{count} {state}' for state, count in counts.items())})"


def best_facts(run: Run) -> Facts:
    """Return the best hyperparameters."""
    best = run.settings.get("best_hyperparameters") or {}
    return [(name, label_of(_as_given(value))) for name, value in best.items()]


def known_scores(run: Run) -> dict[str, dict[str, float]]:
    """Return held-out scores of each model by metrics that are the run's own."""
    found = {}
    for model, scores in run.settings.get("scores", {}).items():
        names = [name for name in scores if name.startswith(_HELD_OUT)]
        own = {name.removeprefix(_HELD_OUT): scores[name] for name in names}
        found[model] = {name: value for name, value in own.items() if name not in _COMPUTED}
    return found


def version_facts(run: Run) -> Facts:
    """Return the releases that a run was made with."""
    return [(name, str(release)) for name, release in run.settings.get("versions", {}).items()]


def code_blocks(run: Run) -> Iterator[tuple[str, str]]:
    """Yield headings and lines that rebuild, load and use what the run has made."""
    yield "Run it again", _command(run.settings["arguments"])
    folder = str(run.folder)
    if (run.folder / PIPELINE).is_file():
        yield "Predict from the command line", f"sknethp predict {shlex.quote(folder)} NEW.csv"
        yield (
            "Load the fitted pipeline (a pickle: load only files that you trust)",
            f"import joblib\n\nmodel = joblib.load({str(run.folder / PIPELINE)!r})\n"
            "model.predict_proba(new_rows)",
        )
    if best := run.settings.get("best_hyperparameters"):
        yield (
            "A net with the best hyperparameters",
            _net(best, run.settings["arguments"].get("seed")),
        )
    if run.comparison is not None:
        yield (
            "Load the comparison",
            f"from sknethp.comparison import Comparison\n\ncomparison = Comparison.load({folder!r})"
            "\ncomparison.to_frame()",
        )


def _command(given: Mapping[str, Any]) -> str:
    words = ["sknethp", str(given.get("command", "tune")), str(given.get("data", ""))]
    for name, value in given.items():
        if name in ("command", "data") or value is None or value is False or value == []:
            continue
        for each in value if isinstance(value, list) else [value]:
            words.append(f"--{name.replace('_', '-')}")
            words += [] if each is True else [f"{each:g}" if isinstance(each, float) else str(each)]
    return shlex.join(words)


def _net(best: Mapping[str, Any], seed: Any) -> str:
    values = {name: _as_given(value) for name, value in best.items()} | {"random_state": seed}
    lines = "".join(f"    {name}={value!r},\n" for name, value in values.items())
    return f"from sknethp import DeepNetClassifier\n\nnet = DeepNetClassifier(\n{lines})"


def _as_given(value: Any) -> Any:
    """Return a value as Python has it: a tuple is a list in JSON."""
    return tuple(map(_as_given, value)) if isinstance(value, list) else value
