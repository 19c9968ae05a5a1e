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
from importlib.resources import files
from pathlib import Path

from deepcollapse.errors import CompilerError

__all__ = ["Block", "Model", "build", "cache_folder", "compiler", "kernel"]

_REAL = {"float32": "float", "float64": "double"}
_COMPILERS = ("c++", "g++", "clang++")
_FLAGS = ("-std=c++17", "-O3", "-fno-math-errno", "-ffp-contract=fast", "-fPIC", "-shared", "-pthread")
_NATIVE = "-march=native"  # left out where the compiler does not know it


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
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise CompilerError(
            f"kernel: expected a library that loads, but found {path} does not ({error}); "
            'install another C++ compiler, or use engine="torch"'
        ) from None
    return _declared(library)


def build(dtype: str) -> Path:
    """The library of this precision: the one in the cache where it is whole, else a new one.

    Its name holds a digest of source, flags, compiler and processor, so an update of any of them builds anew; the
    digest of its content is kept beside it. Where the cache cannot be written, it goes to a folder that lasts as long
    as the process does.

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
    try:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _built(program, source, dtype=dtype, target=kept)
    except OSError:
        return _built(program, source, dtype=dtype, target=Path(_passing_folder().name) / name)


def compiler() -> list[str]:
    """The C++ compiler as the start of a command: the one that $CXX names, else the first of c++, g++, clang++.

    Raises:
        CompilerError: there is none.
    """
    wanted = shlex.split(os.environ.get("CXX", ""))
    for program in (wanted,) if wanted else ([name] for name in _COMPILERS):
        if shutil.which(program[0]):
            return program
    looked_for = f"what $CXX names ({wanted[0]})" if wanted else "c++, g++ or clang++"
    raise CompilerError(
        f"compiler: expected {looked_for} on the PATH, but found none; install a C++ compiler (the package g++ or "
        'clang, or Xcode\'s command line tools), or use engine="torch"'
    )


def cache_folder() -> Path:
    """Where libraries are kept: deepcollapse in $XDG_CACHE_HOME, or in ~/.cache."""
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "deepcollapse"


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
        digest.write_text(_digest(library), encoding="ascii")
        os.replace(library, target)
        os.replace(digest, _digest_file(target))
    return target


def _output(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        reason = next((line for line in done.stderr.splitlines() if "error" in line), f"exit code {done.returncode}")
        raise CompilerError(
            f"compiler: expected {command[0]} to build the kernel, but found {reason.strip()}; "
            'name another C++ compiler in $CXX, or use engine="torch"'
        )
    return done.stdout


def _whole(library: Path) -> bool:
    try:
        return _digest_file(library).read_text(encoding="ascii") == _digest(library)
    except (OSError, UnicodeDecodeError):
        return False


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
