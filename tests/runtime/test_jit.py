"""The disk cache, with real processes: never stale, never poisoned, never in the way."""

import json
import os
import pathlib
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from calclearn._runtime import jit

from ..systems import c_library, forks

MINE = """
    import numpy as np
    from calclearn.losses import loss
    import settings
    HALF = 0.5

    def squash(e):
        return HALF * e * e

    @loss("mine")
    class Mine:
        c: float = 2.0

        def value(self, y, raw):
            return squash((raw - y) / self.c) * settings.FACTOR + helper(raw)

    def helper(raw):  # below the class that uses it
        return 0.0 * raw
"""
SETTINGS = "FACTOR = 1.0\n"
RUN = """
    import json, sys
    import numpy as np
    from calclearn._runtime import jit
    from calclearn.losses import pointwise
    from mine import Mine
    raw = np.array([1.0, 2.0])
    value = pointwise.value(Mine(), np.zeros(2), raw)
    assert np.allclose(value, Mine().value(np.zeros(2), raw))
    stats = pointwise._value.stats
    print(json.dumps([value.tolist(), sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "mine.py").write_text(textwrap.dedent(MINE))
    (tmp_path / "settings.py").write_text(SETTINGS)
    return tmp_path


def start(folder, program=RUN, cache="cache", **kwargs):
    environment = os.environ | {
        "NUMBA_CACHE_DIR": str(folder / cache),
        "PYTHONPATH": os.pathsep.join([str(folder), str(jit.PACKAGE.parent)]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(program)],
        env=environment | kwargs.pop("env", {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **kwargs,
    )


def finish(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def run(folder, program=RUN, **kwargs):
    return finish(start(folder, program, **kwargs))


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def files(folder):
    return sorted((folder / "cache").rglob(f"*{jit.SUFFIX}"))


def test_a_second_process_only_hits_and_every_edit_gives_new_numbers(folder):
    value, hits, misses = run(folder)
    assert (value, hits, misses) == ([0.125, 0.5], 0, 1)
    assert run(folder) == [[0.125, 0.5], 1, 0]
    edit(folder / "mine.py", "HALF = 0.5", "HALF = 1.0")  # a constant of a helper
    assert run(folder) == [[0.25, 1.0], 0, 1]
    edit(folder / "mine.py", "HALF * e * e", "HALF * e")  # a helper
    assert run(folder) == [[0.5, 1.0], 0, 1]
    edit(folder / "mine.py", "0.0 * raw", "1.0 * raw")  # a helper defined below the class
    assert run(folder) == [[1.5, 3.0], 0, 1]
    edit(folder / "settings.py", "1.0", "3.0")  # a constant in another module
    assert run(folder) == [[2.5, 5.0], 0, 1]
    edit(folder / "mine.py", "+ helper(raw)", "")  # the formula itself
    assert run(folder) == [[1.5, 3.0], 0, 1]


def test_another_program_without_the_module_still_loads_its_own_kernels(folder):
    run(folder)
    program = RUN.replace("from mine import Mine", "from calclearn.losses import SquaredError as Mine")
    assert run(folder, program)[1:] == [0, 1]
    (folder / "mine.py").unlink()
    assert run(folder, program)[1:] == [1, 0]


def test_processes_that_save_at_the_same_time_do_not_disturb_each_other(folder):
    programs = [RUN.replace("Mine()", f"Mine({c})") for c in (2.0, 2.0)]
    programs += [
        RUN.replace("np.zeros(2)", "np.zeros(2, np.float32)").replace("2.0])", "2.0], np.float32)")
    ] * 2
    for process in [start(folder, program) for program in programs]:
        assert finish(process)[0] == [0.125, 0.5]
    for program in programs:
        assert run(folder, program) == [[0.125, 0.5], 1, 0]
    assert not list((folder / "cache").rglob(".saving-*"))


@pytest.mark.parametrize("damage", [b"", b"short", b"\0" * 4096])
def test_a_corrupt_file_is_compiled_again_and_replaced(folder, damage):
    run(folder)
    (path,) = files(folder)
    path.write_bytes(damage)
    assert run(folder) == [[0.125, 0.5], 0, 1]
    assert run(folder) == [[0.125, 0.5], 1, 0]


@pytest.mark.skipif(not hasattr(os, "setuid") or os.getuid() != 0, reason="needs root to become another user")
def test_a_prebuilt_cache_in_a_read_only_folder_is_used(folder):
    run(folder)
    become_nobody = """
    import os, numba
    # a compilation without the cache: what Numba imports late, that user may not be allowed to read
    numba.njit(pointwise._value.py_func)(Mine(), np.zeros(1), np.zeros(1), None, np.zeros(1))
    os.setgid(65534); os.setuid(65534)
    assert not os.access(os.environ["NUMBA_CACHE_DIR"], os.W_OK)
    """
    head, tail = textwrap.dedent(RUN).split("raw = ", 1)
    program = head + textwrap.dedent(become_nobody) + "raw = " + tail
    saved = [path for path in files(folder) if "_value-" in path.name]
    parents = [folder, *folder.parents]
    modes = [parent.stat().st_mode for parent in parents]
    try:
        for parent in parents:
            parent.chmod(parent.stat().st_mode | 0o055)
        assert run(folder, program) == [[0.125, 0.5], 1, 0]
        edit(folder / "mine.py", "HALF = 0.5", "HALF = 1.0")
        for _ in range(2):
            assert run(folder, program) == [[0.25, 1.0], 0, 1]  # compiled, not saved, no complaint
    finally:
        for parent, mode in zip(parents, modes, strict=True):
            parent.chmod(mode)
    assert saved == [path for path in files(folder) if "_value-" in path.name]


def test_a_cache_folder_that_cannot_exist_means_compiling(folder):
    (folder / "cache").write_text("a file, not a folder")
    assert run(folder) == [[0.125, 0.5], 0, 1]


def test_a_full_disk_means_compiling(folder):
    program = """
    import os
    def full(*a, **k):
        raise OSError(28, "No space left on device")
    os.replace = full
    """
    assert run(folder, textwrap.dedent(program) + textwrap.dedent(RUN)) == [[0.125, 0.5], 0, 1]
    assert not files(folder)
    assert not list((folder / "cache").rglob(".saving-*"))


@forks
def test_a_fork_while_another_thread_compiles_can_compile_too(folder):
    program = """
    import json, multiprocessing, threading
    import numpy as np
    from calclearn.losses import pointwise, LogLoss, Poisson

    def work(loss):
        return pointwise.gradient(loss, np.ones(3), np.zeros(3)).tolist()

    thread = threading.Thread(target=work, args=(Poisson(),))
    thread.start()
    with multiprocessing.get_context("fork").Pool(1) as pool:
        print(json.dumps(pool.apply_async(work, (LogLoss(),)).get(timeout=60)))
    thread.join()
    """
    assert run(folder, program) == [-0.5] * 3


@c_library
def test_what_cannot_be_fingerprinted_never_reaches_the_disk(folder):
    foreign = (
        "from ctypes import CDLL, c_int\nONE = CDLL(None).abs\nONE.argtypes, ONE.restype = [c_int], c_int"
    )
    edit(folder / "settings.py", "FACTOR = 1.0", foreign)
    edit(folder / "mine.py", "settings.FACTOR", "settings.ONE(-1)")
    assert run(folder) == [[0.125, 0.5], 0, 1]
    assert not files(folder)


def test_an_array_is_cached_by_its_content(folder):
    edit(folder / "settings.py", "FACTOR = 1.0", "import numpy as np\nFACTOR = np.array([1.0])")
    edit(folder / "mine.py", "settings.FACTOR", "settings.FACTOR[0]")
    again = """
    settings.FACTOR[0] = 2.0
    assert np.allclose(pointwise.value(Mine(), np.zeros(2), raw), 2 * value)
    """
    program = RUN + "    import settings" + again
    assert run(folder, program) == [[0.125, 0.5], 0, 1]
    assert len(files(folder)) == 2
    edit(folder / "settings.py", "1.0", "2.0")
    assert run(folder) == [[0.25, 1.0], 1, 0]


def test_sources_that_change_under_a_running_process_do_not_name_its_kernels(monkeypatch):
    before = jit.generation()
    jit.generation.cache_clear()
    monkeypatch.setattr(jit, "PACKAGE", pathlib.Path("another"))
    assert jit.generation() == before


def test_what_fails_after_the_write_or_while_loading_is_never_an_error(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError

    def twice(x):
        return 2 * x

    monkeypatch.setattr(jit.numba.config, "CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(jit, "_evict", fail)
    assert jit.kernel(twice)(2) == 4
    assert len(list(tmp_path.rglob(f"*{jit.SUFFIX}"))) == 1
    loaded = jit.kernel(twice)
    assert loaded(3) == 6
    assert loaded.stats.cache_hits
    monkeypatch.setattr(jit.CompileResult, "_rebuild", fail)
    compiled = jit.kernel(twice)
    assert compiled(3) == 6
    assert not compiled.stats.cache_hits


def test_a_loss_defined_in_main_is_cached_by_its_formula(folder):
    program = RUN.replace("from mine import Mine", "exec(open('mine.py').read())")
    first = run(folder, program, cwd=folder)
    assert first[1:] == [0, 1]
    assert run(folder, program, cwd=folder)[1:] == [1, 0]


def test_old_generations_and_old_versions_of_a_formula_are_evicted(tmp_path, monkeypatch):
    monkeypatch.setattr(jit, "generation", lambda: "now")
    (tmp_path / "now").mkdir()
    for age in range(10):
        old = tmp_path / f"old{age}"
        old.mkdir()
        os.utime(old, (age, age))
    names = [f"kernel-types-formula{i:02}{jit.SUFFIX}" for i in range(jit.FORMULAS_KEPT + 5)]
    for age, name in enumerate(names):
        (tmp_path / "now" / name).write_bytes(b"")
        os.utime(tmp_path / "now" / name, (age, age))
    other = tmp_path / "now" / f"another-types-formula{jit.SUFFIX}"
    other.write_bytes(b"")
    jit._evict(tmp_path, names[-1])
    left = sorted(path.name for path in tmp_path.iterdir())
    assert left == ["now", "old7", "old8", "old9"]
    kept = sorted(path.name for path in (tmp_path / "now").iterdir())
    assert kept == [other.name, *names[5:]]


def test_the_private_parts_of_numba_that_the_cache_uses_are_there():
    """Where they are not, kernels compile without a cache, with one warning: then this file needs work."""
    assert jit._numba_is_as_known()

    @jit.kernel
    def nothing():
        return 1

    assert isinstance(nothing._cache, jit.KernelCache)


def test_a_numba_that_changed_inside_turns_the_cache_off_with_one_warning(monkeypatch):
    monkeypatch.setattr(jit, "_numba_is_as_known", lambda: False)
    jit._warn_once.cache_clear()
    with pytest.warns(RuntimeWarning, match="without a disk cache"):
        compiled = jit.kernel(lambda: 1)
    assert jit.kernel(lambda: 2)() == 2
    assert compiled() == 1
    jit._warn_once.cache_clear()


def test_kernels_give_the_same_without_the_compiler(folder):
    interpreted = run(
        folder,
        RUN.replace("stats = pointwise._value.stats", "sys.exit(print(json.dumps(value.tolist())))"),
        env={"NUMBA_DISABLE_JIT": "1"},
    )
    assert interpreted == [0.125, 0.5]


def test_the_command_line_shows_and_clears_the_cache(folder):
    run(folder)
    command = "from calclearn.__main__ import main; import json\nprint(json.dumps(main({})))"
    shown = start(folder, command.format("['cache']"))
    out, err = shown.communicate(timeout=60)
    assert shown.returncode == 0, err
    assert "1 kernels" in out
    assert run(folder, command.format("['cache', 'clear']")) == 0
    assert not files(folder)
    out, err = start(folder, command.format("[]")).communicate(timeout=60)
    assert "numba" in out
    assert "BLAS" in out


def test_folders_follow_the_platform(monkeypatch):
    monkeypatch.setattr(jit.numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert jit.readable_folders() == [pathlib.Path("/somewhere/calclearn"), jit.package_folder()]
    with jit.beside_the_sources():
        assert jit.writable_folders()[0] == jit.package_folder()
    monkeypatch.setattr(jit.numba.config, "CACHE_DIR", "/configured")
    assert jit.writable_folders() == [pathlib.Path("/configured/calclearn")]
    assert jit.package_folder() in jit.readable_folders()


def test_results_are_float32_where_the_inputs_are():
    from calclearn.losses import SquaredError, pointwise

    out = pointwise.value(SquaredError(), np.zeros(2, np.float32), np.ones(2, np.float32))
    assert out.dtype == np.float32
