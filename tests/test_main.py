"""The command line: what it shows, and what it compiles ahead of time."""

from pathlib import Path

import pytest

from calclearn import __main__ as command
from calclearn._runtime import jit


def test_without_a_command_it_shows_versions_threads_blas_and_the_cache(capsys):
    assert command.main([]) == 0
    shown = capsys.readouterr().out
    for word in ("calclearn", "python", "numpy", "scipy", "sklearn", "numba", "threads", "BLAS", "cache"):
        assert f"{word:13} " in shown


def test_compile_runs_every_usual_signature_with_progress(capsys, monkeypatch):
    folders = []
    jobs = [("one", lambda: folders.append(jit.writable_folders()[0])), ("two", lambda: None)]
    monkeypatch.setattr(command, "usual_signatures", lambda: jobs)
    monkeypatch.setattr(jit.numba.config, "CACHE_DIR", "")
    assert command.main(["compile"]) == 0
    shown = capsys.readouterr().out
    assert "[1/2] one" in shown
    assert "[2/2] two" in shown
    assert folders == [jit.package_folder()]  # beside the sources, for images


def test_each_usual_signature_is_one_that_a_fit_asks_for():
    """The cheapest job, run: a kernel that was compiled for it is on the disk afterwards."""
    jobs = command.usual_signatures()
    labels = [label for label, _ in jobs]
    assert len(labels) == len(set(labels))
    label, job = next(entry for entry in jobs if "2 classes, float64" in entry[0])
    job()
    folder = Path(jit.readable_folders()[0]) / jit.generation()
    assert list(folder.glob("*pointwise._value_gradient-*")), label


def test_an_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit):
        command.main(["explode"])
    assert "invalid choice: 'explode'" in capsys.readouterr().err
