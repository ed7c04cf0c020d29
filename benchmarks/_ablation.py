"""What each ingredient of DeepNetClassifier's default contributes: one is changed at a time."""

import numpy as np
from _contenders import OURS
from _models import make_ours
from _results import MEASURES, warm_up

DEFAULT = "default"
PERIODIC = {"embedding": "periodic"}
PIECEWISE = {"embedding": "piecewise_linear"}
FEW_SAMPLES = {"batch_size": 32, "max_epochs": 60, "lr": 1e-3, "label_smoothing": 0.05}
MANY_SAMPLES = {"batch_size": 256, "max_epochs": 60, "lr": 3e-3, "label_smoothing": 0.02}

# Rows that are the default anyway, or that this version of the class rejects, are left out.
INGREDIENTS = {
    "no input scaling": {"input_scaling": None},
    "standard scaling": {"input_scaling": "standard"},
    "robust scaling": {"input_scaling": "robust"},
    "no embedding": {"embedding": None},
    "periodic embedding": PERIODIC,
    "periodic with 2 numbers a column": {**PERIODIC, "embedding_size": 2},
    "periodic with 7 numbers a column": {**PERIODIC, "embedding_size": 7},
    "periodic with 8 frequencies": {**PERIODIC, "embedding_frequencies": 8},
    "periodic with 32 frequencies": {**PERIODIC, "embedding_frequencies": 32},
    "periodic with frequency scale 0.03": {**PERIODIC, "frequency_scale": 0.03},
    "periodic with frequency scale 0.3": {**PERIODIC, "frequency_scale": 0.3},
    "periodic with frequency scale 1": {**PERIODIC, "frequency_scale": 1.0},
    "periodic at a tenth of the rate": {**PERIODIC, "embedding_lr_factor": 0.1},
    "periodic at 0.3 of the rate": {**PERIODIC, "embedding_lr_factor": 0.3},
    "piecewise-linear embedding": PIECEWISE,
    "piecewise-linear with 4 bins": {**PIECEWISE, "embedding_bins": 4},
    "piecewise-linear with 8 bins": {**PIECEWISE, "embedding_bins": 8},
    "piecewise-linear with 32 bins": {**PIECEWISE, "embedding_bins": 32},
    "both embeddings": {"embedding": "both"},
    "a single net": {"ensemble_size": 1},
    "ensemble of 2": {"ensemble_size": 2},
    "ensemble of 5": {"ensemble_size": 5},
    "ensemble of 5 without calibration": {"ensemble_size": 5, "calibrate": False},
    "no calibration": {"calibrate": False},
    "calibrated on a twentieth": {"validation_fraction": 0.05},
    "calibrated on a fifth": {"validation_fraction": 0.2},
    "no label smoothing": {"label_smoothing": 0.0},
    "label smoothing 0.02": {"label_smoothing": 0.02},
    "label smoothing 0.05": {"label_smoothing": 0.05},
    "label smoothing 0.1": {"label_smoothing": 0.1},
    "no dropout": {"dropout": 0.0},
    "dropout 0.15": {"dropout": 0.15},
    "dropout 0.3": {"dropout": 0.3},
    "dropout 0.5": {"dropout": 0.5},
    "ReLU": {"activation": "relu"},
    "SELU": {"activation": "selu"},
    "SiLU": {"activation": "silu"},
    "Mish": {"activation": "mish"},
    "GELU": {"activation": "gelu"},
    "1 hidden layer": {"hidden_layers": 1},
    "3 hidden layers": {"hidden_layers": 3},
    "128 units": {"hidden_units": 128},
    "512 units": {"hidden_units": 512},
    "batch normalization": {"normalization": "batch"},
    "layer normalization": {"normalization": "layer"},
    "residual connections": {"residual": True},
    "learning rate 0.0005": {"lr": 5e-4},
    "learning rate 0.001": {"lr": 1e-3},
    "learning rate 0.002": {"lr": 2e-3},
    "learning rate 0.003": {"lr": 3e-3},
    "constant learning rate": {"lr_schedule": "constant"},
    "linear decay": {"lr_schedule": "linear"},
    "one cycle": {"lr_schedule": "one_cycle"},
    "warm-up of a tenth": {"warmup_fraction": 0.1},
    "beta2 0.95": {"beta2": 0.95},
    "beta2 0.99": {"beta2": 0.99},
    "beta2 0.999": {"beta2": 0.999},
    "no L1 penalty": {"l1": 0.0},
    "L1 penalty 1e-5": {"l1": 1e-5},
    "L1 penalty 1e-4": {"l1": 1e-4},
    "weight decay 3e-4 in place of L1": {"l1": 0.0, "weight_decay": 3e-4},
    "AdamW with weight decay 0.01": {"optimizer": "adamw", "weight_decay": 0.01},
    "AdamW with weight decay 0.1": {"optimizer": "adamw", "weight_decay": 0.1},
    "batches of 16": {"batch_size": 16},
    "batches of 32": {"batch_size": 32},
    "batches of 64": {"batch_size": 64},
    "batches of 128": {"batch_size": 128},
    "batches of 256": {"batch_size": 256},
    "20 epochs": {"max_epochs": 20},
    "30 epochs": {"max_epochs": 30},
    "60 epochs": {"max_epochs": 60},
    "100 epochs": {"max_epochs": 100},
    "early stopping": {"early_stopping": True},
    "early stopping without calibration": {"early_stopping": True, "calibrate": False},
    "settings for few samples": {**PERIODIC, **FEW_SAMPLES},
    "settings for many samples": {"embedding": "both", **MANY_SAMPLES},
}


def make_rows(settings, raw):
    """Return the default's model and one for each change that is possible, and say which is not."""
    default = make_ours(settings, raw, DEFAULT)
    parameters = default.make(0).get_params()
    rows, left_out = [default], []
    for label, change in INGREDIENTS.items():
        unknown = change.keys() - parameters.keys()
        if not unknown and all(parameters[name] == change[name] for name in change):
            continue
        row = make_ours({**settings, **change}, raw, label)
        try:
            warm_up(row)
        except (TypeError, ValueError) as error:
            reason = f"{OURS} has no {', '.join(sorted(unknown))}" if unknown else error
            left_out.append(f"{label} ({reason})")
        else:
            rows.append(row)
    if left_out:
        print(f"Left out: {'; '.join(left_out)}")
    return rows


def summarize(results, labels):
    """Return header and rows: each ingredient's measures, and how they change the default's.

    A change is paired: the mean over data sets of the mean over splits, with its standard error
    over data sets. Times are those of the first split, relative to the default's.
    """
    means = results.groupby(["data", "label"])[list(MEASURES)].mean().unstack()
    ranks = sum(means[name].rank(axis=1).mean() for name in MEASURES) / len(MEASURES)
    alone = results[results["seed"] == 0]
    times = alone.groupby("label")[["seconds", "cpu_seconds"]].sum()
    ratios = times / times.loc[DEFAULT]
    header = ["ingredient", "error %", "change ± SE", "log-loss", "change ± SE"]
    header += ["mean rank", "fit time", "CPU time"]
    rows = []
    for label in labels:
        row = [label]
        for name, digits in zip(MEASURES, (2, 4), strict=True):
            change = means[name, label] - means[name, DEFAULT]
            error = change.std() / np.sqrt(len(change))
            row += [
                f"{means[name, label].mean():.{digits}f}",
                f"{change.mean():+.{digits}f} ± {error:.{digits}f}" if label != DEFAULT else None,
            ]
        row += [f"{ranks[label]:.1f}", *(f"{ratio:.2f}" for ratio in ratios.loc[label])]
        rows.append(row)
    return header, rows
