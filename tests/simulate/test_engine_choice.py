import pytest

from deepcollapse.errors import CompilerError, InvalidInputError
from deepcollapse.simulate import CpuEngine, TorchEngine, engine_choice
from deepcollapse.simulate import kernel as kernel_module
from deepcollapse.simulate.kernel import compiler
from deepcollapse.simulate.optimiser import Adam, GradientDescent, Momentum
from deepcollapse.ufm import Problem

try:
    compiler()
    compiled = True
except CompilerError:
    compiled = False

needs_compiler = pytest.mark.skipif(not compiled, reason="no C++ compiler")

TYPICAL = Problem(classes=10, layers=2, samples=5, width=70)


@needs_compiler
@pytest.mark.parametrize(
    ("problem", "seeds", "engine", "reason"),
    [
        (TYPICAL, 64, CpuEngine, "at a time fit the cache"),
        (TYPICAL, 1, TorchEngine, "1 seeds are too few for"),
        (TYPICAL.replace(width=20), 1, CpuEngine, "at a time fit the cache"),
        (TYPICAL.replace(width=700), 64, TorchEngine, "MiB, too much for the cache"),
        (TYPICAL.replace(layers=3, classes=100, samples=1, width=512), 64, TorchEngine, "MiB, too much for the cache"),
    ],
)
def test_the_rule(problem, seeds, engine, reason):
    choice = engine_choice(problem, "auto", seeds=seeds)
    assert isinstance(choice.engine, engine)
    assert reason in choice.reason


@needs_compiler
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_lanes_may_be_idle_in_narrow_models_only(dtype):
    lanes = CpuEngine(dtype=dtype).lanes
    for width, fewest in {32: 1, 40: lanes // 4, 80: lanes // 2, 160: lanes, 170: lanes}.items():
        kinds = [
            type(engine_choice(TYPICAL.replace(width=width), "auto", seeds=seeds, dtype=dtype).engine)
            for seeds in range(1, lanes + 1)
        ]
        assert kinds == [TorchEngine] * (max(fewest, 1) - 1) + [CpuEngine] * (lanes - max(fewest, 1) + 1)


@needs_compiler
def test_threads_share_the_cache(monkeypatch):
    """The limit is on what is under way at a time: a group per thread, but no more than the seeds fill."""
    lanes, size = CpuEngine().lanes, CpuEngine().group_bytes(wide := TYPICAL.replace(width=270))
    limit = 12 * 2**20
    for threads, groups in ((1, 8), (2, 1), (2, 8), (64, 2), (64, 64)):
        monkeypatch.setattr("torch.get_num_threads", lambda threads=threads: threads)
        fits = size * min(threads, groups) <= limit
        engine = engine_choice(wide, "auto", seeds=groups * lanes).engine
        assert isinstance(engine, CpuEngine if fits else TorchEngine)
        assert isinstance(engine_choice(TYPICAL, "auto", seeds=groups * lanes).engine, CpuEngine)  # fits a core's own


def test_another_device_belongs_to_torch():
    choice = engine_choice(TYPICAL, "auto", seeds=64, dtype="float32", device="cpu:0")
    assert (choice.engine, choice.reason) == (TorchEngine("float32", "cpu:0"), "the device is cpu:0")


@pytest.mark.parametrize("optimiser", [Momentum(beta=0.5), Adam()])
def test_another_optimiser_belongs_to_torch(optimiser):
    choice = engine_choice(TYPICAL, "auto", seeds=64, dtype="float32", optimiser=optimiser)
    assert choice.engine == TorchEngine("float32")
    assert choice.reason == f"the kernel takes plain gradient steps only, not {optimiser.name}"
    with pytest.raises(InvalidInputError, match="expected plain gradient descent for the compiled kernel, but found"):
        engine_choice(TYPICAL, "cpu", seeds=64, optimiser=optimiser)


@needs_compiler
def test_plain_gradient_descent_may_be_named():
    assert engine_choice(TYPICAL, "auto", seeds=64, optimiser=GradientDescent()).engine == CpuEngine()


@needs_compiler
def test_a_name_is_obeyed():
    assert engine_choice(TYPICAL, "cpu", seeds=1).engine == CpuEngine()
    assert engine_choice(TYPICAL, "torch", seeds=64, dtype="float32").engine == TorchEngine("float32")


def test_without_a_compiler_auto_says_why(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CXX", raising=False)
    kernel_module.kernel.cache_clear()
    choice = engine_choice(TYPICAL, "auto", seeds=64)
    assert choice.engine == TorchEngine()
    assert choice.reason.startswith("no kernel: compiler: expected c++, g++ or clang++ on the PATH, but found none")
    with pytest.raises(CompilerError, match="install a C\\+\\+ compiler"):
        engine_choice(TYPICAL, "cpu", seeds=64)


def test_bad_names():
    with pytest.raises(InvalidInputError, match='engine: expected "auto", "torch" or "cpu", but found \'abacus\''):
        engine_choice(TYPICAL, "abacus", seeds=64)
    with pytest.raises(InvalidInputError, match='engine: expected "torch" for the device \'cuda\', but found "cpu"'):
        engine_choice(TYPICAL, "cpu", seeds=64, device="cuda")
