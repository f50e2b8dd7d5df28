"""kernel(): the one way to compiled code, and its disk cache with one file per signature.

Numba's own cache keeps one index per function.  Two processes that save different signatures at the
same time can pick the same data file, a class whose module is missing breaks every reader of the
index, and a formula that changed in another file is served stale.  Here a compiled signature is one
file, named by everything that decides its machine code and written by an atomic rename: there is
nothing to race for, to poison or to go stale.

A cache is a convenience: an unwritable folder, a corrupt file or a full disk means compiling, never
an error.
"""

import contextlib
import hashlib
import os
import pickle
import shutil
import sys
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np
from numba.core import serialize
from numba.core.caching import _Cache
from numba.core.compiler import CompileResult
from numba.core.compiler_lock import global_compiler_lock
from numba.core.dispatcher import Dispatcher

from .fingerprint import Fingerprint, Unknown, digest, is_trusted

PACKAGE = Path(__file__).resolve().parent.parent
FLOORS = (
    "_runtime",
    "calculus",
    "losses",
    "penalties",
    "optimize",
    "_objectives",
)  # for all kernels
SUFFIX = ".kernel"
GENERATIONS_KEPT = 4  # folders of other versions of the package, or of Numba
FORMULAS_KEPT = 16  # versions of one formula for one kernel and one set of argument types


def kernel(function):
    """Compile *function* on first call for each set of argument types: nogil, cached on disk.

    Division by zero follows IEEE 754 (``error_model="numpy"``).  Hand inputs over as read-only views,
    so that there is one signature for them.
    """
    compiled = numba.njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True)(function)
    if isinstance(compiled, Dispatcher):  # with NUMBA_DISABLE_JIT it is the function itself
        if _numba_is_as_known():
            compiled._cache = KernelCache(function)
        else:
            _warn_once()
    return compiled


def inner(function):
    """Compile a part of kernels, kept on disk with them; without a way in from Python: a call would crash.

    It makes no arrays, and so has no references to count.
    """
    return _part(function, laid_in=False)


def inlined(function):
    """The same, laid into whoever calls it: for what is called so often that calls count."""
    return _part(function, laid_in=True)


def _part(function, laid_in):
    options = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True, "forceinline": laid_in}
    return numba.njit(nogil=True, error_model="numpy", _nrt=False, **options)(function)


def readonly(array, dtype=None):
    """A contiguous read-only view, of `dtype` if given: kernels have one signature for all inputs."""
    view = np.ascontiguousarray(array, dtype).view()
    view.flags.writeable = False
    return view


class KernelCache(_Cache):
    """What a Numba dispatcher asks before it compiles, and tells afterwards."""

    def __init__(self, function):
        self._function = function
        self._name = f"{function.__module__}.{function.__qualname__}".replace("<", "").replace(">", "")
        self._enabled = True
        # read now, as the module is: see SOURCES
        self._of_package = _own_sources(function.__module__) if is_trusted(function.__module__) else None

    @property
    def cache_path(self):
        return str(writable_folders()[0] / generation())

    def enable(self):
        self._enabled = True

    def disable(self):
        self._enabled = False

    def flush(self):
        for folder in readable_folders():
            for path in (folder / generation()).glob(f"{self._name}-*{SUFFIX}"):
                _remove(path)

    def load_overload(self, signature, target_context):
        """The compiled signature from the first folder that holds an intact file, else None."""
        target_context.refresh()
        name = self._file_name(signature, target_context.codegen())
        if name is None:
            return None
        for folder in readable_folders():
            payload = _read(folder / generation() / name)
            if payload is not None:
                try:
                    return CompileResult._rebuild(target_context, *payload)
                except Exception:  # the linker's or Numba's, of any type: what does not load is compiled
                    continue
        return None

    def save_overload(self, signature, result):
        """Write the compiled signature to the first folder that takes it."""
        name = self._file_name(signature, result.codegen)
        if name is None or result.library.has_dynamic_globals or result.lifted:
            return
        data = serialize.dumps(result._reduce())
        for folder in writable_folders():
            if _write(folder / generation() / name, hashlib.sha256(data).digest() + data):
                with contextlib.suppress(OSError):
                    _evict(folder, name)
                return

    def _file_name(self, signature, codegen) -> str | None:
        """``kernel-types-formula.kernel``; None where the machine code must not be kept."""
        argument_types = getattr(signature, "args", signature)
        formulas = [t.digest for t in argument_types if hasattr(t, "digest")]
        source = self._source()
        if not self._enabled or source is None or None in formulas:
            return None
        plain = [getattr(t, "kind", None) or str(t) for t in argument_types]
        return f"{self._name}-{digest((source, plain, codegen.magic_tuple()))}-{digest(formulas)}{SUFFIX}"

    def _source(self) -> str | None:
        """The kernel's own fingerprint; for kernels of this package, what `generation` does not cover."""
        if self._of_package is not None:
            return self._of_package
        try:
            return digest(Fingerprint().of(self._function))
        except Unknown:
            return None


# ------------------------------------------------------------------------------------------- folders


def readable_folders() -> list[Path]:
    """Where compiled kernels are looked for, in order: a prebuilt cache may be read-only."""
    return [*writable_folders(), *([] if package_folder() in writable_folders() else [package_folder()])]


def writable_folders() -> list[Path]:
    """Where a new kernel is saved: the first that can be written.

    `NUMBA_CACHE_DIR` is the only one where it is set; else the user's cache, then the package's folder.
    """
    configured = getattr(numba.config, "CACHE_DIR", "")
    if configured:
        return [Path(configured) / "calclearn"]
    folders = [user_folder(), package_folder()]
    return folders[::-1] if _beside_the_sources else folders


_beside_the_sources = False


@contextlib.contextmanager
def beside_the_sources():
    """Prefer the package's folder for what is compiled inside, if it can be written."""
    global _beside_the_sources
    _beside_the_sources = True
    try:
        yield
    finally:
        _beside_the_sources = False


def package_folder() -> Path:
    """Beside the sources: for images and read-only installs, filled by ``python -m calclearn compile``."""
    return PACKAGE / "__pycache__" / "kernels"


def user_folder() -> Path:
    """The platform's folder for caches."""
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser(r"~\AppData\Local")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "calclearn"


@cache
def _digest_of_sources(*folders: str) -> str:
    sources = hashlib.sha256()
    for path in sorted(path for folder in folders for path in (PACKAGE / folder).rglob("*.py")):
        sources.update(path.relative_to(PACKAGE).as_posix().encode() + b"\0" + path.read_bytes())
    return sources.hexdigest()


def _own_sources(module: str) -> str:
    """A digest of the estimator package that a kernel belongs to; nothing for kernels of the floors below.

    So an edited estimator does not cost the compilation of what all of them share.  Formulas have no such
    digest: those of the package live on the floors.
    """
    folder = [*module.split("."), ""][1]
    return "" if folder in FLOORS else _digest_of_sources(folder)


# Read at import, as the modules are: an upgrade under a running process must not lend it its name.
SOURCES = _digest_of_sources(*FLOORS)


@cache
def generation() -> str:
    """One name for all that every kernel's machine code depends on: the shared sources, versions, options."""
    options = tuple(getattr(numba.config, name, None) for name in ("OPT", "BOUNDSCHECK", "DEBUGINFO_DEFAULT"))
    versions = (numba.__version__, llvmlite.__version__, np.__version__, sys.version_info[:2])
    return digest((SOURCES, versions, options))


def _read(path: Path) -> tuple | None:
    """The content of a cache file; None where it is missing, unreadable, or not what was written."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    checksum, data = content[:32], content[32:]
    if hashlib.sha256(data).digest() != checksum:
        return None
    try:
        return pickle.loads(data)
    except (pickle.UnpicklingError, EOFError, AttributeError, ImportError, ValueError, TypeError):
        return None  # written by a program that had a class which this one lacks


def _write(path: Path, content: bytes) -> bool:
    """Write by an atomic rename; False where the folder or the disk does not take it."""
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".saving-")
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except OSError:
        if temporary is not None:
            _remove(Path(temporary))
        return False
    return True


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


def _evict(folder: Path, name: str) -> None:
    """Drop what edits have left behind: other generations, and older versions of the same formula."""
    current = folder / generation()
    stem = name.rpartition("-")[0]
    for path in _newest_first(current.glob(f"{stem}-*{SUFFIX}"))[FORMULAS_KEPT:]:
        _remove(path)
    others = (path for path in folder.iterdir() if path.is_dir() and path != current)
    for path in _newest_first(others)[GENERATIONS_KEPT - 1 :]:
        shutil.rmtree(path, ignore_errors=True)


def _newest_first(paths) -> list[Path]:
    def age(path):
        try:
            return -path.stat().st_mtime
        except OSError:  # removed by another process meanwhile
            return 0.0

    return sorted(paths, key=age)


def clear() -> int:
    """Empty every folder that can be written; the number of kernels removed."""
    removed = 0
    for folder in readable_folders():
        files = list(folder.glob(f"*/*{SUFFIX}"))
        removed += len(files)
        shutil.rmtree(folder, ignore_errors=True)
        removed -= sum(path.exists() for path in files)
    return removed


# ----------------------------------------------------------------------------------- Numba's privates


def _numba_is_as_known() -> bool:
    """Whether the private parts of Numba that the cache stands on are there."""
    return all(hasattr(CompileResult, name) for name in ("_reduce", "_rebuild"))


@cache
def _warn_once() -> None:
    warnings.warn(
        f"Numba {numba.__version__} has changed inside: calclearn compiles without a disk cache",
        RuntimeWarning,
        stacklevel=4,
    )


def _fork_waits_for_the_compiler() -> None:
    """A child that is forked while another thread compiles would wait for Numba's lock forever."""
    lock: Any = global_compiler_lock
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lock.acquire, after_in_parent=lock.release, after_in_child=lock.release)


_fork_waits_for_the_compiler()
