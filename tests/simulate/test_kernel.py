import os
import stat
from pathlib import Path

import numpy as np
import pytest

from deepcollapse.errors import CompilerError
from deepcollapse.simulate import CpuEngine, Descent, gaussian_starts, simulate
from deepcollapse.simulate.kernel import build, cache_folder, compiler, kernel
from deepcollapse.ufm import Problem
from simulate.oracle import trained

try:
    compiler()
except CompilerError:
    pytestmark = pytest.mark.skip(reason="no C++ compiler")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of its own, and a process that has loaded nothing yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    kernel.cache_clear()
    yield tmp_path / "deepcollapse"
    kernel.cache_clear()


def script(folder, text):
    """A compiler of that behaviour."""
    path = folder / "compiler"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_built_once_per_precision(cache):
    double = build("float64")
    assert double.parent == cache == cache_folder()
    before = double.stat().st_mtime_ns
    assert build("float64") == double
    assert double.stat().st_mtime_ns == before
    assert build("float32") != double
    assert len(list(cache.iterdir())) == 4  # two libraries and their digests


def test_a_damaged_library_is_built_anew():
    path = build("float64")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert build("float64") == path
    assert path.stat().st_size == len(whole)
    assert kernel("float64").lanes() >= 2


def test_without_a_writable_cache_it_lasts_as_long_as_the_process(cache):
    cache.write_text("a file where the folder should be")
    path = build("float64")
    assert path.exists()
    assert cache not in path.parents
    assert kernel("float64").lanes() >= 2


def test_the_cache_is_below_home_by_default(monkeypatch):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(cache_folder()) == "/home/somebody/.cache/deepcollapse"


@pytest.mark.parametrize("named", ["", "cache", "./cache", "~/cache"])
def test_a_relative_name_of_the_cache_is_ignored(named, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", named)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert str(cache_folder()) == "/home/somebody/.cache/deepcollapse"


@pytest.mark.parametrize("home", [None, "relative"])
def test_without_a_home_nothing_is_left_in_the_working_directory(home, monkeypatch, tmp_path):
    def nobody(number):
        raise KeyError(number)

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME") if home is None else monkeypatch.setenv("HOME", home)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.chdir(tmp_path)
    path = build("float64")
    assert path.is_file()
    assert path.is_absolute()
    assert list(tmp_path.iterdir()) == []


def test_no_folder_can_be_written(cache, monkeypatch):
    def full(*_, **__):
        raise OSError("No space left on device")

    monkeypatch.setattr("tempfile.TemporaryDirectory", full)
    with pytest.raises(CompilerError, match="expected a folder to build it in, but found No space left on device; let"):
        build("float64")


def test_a_machine_without_a_compiler_falls_back_to_torch(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(CompilerError, match=r"compiler: expected c\+\+, g\+\+ or clang\+\+ on the PATH, .*; install"):
        CpuEngine()
    assert simulate(Problem(classes=3, layers=1, decay=0.05), seeds=20, lr=1.0).engine == "torch float64 cpu"


def test_a_named_compiler_that_is_not_there(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(
        CompilerError, match=r"CXX: expected a C\+\+ compiler on the PATH, but found 'no-such-compiler'"
    ):
        build("float64")


@pytest.mark.parametrize("name", ["g++ '", 'g++ "-O2', "g++ \\\\\\"])
def test_a_compiler_that_the_shell_could_not_read_either(name, monkeypatch):
    monkeypatch.setenv("CXX", name)
    with pytest.raises(CompilerError, match=r"CXX: expected a command as the shell reads it, but found .*; correct or"):
        compiler()
    assert simulate(Problem(classes=3, layers=1, decay=0.05), seeds=20, lr=1.0).engine == "torch float64 cpu"


@pytest.mark.parametrize("content", [b"#!/bin/sh\nexit 0\n", b"\x7fELF and nothing that runs"])
def test_a_program_that_is_no_compiler(content, monkeypatch, tmp_path):
    path = Path(script(tmp_path, ""))
    path.write_bytes(content)
    monkeypatch.setenv("CXX", str(path))
    with pytest.raises(
        CompilerError, match=r"to build the kernel, but found (no kernel.so written|.*Exec format error)"
    ):
        build("float64")


def test_a_compiler_that_fails_says_so(monkeypatch, tmp_path):
    program = script(tmp_path, '[ "$1" = --version ] && exit 0\necho "error: out of ink" >&2; exit 1')
    monkeypatch.setenv("CXX", program)
    with pytest.raises(CompilerError, match=r"to build the kernel, but found error: out of ink; name another C\+\+"):
        build("float64")


def test_a_library_that_does_not_load(monkeypatch, tmp_path):
    program = script(tmp_path, 'while [ "$1" != -o ]; do [ "$1" = --version ] && exit 0; shift; done; echo no > "$2"')
    monkeypatch.setenv("CXX", program)
    with pytest.raises(CompilerError, match=r"kernel: expected a library that loads, but found .* does not"):
        kernel("float64")


def test_a_compiler_that_does_not_know_the_native_flag(monkeypatch, tmp_path):
    real = " ".join(compiler())
    program = script(
        tmp_path, f'for a; do [ "$a" = -march=native ] && {{ echo "error: $a" >&2; exit 1; }}; done\nexec {real} "$@"'
    )
    monkeypatch.setenv("CXX", f"{program} -O1")
    assert kernel("float64").lanes() * 8 == 16 or os.uname().machine != "x86_64"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="names features of x86-64")
@pytest.mark.parametrize(("flags", "most"), [("-mno-avx512f", 4), ("-mno-avx", 2)])
def test_narrower_vectors_take_the_same_steps(flags, most, monkeypatch):
    """Their tiles differ; sums of 151 terms are cut into blocks and 7 x 151 entries leave odd tiles at the edges."""
    monkeypatch.setenv("CXX", f"{' '.join(compiler())} {flags} -O1")
    engine = CpuEngine(threads=1)
    assert engine.lanes <= most
    for activation in ("linear", "relu"):
        problem = Problem(classes=7, layers=2, samples=3, width=151, activation=activation, decay=0.01)
        starts = dict(gaussian_starts(problem, range(3)))
        rule = Descent(lr=0.3, tolerance=1e-12, steps_max=3)
        for end in engine.train(problem, starts.items(), descent=rule):
            for a, b in zip(end.factors, trained(starts[end.seed], problem, lr=0.3, steps=3), strict=True):
                np.testing.assert_allclose(a, b, atol=1e-13)  # three steps of sums over at most 151 terms of size one


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="no owners of files")
@pytest.mark.parametrize("what", ["folder", "library", "digest"])
def test_a_library_that_others_can_write_is_not_loaded(cache, what):
    """Nor one that belongs to them, which only an administrator can try out."""
    kept = build("float64")
    path = {"folder": cache, "library": kept, "digest": kept.with_suffix(".sha256")}[what]
    path.chmod(0o777)
    again = build("float64")
    assert (again.parent == cache) == (what != "folder")
    assert not again.stat().st_mode & 0o022
    if os.geteuid() == 0:
        path.chmod(0o700)
        os.chown(path, 65534, 65534)
        assert build("float64").stat().st_uid == 0
