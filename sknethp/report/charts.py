"""Charts as Vega-Lite specifications, with colors from the page's style sheet.

Vega writes SVG, in which a color may be a variable of CSS: the same chart is right in light and
dark mode and on paper, without a line of code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import pandas as pd

INK, FAINT, ACCENT, WARM = "var(--ink)", "var(--faint)", "var(--c1)", "var(--c2)"
PALETTE = tuple(f"var(--c{i})" for i in range(1, 11))
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', sans-serif"
_HEIGHT = 260
_ROW = 26


@dataclass(frozen=True)
class Chart:
    """A chart: what it shows in a sentence, its specification, and the names of its colors."""

    title: str
    text: str
    spec: Mapping[str, Any]
    legend: Sequence[str] = ()


def chart(
    title: str, text: str, layers: Any, height: float = _HEIGHT, names: Sequence[str] = ()
) -> Chart:
    """Complete a chart, which takes the width of its place on the page.

    The page has the legend, which can be broken over lines there.
    """
    whole = layers if isinstance(layers, alt.LayerChart) else alt.layer(layers)
    whole = whole.properties(
        width="container", height=height, description=f"{title}. {text}", background="transparent"
    )
    legend = list(names)[: len(PALETTE)] if len(names) > 1 else []
    return Chart(title, text, _configured(whole).to_dict(), legend)


def _configured(whole: Any) -> Any:
    return (
        whole.configure(font=_FONT, autosize=alt.AutoSizeParams(type="fit", contains="padding"))
        .configure_view(stroke=None)
        .configure_axis(
            labelColor="var(--muted)", titleColor="var(--muted)", gridColor="var(--grid)",
            domainColor="var(--rule)", tickColor="var(--rule)", titleFontWeight="normal",
            labelFontSize=12, titleFontSize=12, titlePadding=8, labelLimit=170,
        )
    )  # fmt: skip


def color_of(names: Sequence[str], field: str = "name") -> Any:
    """Return the encoding of a color per name."""
    scale = alt.Scale(domain=list(names), range=list(PALETTE))
    return alt.Color(f"{field}:N", scale=scale, legend=None)


def tip(field: str, title: str, form: str | None = None) -> Any:
    """Return what hovering shows of a field: a number by its format, or else text."""
    if form is None:
        return alt.Tooltip(f"{field}:N", title=title)
    return alt.Tooltip(f"{field}:Q", title=title, format=form)


def _axis(
    field: str, title: str, *, domain: Sequence[float] | None = None, **how: Any
) -> dict[str, Any]:
    """Return the arguments of an axis of numbers."""
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False)
    axis = alt.Axis(tickCount=5, format="~g")
    return {"shorthand": f"{field}:Q", "title": title, "scale": scale, "axis": axis} | how


def _name_axis(names: Sequence[str]) -> Any:
    """Return an axis with a row per name, in this order."""
    axis = alt.Axis(ticks=False, domain=False)
    return alt.Y("name:N", sort=list(names), title=None, axis=axis)


def _unit_square(
    points: pd.DataFrame, names: Sequence[str], kind: str, labels: tuple[str, str], *tips: Any
) -> Any:
    """Return a chart of shares against shares, a color per name; hovering shows `tips`, too."""
    shares = [tip(axis, label, ".3f") for axis, label in zip("xy", labels, strict=True)]
    return alt.Chart(points).encode(
        x=alt.X(**_axis("x", labels[0], domain=(0, 1))),
        y=alt.Y(**_axis("y", labels[1], domain=(0, 1))),
        color=color_of(names),
        tooltip=[tip("name", kind), *shares, *tips],
    )


def rate_curves(
    title: str,
    text: str,
    points: pd.DataFrame,
    labels: tuple[str, str],
    *,
    baseline: pd.DataFrame | None = None,
) -> Chart:
    """Draw curves in the unit square; hovering tells the threshold and the area."""
    names = list(dict.fromkeys(points["name"]))
    tips = tip("threshold", "threshold", ".3f"), tip("area", "area", ".4f")
    base = _unit_square(points, names, "curve", labels, *tips)
    layers = [
        base.mark_line(strokeWidth=2, interpolate="linear").encode(order="index:Q"),
        _targets(base),
    ]
    if baseline is not None:
        layers.insert(0, reference(baseline))
    return chart(title, text, alt.layer(*layers), 320, names)


def _targets(base: Any) -> Any:
    """Return points that are not seen, only met by the mouse and the keys."""
    return base.mark_point(filled=True, opacity=0, size=90)


def reference(line: pd.DataFrame) -> Any:
    """Draw a dashed line for comparison."""
    return alt.Chart(line).mark_line(color=FAINT, strokeDash=[5, 4]).encode(x="x:Q", y="y:Q")


def calibration(text: str, points: pd.DataFrame, labels: tuple[str, str]) -> Chart:
    """Draw how often came true what was predicted with some probability."""
    names = list(dict.fromkeys(points["name"]))
    base = _unit_square(points, names, "model", labels, tip("count", "rows", "d"))
    diagonal = reference(pd.DataFrame({"x": [0, 1], "y": [0, 1]}))
    lines = [base.mark_line(strokeWidth=2), base.mark_point(filled=True, size=55, opacity=1)]
    return chart("Calibration", text, alt.layer(diagonal, *lines), 320, names)


def intervals(title: str, text: str, table: pd.DataFrame) -> Chart:
    """Draw a score with its confidence interval for each model."""
    names = table["name"].tolist()
    base = alt.Chart(table).encode(
        y=_name_axis(names),
        tooltip=[
            tip("name", "model"), tip("value", title, ".4f"), tip("low", "from", ".4f"),
            tip("high", "to", ".4f"),
        ],
    )  # fmt: skip
    first = alt.condition(alt.datum.name == names[0], alt.value(ACCENT), alt.value("var(--muted)"))
    scale = alt.Scale(zero=False, padding=10)
    rule = base.mark_rule(strokeWidth=2.5).encode(
        x=alt.X("low:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5)),
        x2="high:Q",
        color=first,
    )
    dots = base.mark_point(filled=True, size=90, opacity=1).encode(x="value:Q", color=first)
    return chart(title, text, alt.layer(rule, dots), _ROW * len(names) + 40)


def bars(title: str, text: str, table: pd.DataFrame, label: str, form: str) -> Chart:
    """Draw a bar per name with its standard deviation."""
    names = table["name"].tolist()
    base = alt.Chart(table).encode(
        y=_name_axis(names),
        tooltip=[tip("name", "name"), tip("mean", label, form), tip("std", "± std", form)],
    )
    body = base.mark_bar(color=ACCENT, height={"band": 0.62}, cornerRadiusEnd=2).encode(
        x=alt.X("mean:Q", title=label, axis=alt.Axis(tickCount=5))
    )
    spread = base.mark_rule(color=INK, strokeWidth=1.5).encode(x="low:Q", x2="high:Q")
    return chart(title, text, alt.layer(body, spread), _ROW * len(names) + 40)


def losses(text: str, table: pd.DataFrame, best: int | None) -> Chart:
    """Draw the losses by epoch, with the best epoch marked."""
    names = list(dict.fromkeys(table["name"]))
    base = alt.Chart(table).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1, grid=False)),
        y=alt.Y(**_axis("loss", "cross-entropy")),
        color=color_of(names),
        detail="net:N",
        tooltip=[tip("name", "rows"), tip("epoch", "epoch", "d"), tip("loss", "loss", ".4f")],
    )
    layers = [base.mark_line(strokeWidth=2), _targets(base)]
    if best is not None:
        mark = alt.Chart(pd.DataFrame({"epoch": [best], "text": [f"best epoch, {best}"]}))
        at = {"x": "epoch:Q"}
        line = mark.mark_rule(color=FAINT, strokeDash=[5, 4]).encode(**at)
        words = mark.mark_text(align="right", dx=-6, baseline="top", color="var(--muted)")
        layers = [line, words.encode(**at, y=alt.value(2), text="text:N"), *layers]
    return chart("Training curves", text, alt.layer(*layers), names=names)


def candidates(
    title: str, text: str, table: pd.DataFrame, x: Any, y_title: str, limits: tuple[float, float]
) -> Chart:
    """Draw candidates' scores; hovering shows the candidate, by columns that hold texts.

    A score outside the limits is drawn at the limit.
    """
    base = alt.Chart(table).encode(x=x)
    spread = base.mark_rule(color=FAINT, strokeWidth=1.2)
    spread = spread.encode(y=alt.Y(**_score_axis("low", y_title, limits)), y2="high:Q")
    return chart(title, text, alt.layer(spread, _dots(base, table, y_title, ACCENT)), 220)


def convergence(
    title: str, text: str, table: pd.DataFrame, x: Any, y_title: str, limits: tuple[float, float]
) -> Chart:
    """Draw the best score so far as steps, and each candidate's own score as a dot."""
    base = alt.Chart(table).encode(x=x)
    steps = base.mark_line(interpolate="step-after", strokeWidth=2, color=ACCENT)
    steps = steps.encode(y=alt.Y(**_score_axis("so_far", y_title, limits)), order="order:Q")
    return chart(title, text, alt.layer(steps, _dots(base, table, y_title, FAINT)), 220)


def _score_axis(field: str, title: str, limits: tuple[float, float]) -> dict[str, Any]:
    scale = alt.Scale(domain=list(limits), clamp=True, nice=False)
    return _axis(field, title, scale=scale)


def _dots(base: Any, table: pd.DataFrame, y_title: str, color: str) -> Any:
    """Draw a dot per candidate, the best one larger; hovering shows its hyperparameters."""
    return base.mark_point(filled=True, opacity=0.9).encode(
        y="mean:Q",
        color=alt.condition("datum.best", alt.value(WARM), alt.value(color)),
        size=alt.condition("datum.best", alt.value(130), alt.value(55)),
        tooltip=[tip("rank", "rank", "d"), tip("mean", y_title, ".4f")]
        + [tip(f"['{name}']", title) for name, title in table.attrs["titles"].items()],
    )


def trade_off(text: str, table: pd.DataFrame, label: str) -> Chart:
    """Draw score against time, a line through the models that no other beats in both."""
    scale = alt.Scale(type="log", nice=False, padding=24)
    axis = alt.Axis(tickCount=5, format="~g", labelOverlap=True)
    base = alt.Chart(table).encode(
        x=alt.X("seconds:Q", title="seconds for a fit", scale=scale, axis=axis),
        y=alt.Y(**_axis("mean", label, scale=alt.Scale(zero=False, padding=16))),
        tooltip=[
            tip("name", "model"), tip("mean", label, ".4f"), tip("seconds", "fit, s", ".3g"),
            tip("predict", "predict, s", ".3g"),
        ],
    )  # fmt: skip
    front = base.transform_filter("datum.is_front").mark_line(
        color=FAINT, strokeDash=[5, 4], interpolate="step-after"
    )
    names = sorted(table["name"], key=lambda name: -table.set_index("name")["mean"][name])
    dots = base.mark_point(filled=True, size=130, opacity=1).encode(color=color_of(names))
    return chart("Score against time", text, alt.layer(front, dots), 300, names)


def fold_scores(text: str, table: pd.DataFrame, label: str) -> Chart:
    """Draw each model's score on each fold, and the mean."""
    names = list(dict.fromkeys(table["name"]))
    base = alt.Chart(table).encode(y=_name_axis(names))
    dots = base.mark_point(filled=True, size=60, opacity=0.75, color=ACCENT).encode(
        x=alt.X(**_axis("score", label, axis=alt.Axis(tickCount=5))),
        tooltip=[tip("name", "model"), tip("fold", "fold", "d"), tip("score", label, ".4f")],
    )
    mean = base.mark_tick(color=WARM, thickness=3, size=18).encode(
        x="mean(score):Q",
        tooltip=[tip("name", "model"), alt.Tooltip("mean(score):Q", title="mean", format=".4f")],
    )
    return chart("Scores of the folds", text, alt.layer(dots, mean), _ROW * len(names) + 50)
