"""The compiled kernel: built with the machine's C++ compiler on first use, kept in the user's cache folder."""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from deepcollapse.errors import CompilerError

__all__ = ["Block", "Model", "build", "cache_folder", "compiler", "kernel"]

_REAL = {"float32": "float", "float64": "double"}
_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")
_NATIVE = "-march=native"  # left out where the compiler does not know it
_TORCH = 'use engine="torch" (--engine torch)'


class Model(ctypes.Structure):
    """The struct of this name in kernel.cpp."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("classes", "samples", "width", "layers", "relu", "squared")),
        ("labels", ctypes.c_void_p),
        ("decays", ctypes.c_void_p),
    )


class Block(ctypes.Structure):
    """The struct of this name in kernel.cpp."""

    _fields_ = (
        ("state", ctypes.c_void_p),
        ("scratch", ctypes.c_void_p),
        ("groups", ctypes.c_int64),
        ("threads", ctypes.c_int64),
        ("lr", ctypes.c_double),
        ("steps", ctypes.c_void_p),
        ("losses", ctypes.c_void_p),
        ("norms", ctypes.c_void_p),
    )


@functools.cache
def kernel(dtype: str) -> ctypes.CDLL:
    """The functions of kernel.cpp for "float32" or "float64", loaded once per process.

    Raises:
        CompilerError: no compiler, or one that fails.
    """
    path = build(dtype)
    try:
        return _declared(ctypes.CDLL(str(path)))
    except (OSError, AttributeError) as error:  # no library, or one without our functions
        raise CompilerError(
            f"kernel: expected a library that loads, but found {path} does not ({error}); name another C++ compiler in "
            f"$CXX, or {_TORCH}"
        ) from None


def build(dtype: str) -> Path:
    """The library of this precision: the one in the cache where it is whole, else a new one.

    Its name holds a digest of source, flags, compiler and processor, so an update of any of them builds anew; the
    digest of its content is kept beside it. Where the cache cannot be written, or others can write it, the library goes
    to a folder that lasts as long as the process does.

    Raises:
        CompilerError: no compiler, or one that fails.
    """
    program, source = compiler(), files("deepcollapse.simulate").joinpath("kernel.cpp").read_text(encoding="utf-8")
    version = _output([*program, "--version"])
    parts = (source, dtype, *program, version, *_FLAGS, _NATIVE, _processor())
    name = f"kernel-{dtype}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:24]}.so"
    kept = cache_folder() / name
    if _whole(kept):
        return kept
    with suppress(OSError):
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _own(kept.parent):
            return _built(program, source, dtype=dtype, target=kept)
    try:
        return _built(program, source, dtype=dtype, target=Path(_passing_folder().name) / name)
    except OSError as error:
        raise CompilerError(
            f"kernel: expected a folder to build it in, but found {error}; let XDG_CACHE_HOME or TMPDIR name one that "
            f"can be written, or {_TORCH}"
        ) from None


def compiler() -> list[str]:
    """The C++ compiler as the start of a command: the one that $CXX names, else the first of c++, g++, clang++.

    Raises:
        CompilerError: there is none, or $CXX is not a command.
    """
    named = _named_compiler()
    for program in (named,) if named else ([name] for name in _COMPILERS):
        if shutil.which(program[0]):
            return program
    if named:
        raise CompilerError(
            f"CXX: expected a C++ compiler on the PATH, but found {named[0]!r}; correct or unset CXX, or {_TORCH}"
        )
    raise CompilerError(
        "compiler: expected c++, g++ or clang++ on the PATH, but found none; install a C++ compiler (the package g++ "
        f"or clang, or Xcode's command line tools), or {_TORCH}"
    )


def cache_folder() -> Path:
    """Where libraries are kept: deepcollapse in $XDG_CACHE_HOME, or in ~/.cache.

    A relative $XDG_CACHE_HOME is ignored, as its specification asks for. A user without a home gets a folder that lasts
    as long as the process does.
    """
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    try:
        home = named if named.is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return Path(_passing_folder().name)
    return home / "deepcollapse" if home.is_absolute() else Path(_passing_folder().name)


def _named_compiler() -> list[str]:
    text = os.environ.get("CXX", "")
    try:
        return shlex.split(text)
    except ValueError as error:
        raise CompilerError(
            f"CXX: expected a command as the shell reads it, but found {text!r} ({error}); correct or unset CXX, or "
            f"{_TORCH}"
        ) from None


def _built(program: list[str], source: str, *, dtype: str, target: Path) -> Path:
    """Compiles into a folder beside the target and moves the library into place: no reader sees half a file."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
        text, library, digest = (Path(folder) / name for name in ("kernel.cpp", "kernel.so", "digest"))
        text.write_text(source, encoding="utf-8")
        command = [*program, *_FLAGS, f"-DREAL={_REAL[dtype]}", str(text), "-o", str(library)]
        try:
            _output([*command, _NATIVE])
        except CompilerError:
            _output(command)
        if not library.is_file():
            raise _useless(program[0], f"no {library.name} written")
        digest.write_text(_digest(library), encoding="ascii")
        for file in (library, digest):
            file.chmod(0o700)  # whatever the user's mask lets others do
        os.replace(library, target)
        os.replace(digest, _digest_file(target))
    return target


def _output(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", errors="replace", check=False)
        lines, failed = done.stderr.splitlines(), done.returncode
    except OSError as error:  # a file that is executable but no program
        raise _useless(command[0], str(error)) from None
    if failed:
        raise _useless(command[0], next((line for line in lines if "error" in line), f"exit code {failed}").strip())
    return done.stdout


def _useless(program: str, found: str) -> CompilerError:
    return CompilerError(
        f"compiler: expected {program} to build the kernel, but found {found}; name another C++ compiler in $CXX, or "
        f"{_TORCH}"
    )


def _whole(library: Path) -> bool:
    """Whether it is the user's own, in a folder of the user's own, and has the bytes that were written."""
    digest = _digest_file(library)
    try:
        return all(map(_own, (library.parent, library, digest))) and digest.read_bytes() == _digest(library).encode()
    except OSError:
        return False


def _own(path: Path) -> bool:
    """Whether it belongs to the user and nobody else may write it: else it may hold the code of another."""
    if not hasattr(os, "geteuid"):  # no POSIX system
        return True
    found = path.stat()
    return found.st_uid == os.geteuid() and not found.st_mode & 0o022


def _digest(library: Path) -> str:
    return hashlib.sha256(library.read_bytes()).hexdigest()


def _digest_file(library: Path) -> Path:
    return library.with_suffix(".sha256")


@functools.cache
def _passing_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="deepcollapse-")


def _processor() -> str:
    """What the machine code may use: the processor's features where Linux lists them, else its name."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    features = next((line for line in lines if line.lower().startswith(("flags", "features"))), platform.processor())
    return f"{platform.machine()} {features}"


def _declared(library: ctypes.CDLL) -> ctypes.CDLL:
    """Types of arguments and results."""
    model, pointer, number = ctypes.POINTER(Model), ctypes.c_void_p, ctypes.c_int64
    for name, arguments, result in (
        ("lanes", (), number),
        ("state_size", (model,), number),
        ("scratch_size", (model,), number),
        ("put", (model, pointer, number, pointer), None),
        ("take", (model, pointer, number, pointer), None),
        ("exponentials", (pointer, pointer, number), None),
        ("run", (model, ctypes.POINTER(Block)), None),
    ):
        function = getattr(library, name)
        function.argtypes, function.restype = arguments, result
    return library
