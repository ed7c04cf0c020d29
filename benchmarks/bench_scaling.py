"""Time fused training as the work grows.

How does the time per fit fall as more fits are trained together, and what limits it?

fits   1 to 1000 fits at once, at 64 units and 2000 rows
rows   500 to 50,000 rows, 60 fits at once, at 64 units
units  8 to 512 units, 60 fits at once, at 2000 rows
peak   the share of this machine's matrix-multiply peak that fused training reaches
       at 64 and at 256 units. The peak is the best rate of torch.mm on large
       float32 matrices with all of torch's threads, measured in this run. A step
       counts 6 x batch x weights floating-point operations (forward, and the
       gradients by weights and by inputs). In this process and with n_jobs=-1, over
       more epochs than elsewhere, since training is what is measured; "training
       alone" leaves out what else a fit does, as far as it is in this process.
       With --defaults the nets are as they come, but for their units: embedded
       inputs, SiLU, dropout and Adam, in batches of 64.
workers  a grid search of 300 fits at 64 units and 2000 rows on local clusters of Dask
       and of Ray of 1, 2 and 4 worker processes of one thread: the time, what all
       of them and this process compute, what is sent, and what a batch costs that
       does nothing: alone (a round trip), and as one of a hundred.

In the other parts each fit has another learning rate and seed; all go through one joblib.Parallel
inside `sknethp.fused(1)`, and the time is that of the whole block. The same net
fitted alone, outside of it, stands beside.
"""

import contextlib
import functools
import sys
import time

import _report as report
import joblib
import numpy as np
import psutil
import torch
from _contenders import BATCH_SIZE, count_weights, make_data, make_ours
from _searches import time_methods
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

N_FEATURES = 20
N_VALID = 500
LR_RANGE = (1e-3, 0.1)
WANTED_SHARE = {64: 0.35, 256: 0.55}
MATRIX_SIZES = (1024, 2048, 4096)


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parts = ["fits", "rows", "units", "peak", "workers"]
    parser.add_argument("--parts", nargs="+", choices=parts, default=parts)
    parser.add_argument("--fits", type=int, nargs="+", default=[1, 3, 10, 30, 100, 300, 1000])
    parser.add_argument("--rows", type=int, nargs="+", default=[500, 2000, 10_000, 50_000])
    parser.add_argument("--units", type=int, nargs="+", default=[8, 16, 32, 64, 128, 256, 512])
    parser.add_argument("--peak-units", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--base-fits", type=int, default=60, help="where fits do not vary")
    parser.add_argument("--base-rows", type=int, default=2000, help="where rows do not vary")
    parser.add_argument("--base-units", type=int, default=64, help="where units do not vary")
    parser.add_argument("--peak-fits", type=int, default=100)
    parser.add_argument("--peak-epochs", type=int, default=20)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--defaults", action="store_true", help="in the peak part")
    parser.add_argument("--optimizer", default="sgd")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    return parser.parse_args()


def fit_and_score(net, X, y, X_valid, y_valid):
    """Fit a net and return its accuracy on other rows."""
    return net.fit(X, y).score(X_valid, y_valid)


def make_nets(n_fits, n_units, n_epochs, optimizer):
    """Return nets that differ in learning rate and seed."""
    momentum = 0.9 if optimizer == "sgd" else None
    return [
        make_ours(
            n_units,
            n_epochs,
            optimizer=optimizer,
            lr=float(lr),
            momentum=momentum,
            random_state=seed,
        )
        for seed, lr in enumerate(np.geomspace(*LR_RANGE, n_fits))
    ]


def make_default_nets(n_fits, n_units, n_epochs):
    """Return nets as they come for a few thousand rows, and the number of their inputs' numbers."""
    from sknethp import DeepNetClassifier

    net = DeepNetClassifier(
        hidden_units=n_units,
        max_epochs=n_epochs,
        embedding="both",
        embedding_bins=8,
        batch_size=64,
        calibrate=False,  # which would leave samples out
    )
    nets = [clone(net).set_params(lr=1e-3, random_state=seed) for seed in range(n_fits)]
    return nets, N_FEATURES * (1 + net.embedding_size + net.embedding_bins)


def split_data(n_rows):
    """Return X, y of `n_rows` and another 500 rows to score on."""
    X, y = make_data(n_rows + N_VALID, N_FEATURES)
    return X[N_VALID:], y[N_VALID:], X[:N_VALID], y[:N_VALID]


def run_fused(nets, data, n_jobs=1):
    """Return the accuracies of nets trained together."""
    import sknethp

    with sknethp.fused(n_jobs, silent=True):
        return joblib.Parallel()(joblib.delayed(fit_and_score)(net, *data) for net in nets)


def run_alone(nets, data):
    """Return the accuracy of one net that is fitted as usual."""
    return [fit_and_score(nets[0], *data)]


def measure(n_fits, n_rows, n_units, options):
    """Measure one cell.

    Returns
    -------
    fused, alone : list of float
        Seconds per fit, one entry per repeat.
    accuracy : float
        Mean accuracy of the fused fits on other rows.
    """
    data = split_data(n_rows)
    nets = make_nets(n_fits, n_units, options.epochs, options.optimizer)
    contenders = {
        "fused": functools.partial(report.timed, run_fused, nets, data),
        "alone": functools.partial(report.timed, run_alone, nets, data),
    }
    runs = report.interleave(contenders, options.repeats)
    return (
        [seconds / n_fits for _, seconds in runs["fused"]],
        [seconds for _, seconds in runs["alone"]],
        float(np.mean(runs["fused"][-1][0])),
    )


def training_flops(n_rows, n_units, n_epochs, n_inputs=N_FEATURES):
    """Return the floating-point operations of one fit's matrix products."""
    return 6 * n_rows * n_epochs * count_weights(n_inputs, n_units)


def report_scaling(name, cells, peak, options):
    """Measure cells of (fits, rows, units) and print a row for each."""
    rows = []
    for n_fits, n_rows, n_units in cells:
        fused, alone, accuracy = measure(n_fits, n_rows, n_units, options)
        n_steps = options.epochs * -(-n_rows // BATCH_SIZE)
        rate = training_flops(n_rows, n_units, options.epochs) / np.median(fused)
        rows.append(
            [
                f"{n_fits} fits, {n_rows} rows, {n_units} units",
                report.spread(fused, scale=1e3, digits=2),
                f"{1e6 * np.median(fused) / n_steps:.2f}",
                f"{1e3 * np.median(alone):.2f}",
                f"{report.paired_ratio(alone, fused):.1f}",
                f"{rate / 1e9:.1f}",
                f"{100 * rate / peak:.1f}%",
                f"{accuracy:.4f}",
            ]
        )
        print(f"measured {rows[-1][0]}", file=sys.stderr, flush=True)
    header = ["fused", "ms per fit", "µs per fit and step", "alone, ms", "alone / fused"]
    header += ["GFLOP/s", "of peak", "accuracy"]
    report.print_table(
        f"By {name}: {options.epochs} epochs of {options.optimizer}, batch {BATCH_SIZE}; "
        f"median [quartiles] of {options.repeats}",
        header,
        rows,
    )


def training_seconds(run):
    """Return a run's seconds, and how many of them populations trained in this process."""
    from sknethp.training.population import Population

    with time_methods(Population, "run") as training:
        _, seconds = report.timed(run)
    return seconds, sum(training)


def report_peak(options):
    """Measure which share of the peak training reaches and print a table."""
    n_fits, n_rows, n_epochs = options.peak_fits, options.base_rows, options.peak_epochs
    kind = "the defaults" if options.defaults else f"{options.optimizer}, batch {BATCH_SIZE}"
    data = split_data(n_rows)
    rows = []
    for n_units in options.peak_units:
        nets, n_inputs = make_nets(n_fits, n_units, n_epochs, options.optimizer), N_FEATURES
        if options.defaults:
            nets, n_inputs = make_default_nets(n_fits, n_units, n_epochs)
        contenders = {
            name: functools.partial(
                training_seconds, functools.partial(run_fused, nets, data, n_jobs)
            )
            for name, n_jobs in {"in this process": 1, "n_jobs=-1": -1}.items()
        } | {"peak": measure_peak}
        runs = report.interleave(contenders, options.repeats)
        peak = float(np.median(runs.pop("peak")))
        flops = n_fits * training_flops(n_rows, n_units, n_epochs, n_inputs)
        for name, results in runs.items():
            whole, training = map(np.array, zip(*results, strict=True))
            share = [
                f"{100 * flops / np.median(s) / peak:.0f}%" for s in (whole, training) if s.all()
            ]
            rows.append(
                [
                    f"{n_units} units, {name}",
                    report.spread(list(whole), digits=2),
                    f"{flops / np.median(whole) / 1e9:.1f}",
                    f"{peak / 1e9:.1f}",
                    *share,
                    *([None] * (2 - len(share))),
                    f"{100 * WANTED_SHARE[n_units]:.0f}%" if n_units in WANTED_SHARE else None,
                ]
            )
        print(f"measured {n_units} units", file=sys.stderr, flush=True)
    report.print_table(
        f"Share of the peak: {n_fits} fits, {n_rows} rows, {n_epochs} epochs of {kind}; "
        f"median [quartiles] of {options.repeats}",
        ["fused", "seconds", "GFLOP/s", "peak", "of peak", "training alone", "wanted"],
        rows,
    )


@contextlib.contextmanager
def dask_cluster(n_workers):
    """Start a local cluster of Dask."""
    import distributed

    with (
        distributed.LocalCluster(
            n_workers=n_workers, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield


@contextlib.contextmanager
def ray_cluster(n_workers):
    """Start a local cluster of Ray."""
    import ray

    ray.init("local", num_cpus=n_workers, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


CLUSTERS = {"dask": dask_cluster, "ray": ray_cluster}


def cpu_seconds():
    """Return what each process of this machine has computed, in seconds."""
    seconds = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            seconds[process.pid] = sum(process.cpu_times()[:2])
    return seconds


def run_search(kind, options, n_candidates=60):
    """Return the seconds of a search, those computed here and by workers, and its summary."""
    import sknethp

    X, y, *_ = split_data(options.base_rows)
    net = make_ours(options.base_units, options.epochs, momentum=0.9)
    rates = [float(lr) for lr in np.geomspace(*LR_RANGE, n_candidates)]
    search = GridSearchCV(net, {"lr": rates}, cv=5, refit=False)
    before, own = cpu_seconds(), time.process_time()
    with sknethp.fused(backend=kind, silent=True) as summary:
        search.fit(X, y)
    own, after = time.process_time() - own, cpu_seconds()
    workers = sum(after[pid] - before.get(pid, 0) for _, pid in summary._processes)
    return summary, own, workers


def do_nothing(number, shared):
    """Stand for a batch."""


def batch_seconds(kind, n_batches):
    """Return the time of a batch that does nothing."""
    from sknethp.fusion.clusters import workers_of

    batches = workers_of(kind, None).run(do_nothing, [(i,) for i in range(n_batches)], {})
    return report.timed(list, batches)[1] / n_batches


def report_workers(options):
    """Measure searches on clusters and print a table."""
    rows = []
    for kind, start in CLUSTERS.items():
        for n_workers in options.workers:
            with start(n_workers):
                run_search(kind, options)  # imports
                runs = [run_search(kind, options) for _ in range(options.repeats)]
                empty = [1e3 * batch_seconds(kind, n) for n in (1, 100) for _ in range(5)]
            summaries, own, computed = zip(*runs, strict=True)
            rows.append(
                [
                    f"{kind}, {n_workers}",
                    report.spread([summary.seconds for summary in summaries], digits=2),
                    f"{np.median(computed):.2f}",
                    f"{np.median(own):.2f}",
                    f"{summaries[-1].largest}",
                    f"{summaries[-1].bytes_sent / 1e6:.2f}",
                    f"{summaries[-1].bytes_sent / summaries[-1].fits / 1e3:.2f}",
                    f"{np.median(empty[:5]):.1f}",
                    f"{np.median(empty[5:]):.1f}",
                ]
            )
            print(f"measured {rows[-1][0]}", file=sys.stderr, flush=True)
    header = ["worker processes", "seconds", "CPU of workers, s", "of this process, s", "largest"]
    header += ["sent, MB", "kB per fit", "empty batch, ms", "of 100, ms"]
    report.print_table(
        f"On clusters: {summaries[-1].fits} fits, {options.base_rows} rows, "
        f"{options.base_units} units, {options.epochs} epochs; "
        f"median [quartiles] of {options.repeats}",
        header,
        rows,
    )


def measure_peak(n_repeats=5):
    """Return the best rate of torch.mm over matrix sizes and repeats, in FLOP/s."""
    best = 0.0
    for size in MATRIX_SIZES:
        left, right = torch.rand(size, size), torch.rand(size, size)
        product = torch.mm(left, right)
        for _ in range(n_repeats):
            _, seconds = report.timed(torch.mm, left, right, out=product)
            best = max(best, 2 * size**3 / seconds)
    return best


def main():
    """Run the parts that the command line asks for."""
    options = parse_arguments()
    report.print_environment()
    peak = measure_peak()
    base_fits, base_rows, base_units = options.base_fits, options.base_rows, options.base_units
    cells = {
        "fits": [(n, base_rows, base_units) for n in options.fits],
        "rows": [(base_fits, n, base_units) for n in options.rows],
        "units": [(base_fits, base_rows, n) for n in options.units],
    }
    print(f"Matrix-multiply peak, {torch.get_num_threads()} threads: {peak / 1e9:.0f} GFLOP/s")
    measure(2, 200, 8, options)
    for name in options.parts:
        if name == "workers":
            report_workers(options)
        elif name == "peak":
            report_peak(options)
        else:
            report_scaling(name, cells[name], peak, options)
    print(f"Matrix-multiply peak after the runs: {measure_peak() / 1e9:.0f} GFLOP/s")


if __name__ == "__main__":
    main()
