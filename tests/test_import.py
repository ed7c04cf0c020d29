"""What ``import sknethp`` does: little, and enough."""

import subprocess
import sys

import pytest

import sknethp
from sknethp.cli.app import _COMMANDS

HEAVY = {"torch", "sklearn", "pandas", "scipy", "skorch", "rich", "skrub"}


def run(code):
    """Run code in a fresh process and return what it prints."""
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from sknethp.cli.app import _COMMANDS, build_parser, main\n"
        "for line in [[], *([name] for name in _COMMANDS)]:\n"
        "    try: main([*line, '--help'])\n"
        "    except SystemExit: pass\n"
        "print('modules:', *sys.modules)"
    )
    shown, _, modules = run(code).partition("modules:")
    assert shown.count("usage: ") == 1 + len(_COMMANDS)
    assert "sknethp.cli.predict" in modules.split()
    assert not set(modules.split()) & HEAVY


def test_the_backend_is_known_before_a_net_is():
    code = (
        "import joblib, sknethp\n"
        "with joblib.parallel_config('sknethp') as backend:\n"
        "    from joblib.parallel import get_active_backend\n"
        "    print(type(get_active_backend()[0]).__name__)\n"
        "print(sknethp.fusion.__name__)"
    )
    assert run(code).split() == ["FusedBackend", "sknethp.fusion"]


def test_public_names():
    assert set(sknethp.__all__) <= set(dir(sknethp))
    assert all(hasattr(sknethp, name) for name in sknethp.__all__)
    with pytest.raises(AttributeError, match="module 'sknethp' has no attribute 'nets'"):
        _ = sknethp.nets
