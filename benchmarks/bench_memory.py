"""Measure the memory of a fused search over larger data.

Does a search stay within its memory however many fits wait for each other?

RandomizedSearchCV over a scaled pipeline on the adult data (48,842 rows), one-hot encoded to
108 features: 40 candidates (learning rate, dropout, weight decay, units, layers) x 5 folds,
batches of 256. Fused in one process and with n_jobs=2, and the same search one fit at a time in
joblib's workers, n_jobs=2; "data" only loads and encodes. Memory does not depend on the number
of epochs, so there are few (--epochs).

Each search runs in a process of its own. Several times a second the resident memory (RSS) of
that process and all its children is added up; pages that processes share count for each of
them. PSS counts them once (Linux). The wanted bound holds for RSS.
"""

import subprocess
import sys
import threading
import time

import _report as report
import numpy as np
import pandas as pd
import psutil

CASES = ("data", "fused", "workers", "unfused")
TITLES = {
    "data": "data alone",
    "fused": "fused, one process",
    "workers": "fused, n_jobs=2",
    "unfused": "one at a time, n_jobs=2",
}
WANTED_GIB = 3.0
SECONDS_BETWEEN_SAMPLES = 0.1


def parse_arguments():
    """Return the command line's options."""
    parser = report.make_parser(__doc__)
    parser.add_argument("file", help="adult.csv.gz: a CSV file with a column named target")
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--candidates", type=int, default=40)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--max-memory", type=int, help="bytes, of sknethp.fused()")
    parser.add_argument("--run", choices=CASES, help="run one case in this process")
    return parser.parse_args()


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
        n_jobs = 2 if case == "workers" else None
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


def measure(case):
    """Run a case in a process of its own; return its output, seconds and watch."""
    start = time.perf_counter()
    command = [sys.executable, *sys.argv, "--run", case]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    watch = Watch(process.pid)
    watch.start()
    output, _ = process.communicate()
    watch.stop()
    if process.returncode:
        raise SystemExit(f"{case} ended with code {process.returncode}.")
    return output.splitlines(), time.perf_counter() - start, watch


def gib(size):
    """Return bytes as GiB, as text."""
    return f"{size / 2**30:.2f}"


def main():
    """Run the cases that the command line asks for."""
    options = parse_arguments()
    if options.run:
        run(options.run, options)
        return
    report.print_environment("psutil")
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


if __name__ == "__main__":
    main()
