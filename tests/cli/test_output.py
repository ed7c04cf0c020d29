"""The folder of a run."""

import json

import joblib
import pytest

from sknethp.cli import output
from sknethp.cli.errors import CommandError


class Unserializable:
    def __reduce__(self):
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("existed", [True, False])
def test_a_failed_write_leaves_the_folder_as_it_was(existed, tmp_path):
    folder = tmp_path / "result"
    if existed:
        folder.mkdir()
        (folder / "cv_results.csv").write_text("old")

    def fill(path):
        (path / "cv_results.csv").write_text("new")
        joblib.dump(Unserializable(), path / "pipeline.joblib")

    with (
        pytest.raises(CommandError, match="No space left on device"),
        output.output_folder(folder, {}, force=True) as run,
    ):
        run.write(fill)
    assert folder.exists() == existed
    if existed:
        assert [path.name for path in folder.iterdir()] == ["cv_results.csv"]
        assert (folder / "cv_results.csv").read_text() == "old"


def test_unserializable_settings_replace_nothing(tmp_path):
    (tmp_path / "pipeline.joblib").write_text("old")

    def fill(path):
        (path / "pipeline.joblib").write_text("new")
        output.write_settings(path, {"a": object()})

    with pytest.raises(TypeError), output.output_folder(tmp_path, {}, force=True) as run:
        run.write(fill)
    assert (tmp_path / "pipeline.joblib").read_text() == "old"


def interrupt(folder, line):
    """Finish a fit, and be interrupted."""
    with output.output_folder(folder, line, force=False) as run:
        (run.fits / "fit").write_text("1")
        raise KeyboardInterrupt


def test_another_line_does_not_touch_what_was_interrupted(tmp_path):
    with pytest.raises(CommandError, match="run the same line again to go on"):
        interrupt(tmp_path, {"data": "iris", "seed": 0})
    with (
        pytest.raises(CommandError, match=r"another run that was interrupted \(data iris\)"),
        output.output_folder(tmp_path, {"data": "wine", "seed": 0}, force=False),
    ):
        raise AssertionError("it was begun")
    with output.output_folder(tmp_path, {"data": "iris", "seed": 0}, force=False) as run:
        assert (run.fits / "fit").read_text() == "1"
    with output.output_folder(tmp_path, {"data": "wine", "seed": 0}, force=True) as run:
        assert not (run.fits / "fit").exists()
        assert json.loads((run.fits / "line.json").read_text())["data"] == "wine"
    assert not list(tmp_path.iterdir())
