"""Time one step of one network.

How long does it take, here and in the libraries beside this one?

A step is one update on a minibatch of 32 rows. The same network (two hidden
ReLU layers), data, batch size, epochs and optimizer go to DeepNetClassifier,
scikit-learn's MLPClassifier and a plain skorch NeuralNetClassifier, without
early stopping, dropout, weight decay or learning-rate decay. The time is that of
the whole `fit`, divided by the steps. Repeats are interleaved; a ratio is taken
within each repeat and its median printed. Each peer runs with one thread or with
all, whichever was faster in the warm-up; DeepNetClassifier runs as it is.

With --memory: how much memory does a fit need beyond the data it is given, as a
multiple of that data as float32? Each fit runs in a fresh process.
"""

import functools
import math
import subprocess
import sys
import threading

import _contenders as contenders
import _report as report
import numpy as np
import psutil
import torch
from _contenders import MLP, OURS, SKORCH
from threadpoolctl import threadpool_limits

WANTED = {MLP: 0.8, SKORCH: 0.2}
MEMORY_SHAPE = (200_000, 50)
SAMPLING_SECONDS = 0.002


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("--units", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 20_000])
    parser.add_argument("--optimizer", choices=["adam", "sgd"], default="adam")
    parser.add_argument("--steps", type=int, default=3000, help="about this many steps per fit")
    parser.add_argument("--epochs", type=int, help="epochs per fit, in place of --steps")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--only", nargs="+", choices=list(contenders.FACTORIES), default=list(contenders.FACTORIES)
    )
    parser.add_argument("--dtype", choices=["float32", "float64"], default="float32")
    parser.add_argument("--memory", action="store_true", help="measure memory, not time")
    parser.add_argument("--memory-rows", type=int, default=MEMORY_SHAPE[0])
    parser.add_argument(
        "--memory-of", choices=list(contenders.FACTORIES), help="used by --memory itself"
    )
    return parser.parse_args()


def fit_with_threads(name, X, y, n_threads, **settings):
    """Fit one contender and return it with the time in seconds; None leaves threads alone."""
    before = torch.get_num_threads()
    with threadpool_limits(n_threads):
        torch.set_num_threads(n_threads or before)
        try:
            return report.timed(contenders.FACTORIES[name](**settings).fit, X, y)
        finally:
            torch.set_num_threads(before)


def choose_threads(name, X, y, **settings):
    """Warm up, and return the number of threads that suits this contender best."""
    if name == OURS:
        fit_with_threads(name, X, y, None, **settings)
        return None
    choices = sorted({1, report.usable_cores()})
    seconds = {}
    for n_threads in (*choices, *choices):
        seconds[n_threads] = fit_with_threads(name, X, y, n_threads, **settings)[1]
    return min(seconds, key=seconds.get)


def measure_cell(names, n_rows, n_units, options):
    """Return {name: (threads, seconds per step of each repeat, training accuracy)}."""
    X, y = contenders.make_data(n_rows, dtype="float32" if SKORCH in names else options.dtype)
    data = {name: X if name == SKORCH else X.astype(options.dtype) for name in names}
    steps_per_epoch = math.ceil(n_rows / contenders.BATCH_SIZE)
    n_epochs = options.epochs or max(1, round(options.steps / steps_per_epoch))
    settings = {"n_units": n_units, "optimizer": options.optimizer}
    short = max(1, n_epochs // 10)
    threads = {
        name: choose_threads(name, data[name], y, n_epochs=short, **settings) for name in names
    }
    runs = report.interleave(
        {
            name: functools.partial(
                fit_with_threads, name, data[name], y, threads[name], n_epochs=n_epochs, **settings
            )
            for name in names
        },
        options.repeats,
    )
    return {
        name: (
            threads[name],
            [seconds / (n_epochs * steps_per_epoch) for _, seconds in runs[name]],
            runs[name][-1][0].score(data[name], y),
        )
        for name in names
    }


def cell_rows(n_rows, n_units, results):
    """Return the table's rows for one number of rows and units."""
    rows = []
    for name, (threads, seconds, accuracy) in results.items():
        ratio = report.paired_ratio(results[OURS][1], seconds) if OURS in results else None
        shown = None if ratio is None or name == OURS else f"{ratio:.2f}"
        wanted = f"{WANTED[name]:.1f}" if name in WANTED and n_units <= 64 else None
        rows.append(
            [
                f"{n_rows} rows, {n_units} units, {name}",
                threads or "as is",
                report.spread(seconds, scale=1e6),
                shown,
                wanted,
                f"{accuracy:.4f}",
            ]
        )
    return rows


def report_time(options):
    """Measure and print the time per step."""
    header = ["fit", "threads", "µs per step", "ours / this", "wanted", "train accuracy"]
    rows = []
    for n_rows in options.rows:
        for n_units in options.units:
            results = measure_cell(options.only, n_rows, n_units, options)
            rows += cell_rows(n_rows, n_units, results)
            print(f"measured {n_rows} rows, {n_units} units", file=sys.stderr, flush=True)
    report.print_table(
        f"Time per step, {options.optimizer}, batch {contenders.BATCH_SIZE}, {options.dtype} data "
        f"(skorch: float32), median [quartiles] of {options.repeats}",
        header,
        rows,
    )


def peak_extra_bytes(function):
    """Return by how much this process's resident memory rose at most during a call."""
    process = psutil.Process()
    before = peak = process.memory_info().rss
    finished = threading.Event()

    def sample():
        nonlocal peak
        while not finished.wait(SAMPLING_SECONDS):
            peak = max(peak, process.memory_info().rss)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        function()
    finally:
        finished.set()
        sampler.join()
    return max(peak, process.memory_info().rss) - before


def measure_memory(name, n_rows):
    """Return the extra memory of one fit on float64 data, as a multiple of it as float32."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n_rows, MEMORY_SHAPE[1]))
    y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
    extra = {"n_features": X.shape[1]} if name == SKORCH else {}
    net = contenders.FACTORIES[name](n_units=64, n_epochs=1, **extra)

    def fit(n):
        net.fit(X[:n].astype(np.float32) if name == SKORCH else X[:n], y[:n])

    fit(1000)
    return peak_extra_bytes(lambda: fit(n_rows)) / (X.size * 4)


def report_memory(options):
    """Measure each contender in a process of its own and print the table."""
    rows = []
    for name in options.only:
        command = [sys.executable, __file__, "--memory-of", name]
        command += ["--memory-rows", str(options.memory_rows)]
        child = subprocess.run(command, capture_output=True, text=True)
        if child.returncode:
            raise SystemExit(f"The fit of {name} failed:\n{child.stderr}")
        rows.append([name, f"{float(child.stdout):.2f}", "2.00" if name == OURS else None])
    report.print_table(
        f"Peak memory beyond the data, one epoch on {options.memory_rows} x {MEMORY_SHAPE[1]} "
        "float64 (skorch is given a float32 copy, which counts)",
        ["fit", "x data as float32", "wanted at most"],
        rows,
    )


def main():
    """Run what the command line asks for."""
    options = parse_arguments()
    contenders.silence_expected_warnings()
    if options.memory_of:
        print(measure_memory(options.memory_of, options.memory_rows))
        return
    report.print_environment()
    (report_memory if options.memory else report_time)(options)


if __name__ == "__main__":
    main()
