"""The page: everything that the template shows, and the file it becomes."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import vl_convert
from markupsafe import Markup

from sknethp.display.importance import Importance
from sknethp.estimator.whole_files import whole_file
from sknethp.report import about
from sknethp.report.bootstrap import Answers
from sknethp.report.compared import comparison_charts, comparison_table
from sknethp.report.files import Run, read_run
from sknethp.report.held_out import answers_by_model
from sknethp.report.scores import HeldOut
from sknethp.report.search import SearchTable, search_table
from sknethp.report.searched import (
    candidate_table,
    convergence_charts,
    ensemble_table,
    feature_chart,
    hyperparameter_chart,
    loss_chart,
    search_charts,
)

REPORT = "report.html"


def make_report(folder: Path) -> Path:
    """Write the page of the run in a folder, from its plain files alone; return where it is.

    Raises a RunError if there is no finished run, or a file cannot be read.
    """
    page = folder / REPORT
    text = render(read_run(folder))
    with whole_file(page) as scratch:
        scratch.write_text(text, encoding="utf-8")
    return page


def render(run: Run) -> str:
    """Return the page as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sknethp.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.get_template("report.html")
    return template.render(**_context(run), vega=_vega())


@cache
def _vega() -> Markup:
    """Return the plotting library, as it may stand inside a script element."""
    release = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    library = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", release)
    return Markup(library.replace("</script", "<\\/script"))


def _context(run: Run) -> dict[str, Any]:
    search = search_table(run.candidates)
    answers = answers_by_model(run)
    return {
        "title": about.title_of(run),
        "command": run.settings["arguments"].get("command", "tune"),
        "data": about.data_facts(run),
        "tried": about.tried_facts(run, search),
        "best": about.best_facts(run),
        "versions": about.version_facts(run),
        "code": list(about.code_blocks(run)),
        "warnings": _warnings(run),
        "held_out": _held_out(run, answers) if answers else None,
        "compared": _compared(run),
        "search": _search(search),
        "losses": loss_chart(run.curves) if run.curves is not None else None,
        "features": feature_chart(run.importance) if run.importance is not None else None,
    }


def _warnings(run: Run) -> list[str]:
    found = [str(sentence) for sentence in run.settings.get("findings", ())]
    if not found and run.comparison is not None:
        found = run.comparison.warnings_
    return found


def _held_out(run: Run, answers: dict[str, Answers]) -> dict[str, Any]:
    held_out = HeldOut.of(run.classes, answers, about.known_scores(run))
    return {
        "model": held_out.model,
        "has_groups": answers[held_out.model].group is not None,
        "scores": held_out.scores[held_out.model],
        "sentence": held_out.sentence(),
        "table": held_out.table(),
        "intervals": held_out.interval_charts(),
        "matrices": held_out.matrices(),
        "curves": list(held_out.curve_charts()),
    }


def _compared(run: Run) -> dict[str, Any] | None:
    if run.comparison is None:
        return None
    return {
        "sentence": run.comparison.sentence_,
        "table": comparison_table(run.comparison),
        "charts": comparison_charts(run.comparison),
    }


def _search(search: SearchTable | None) -> dict[str, Any] | None:
    if search is None:
        return None
    importance = search.importance()
    known = importance if isinstance(importance, Importance) else None
    if known is not None and not known.r2 > 0:
        known, importance = None, "The scores of the candidates do not follow from them."
    return {
        "table": candidate_table(search),
        "ensemble": ensemble_table(search),
        "convergence": list(convergence_charts(search)),
        "charts": list(search_charts(search, known)),
        "importance": hyperparameter_chart(search, known) if known else None,
        "why_not": None if known else importance,
    }
