"""What scikit-learn's own test cases need."""


def pytest_configure(config):
    config.addinivalue_line("markers", "thread_unsafe: a mark of scikit-learn's own cases")
