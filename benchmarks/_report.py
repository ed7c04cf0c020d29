"""What all benchmarks share: the environment they ran in, statistics, tables and data."""

import argparse
import ast
import importlib.metadata
import os
import pathlib
import platform
import sys
import time

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_info

PACKAGES = ("numpy", "torch", "scikit-learn", "skorch", "scikit-optimize", "joblib", "sknethp")
SLOWING_VARIABLES = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
MISSING = "-"


def make_parser(doc):
    """Return an argument parser whose help is the script's docstring."""
    return argparse.ArgumentParser(
        description=doc, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def parse_settings(assignments):
    """Return {"dropout": 0.1} for ["dropout=0.1"]; what is no Python literal is text."""
    settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not equals:
            raise SystemExit(f"--set takes NAME=VALUE, not {assignment!r}.")
        try:
            settings[name] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            settings[name] = text
    return settings


def package_version(name):
    """Return the installed version of a distribution, or "not installed"."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def cpu_model():
    """Return the processor's name, as far as the system tells it."""
    cpuinfo = pathlib.Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def usable_cores():
    """Return the number of cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def blas_kernels():
    """Return one description for each BLAS library loaded in this process."""
    libraries = (info for info in threadpool_info() if info["user_api"] == "blas")
    return [
        f"{info['internal_api']} {info.get('version')}, kernel {info.get('architecture', '?')}, "
        f"{info['num_threads']} threads"
        for info in libraries
    ]


def print_environment(*packages):
    """Print the versions and the hardware of this run.

    Parameters
    ----------
    *packages : str
        Distributions to name besides the usual ones.
    """
    import torch

    versions = ", ".join(f"{name} {package_version(name)}" for name in (*PACKAGES, *packages))
    print(f"Python {platform.python_version()}, {versions}")
    print(f"{cpu_model()}, {usable_cores()} cores, load {load_average()}, {platform.platform()}")
    if is_busy():
        print("WARNING: other work runs on this machine; torch's threads suffer most from that.")
    for kernel in dict.fromkeys(blas_kernels()):
        print(f"BLAS: {kernel}")
    print(f"torch: {torch.get_num_threads()} threads, {torch.backends.cpu.get_cpu_capability()}")
    for name in SLOWING_VARIABLES:
        if name in os.environ:
            print(f"WARNING: {name}={os.environ[name]} is set, which slows numpy and so the peers.")
    print(f"Command: {' '.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]])}", flush=True)


def load_average():
    """Return the system's load over the last minute, as text."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def is_busy():
    """Return whether the system's load over the last minute is more than half a core."""
    return hasattr(os, "getloadavg") and os.getloadavg()[0] > 0.5


def timed(function, *args, **kwargs):
    """Call a function and return its result with the wall time in seconds."""
    start = time.perf_counter()
    result = function(*args, **kwargs)
    return result, time.perf_counter() - start


def interleave(contenders, n_repeats):
    """Run every contender in turn, `n_repeats` times, so that drift hits all alike.

    Parameters
    ----------
    contenders : dict of str to callable
        Each is called without arguments and returns one measurement.
    n_repeats : int
        How often each is called.

    Returns
    -------
    measurements : dict of str to list
        One entry per repeat, in the order of the repeats.
    """
    measurements = {name: [] for name in contenders}
    for repeat in range(n_repeats):
        names = list(contenders) if repeat % 2 == 0 else list(reversed(contenders))
        for name in names:
            measurements[name].append(contenders[name]())
    return measurements


def quantiles(values):
    """Return the lower quartile, the median and the upper quartile."""
    return tuple(float(q) for q in np.quantile(np.asarray(values, dtype=float), [0.25, 0.5, 0.75]))


def paired_ratio(numerators, denominators):
    """Return the median over repeats of one measurement divided by its pair."""
    return float(np.median(np.divide(numerators, denominators)))


def spread(values, scale=1.0, digits=1):
    """Return "median [lower quartile, upper quartile]" as text."""
    low, middle, high = (q * scale for q in quantiles(values))
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def print_table(title, header, rows):
    """Print rows in aligned columns: text to the left, everything else to the right.

    Parameters
    ----------
    title : str
        The line above the table.
    header : sequence of str
        One name per column.
    rows : sequence of sequences
        Cells; numbers come formatted, as text. None is shown as a dash.
    """
    cells = [[MISSING if cell is None else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    print(f"\n{title}")
    for row in (list(header), ["-" * width for width in widths], *cells):
        aligned = [row[0].ljust(widths[0])]
        aligned += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        print("  ".join(aligned).rstrip())
    sys.stdout.flush()


def markdown_table(title, header, rows):
    """Return what `print_table` prints as Markdown."""
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    table = "".join(f"| {' | '.join(cell or '' for cell in line)} |\n" for line in lines)
    return f"{title}\n\n{table}"


def write_file(path, text):
    """Write a text file under a temporary name and rename it, so that it is never cut short."""
    path = pathlib.Path(path)
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    temporary.write_text(text)
    temporary.replace(path)


def load_folder(folder):
    """Yield every data set of a folder of CSV files, gzipped or plain.

    Parameters
    ----------
    folder : str or path
        Holds `*.csv` and `*.csv.gz` files with a column named `target`.

    Yields
    ------
    name : str
        The file's name without its endings.
    X : DataFrame of shape (n_samples, n_features)
        All columns but the target.
    y : ndarray of shape (n_samples,)
        Class numbers, 0 to n_classes - 1.
    """
    paths = sorted([*pathlib.Path(folder).glob("*.csv"), *pathlib.Path(folder).glob("*.csv.gz")])
    if not paths:
        raise SystemExit(f"{folder} holds no .csv or .csv.gz file.")
    for path in paths:
        frame = pd.read_csv(path).dropna(subset="target")
        y = np.unique(frame.pop("target").to_numpy(), return_inverse=True)[1]
        yield path.name.removesuffix(".gz").removesuffix(".csv"), frame, y
