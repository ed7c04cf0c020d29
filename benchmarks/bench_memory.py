"""Measure the memory of fused searches and of fits over larger data.

search  Does a search stay within its memory however many fits wait for each other?
        RandomizedSearchCV over a scaled pipeline on the adult data (48,842 rows), one-hot
        encoded to 108 features: 40 candidates (learning rate, dropout, weight decay, units,
        layers) x 5 folds, batches of 256. Fused in one process and with n_jobs=2, and the same
        search one fit at a time in joblib's workers, n_jobs=2; "data" only loads and encodes.
        Memory does not depend on the number of epochs, so there are few (--epochs). Several
        times a second the resident memory (RSS) of the process and all its children is added
        up; pages that processes share count for each of them. PSS counts them once (Linux).
        The wanted bound holds for RSS.
rows    What do a fit, the prediction after it and a search take as rows grow? 50 columns in
        float32 (ours in float64, too, and as a frame, of which a copy is unavoidable), batches
        of 256: the default DeepNetClassifier beside MLPClassifier of the same layers and
        RealMLP-TD (from pytabkit, if installed), then a fused search of 20 candidates x 3
        folds, 64 units. Peak (ru_maxrss) beyond what the process held before the fit, with all
        imported and the data in place. Wanted: a fit takes at most twice the data as float32,
        and a search's time grows no faster than rows.

Each case runs in a process of its own.
"""

import resource
import subprocess
import sys
import threading
import time

import _report as report
import numpy as np
import pandas as pd
import psutil
from _contenders import MLP, OURS, silence_expected_warnings
from _models import REALMLP, make_peer

CASES = ("data", "fused", "workers", "unfused")
TITLES = {
    "data": "data alone",
    "fused": "fused, one process",
    "workers": "fused, n_jobs=2",
    "unfused": "one at a time, n_jobs=2",
}
WANTED_GIB = 3.0
SECONDS_BETWEEN_SAMPLES = 0.1
OURS_DOUBLE, OURS_FRAME = f"{OURS}, float64", f"{OURS}, frame of float64"
SEARCH = "fused search, 20 x 3 fits"
N_FEATURES, BATCH_SIZE, WANTED_TIMES_DATA = 50, 256, 2.0
MB = 1e6


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("file", nargs="?", help="adult.csv.gz: a CSV file with a column target")
    parser.add_argument("--parts", nargs="+", choices=["search", "rows"], default=["search"])
    parser.add_argument("--rows", type=int, nargs="+", default=[25_000, 50_000, 100_000, 200_000])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--max-memory", type=int, help="bytes, of sknethp.fused()")
    parser.add_argument("--run", choices=CASES, help="run one case in this process")
    parser.add_argument("--contender", help="run one contender of rows in this process")
    options = parser.parse_args()
    if "search" in options.parts and options.file is None:
        parser.error("the part search needs a file")
    return options


def load(path):
    """Return X, y: numbers as they are, text one-hot encoded, float64."""
    from sklearn.compose import make_column_selector, make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.preprocessing import OneHotEncoder

    frame = pd.read_csv(path)
    y = np.unique(frame.pop("target").to_numpy(), return_inverse=True)[1]
    encoder = make_column_transformer(
        (OneHotEncoder(sparse_output=False), make_column_selector(dtype_exclude="number")),
        (SimpleImputer(), make_column_selector(dtype_include="number")),
    )
    return np.ascontiguousarray(encoder.fit_transform(frame), dtype=np.float64), y


def make_search(options, n_jobs=None):
    """Return the search."""
    from scipy.stats import loguniform, uniform
    from sklearn.model_selection import RandomizedSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from sknethp import DeepNetClassifier

    net = DeepNetClassifier(max_epochs=options.epochs, batch_size=256, random_state=0)
    space = {
        "lr": loguniform(1e-4, 1e-2),
        "dropout": uniform(0, 0.5),
        "weight_decay": loguniform(1e-6, 1e-2),
        "hidden_units": [32, 64, 128],
        "hidden_layers": [1, 2, 3],
    }
    return RandomizedSearchCV(
        make_pipeline(StandardScaler(), net),
        {f"deepnetclassifier__{name}": values for name, values in space.items()},
        n_iter=options.candidates,
        cv=options.folds,
        random_state=0,
        n_jobs=n_jobs,
    )


def run(case, options):
    """Run one case and print its best score, and the number of fits trained together."""
    from sknethp import fused

    X, y = load(options.file)
    print(f"{X.shape[0]} x {X.shape[1]}", flush=True)
    if case == "data":
        print("-")
        print("-")
    elif case == "unfused":
        print(make_search(options, n_jobs=2).fit(X, y).best_score_)
        print("1")
    else:
        n_jobs = 2 if case == "workers" else 1
        with fused(n_jobs, max_memory=options.max_memory, progress=False) as summary:
            print(make_search(options).fit(X, y).best_score_)
        print(summary.largest)


class Watch(threading.Thread):
    """Notes the largest memory of a process and its children, in bytes.

    Attributes
    ----------
    rss : int
        Of all processes together.
    pss : int
        The same, shared pages counted once.
    n_processes : int
        At the moment of the largest memory.
    """

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.rss = self.pss = self.n_processes = 0
        self._root = psutil.Process(pid)
        self._over = threading.Event()

    def run(self):
        """Look until told to stop."""
        while not self._over.wait(SECONDS_BETWEEN_SAMPLES):
            try:
                processes = [self._root, *self._root.children(recursive=True)]
            except psutil.NoSuchProcess:
                return
            memory = [sizes for process in processes if (sizes := memory_of(process))]
            rss = sum(size for size, _ in memory)
            if rss > self.rss:
                self.rss, self.n_processes = rss, len(memory)
            self.pss = max(self.pss, sum(size for _, size in memory))

    def stop(self):
        """End."""
        self._over.set()
        self.join()


def memory_of(process):
    """Return RSS and PSS of a process in bytes, or None if it has ended."""
    try:
        full = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied):
        return None
    return full.rss, getattr(full, "pss", 0)


def run_child(*arguments):
    """Start this script again with further arguments; return the process."""
    command = [sys.executable, *sys.argv, *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def output_of(process):
    """Return the lines that a process prints."""
    output, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{' '.join(process.args)} ended with code {process.returncode}.")
    return output.splitlines()


def measure(case):
    """Run a case in a process of its own; return its output, seconds and watch."""
    start = time.perf_counter()
    process = run_child("--run", case)
    watch = Watch(process.pid)
    watch.start()
    lines = output_of(process)
    watch.stop()
    return lines, time.perf_counter() - start, watch


def gib(size):
    """Return bytes as GiB, as text."""
    return f"{size / 2**30:.2f}"


def report_search(options):
    """Run the searches of adult and print their table."""
    rows = []
    for case in options.cases:
        (shape, score, largest), seconds, watch = measure(case)
        score = f"{float(score):.4f}" if score != "-" else None
        wanted = f"< {WANTED_GIB:.0f}" if case in ("fused", "workers") else None
        rows.append([TITLES[case], gib(watch.rss), wanted, gib(watch.pss), watch.n_processes])
        rows[-1] += [largest, score, f"{seconds:.0f}"]
        print(f"measured {TITLES[case]}", file=sys.stderr, flush=True)
    report.print_table(
        f"Peak memory in GiB: {options.candidates} candidates x {options.folds} folds, "
        f"{shape}, {options.epochs} epochs",
        ["", "RSS", "wanted", "PSS", "processes", "largest population", "best score", "seconds"],
        rows,
    )


def make_rows(n_rows, dtype):
    """Return X, y of random columns, made without more memory than they take."""
    rng = np.random.default_rng(0)
    X = np.empty((n_rows, N_FEATURES), dtype)
    for start in range(0, n_rows, 1000):
        X[start : start + 1000] = rng.standard_normal(X[start : start + 1000].shape)
    return X, (X[:, :5].sum(1) + 2 * rng.standard_normal(n_rows) > 0).astype(int)


def make_contender(name, n_epochs):
    """Return what is fitted to the rows."""
    from sklearn.neural_network import MLPClassifier

    from sknethp import DeepNetClassifier

    ours = DeepNetClassifier(max_epochs=n_epochs, batch_size=BATCH_SIZE, random_state=0)
    if name == MLP:
        return MLPClassifier((256, 256), max_iter=n_epochs, batch_size=BATCH_SIZE, random_state=0)
    if name == REALMLP:
        return make_peer(REALMLP).make(0).set_params(n_epochs=n_epochs, batch_size=BATCH_SIZE)
    return make_large_search(ours) if name == SEARCH else ours


def make_large_search(net):
    """Return a search that trains its fits together."""
    from scipy.stats import loguniform, uniform

    from sknethp.model_selection import RandomizedSearchCV

    space = {
        "lr": loguniform(1e-4, 1e-2),
        "dropout": uniform(0, 0.5),
        "weight_decay": loguniform(1e-6, 1e-2),
    }
    net.set_params(hidden_units=64)
    return RandomizedSearchCV(
        net, space, n_iter=20, cv=3, refit=False, random_state=0, progress=False
    )


def run_contender(name, n_rows, n_epochs):
    """Print MB of a fit and of a fit with prediction, seconds and processor seconds of the fit."""
    silence_expected_warnings()
    X, y = make_rows(n_rows, "float64" if name in (OURS_DOUBLE, OURS_FRAME) else "float32")
    if name == OURS_FRAME:
        X = pd.DataFrame({f"x{i}": column for i, column in enumerate(X.T)})
    make_contender(name, n_epochs).fit(X[:500], y[:500])
    before, start = psutil.Process().memory_info().rss, time.process_time()
    fitted, seconds = report.timed(make_contender(name, n_epochs).fit, X, y)
    processor_seconds, peaks = time.process_time() - start, [peak_memory()]
    if name != SEARCH:
        fitted.predict(X)
    peaks.append(peak_memory())
    print(*((peak - before) / MB for peak in peaks), seconds, processor_seconds)


def peak_memory():
    """Return the largest resident memory of this process so far, in bytes (Linux)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def report_rows(options):
    """Run each contender on each number of rows, and print their table."""
    names = [OURS, OURS_DOUBLE, OURS_FRAME, MLP, SEARCH]
    if make_peer(REALMLP).make is not None:
        names.insert(-1, REALMLP)
    rows = []
    for name in names:
        first = None
        for n_rows in options.rows:
            process = run_child("--contender", name, "--rows", str(n_rows))
            numbers = output_of(process)[-1].split()
            fit, predicted, seconds, processor_seconds = map(float, numbers)
            per_row = processor_seconds / n_rows
            first = first or per_row
            data = n_rows * N_FEATURES * 4 / MB
            wanted = WANTED_TIMES_DATA if name.startswith(OURS) else None
            own = [f"{fit:.0f}", f"{fit / data:.2f}", wanted, f"{predicted:.0f}"]
            own += [f"{seconds:.1f}", f"{processor_seconds:.1f}", f"{per_row / first:.2f}"]
            rows.append([f"{name}, {n_rows}", *own])
            print(f"measured {rows[-1][0]}", file=sys.stderr, flush=True)
    header = ["contender, rows", "fit MB", "/ data", "wanted at most", "with predict MB"]
    report.print_table(
        f"{N_FEATURES} columns, batches of {BATCH_SIZE}, {options.epochs} epochs: peak memory "
        "beyond data and imports",
        [*header, "seconds", "CPU seconds", "per row / first"],
        rows,
    )


def main():
    """Run the cases that the command line asks for."""
    options = parse_arguments()
    if options.run:
        run(options.run, options)
        return
    if options.contender:
        run_contender(options.contender, options.rows[-1], options.epochs)
        return
    report.print_environment("psutil", "pytabkit")
    if "search" in options.parts:
        report_search(options)
    if "rows" in options.parts:
        report_rows(options)


if __name__ == "__main__":
    main()
