"""Every file of the package keeps the house rules of CONTRIBUTING.md."""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "deepcollapse"
FILES = sorted(PACKAGE.rglob("*.py"))

FILE_LINES = 400
FUNCTION_LINES = 40
POSITIONAL_PARAMETERS = 3
TOP_LEVEL_NAMES = 30
NAMELESS = {"utils.py", "util.py", "misc.py", "helpers.py", "helper.py", "base.py", "common.py"}
VERBS = ("compute_", "get_")

type_of_function = (ast.FunctionDef, ast.AsyncFunctionDef)
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))


def functions(tree: ast.AST, *, in_class: bool = False) -> Iterator[tuple[Function, bool]]:
    """Every function below a node, nested ones too, with whether it is a method."""
    for child in ast.iter_child_nodes(tree):
        if isinstance(child, type_of_function):
            yield child, in_class
        yield from functions(child, in_class=isinstance(child, ast.ClassDef))


def body_lines(function: Function) -> int:
    """Lines from the first statement behind the docstring to the last one."""
    documented = ast.get_docstring(function, clean=False) is not None
    start = function.body[0].end_lineno + 1 if documented else function.body[0].lineno
    return function.end_lineno - start + 1


def positional_parameters(function: Function, *, method: bool) -> int:
    """Parameters that can be passed by position; self and cls do not count."""
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorator_list)
    parameters = function.args.posonlyargs + function.args.args
    return len(parameters) - (method and not static)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)


def test_the_package_is_found():
    assert PACKAGE / "errors.py" in FILES


def offenders(of: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """What a check finds, by file; files in which it finds nothing are left out."""
    found = {str(file.relative_to(PACKAGE)): of(file) for file in FILES}
    return {name: faults for name, faults in found.items() if faults}


def test_files_are_short():
    lengths = {str(file.relative_to(PACKAGE)): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {name: count for name, count in lengths.items() if count > FILE_LINES} == {}, "split them by noun"


def test_functions_are_short():
    def long(file: Path) -> list[str]:
        return [f.name for f, _ in functions(parsed(file)) if body_lines(f) > FUNCTION_LINES]

    assert offenders(long) == {}


def test_functions_take_few_positional_parameters():
    def wide(file: Path) -> list[str]:
        found = functions(parsed(file))
        return [f.name for f, method in found if positional_parameters(f, method=method) > POSITIONAL_PARAMETERS]

    assert offenders(wide) == {}


def test_files_are_named_after_things():
    assert [file for file in FILES if file.name in NAMELESS] == []


def test_definitions_are_named_after_the_quantity():
    kinds = (*type_of_function, ast.ClassDef)

    def verbs(file: Path) -> list[str]:
        names = [node.name for node in ast.walk(parsed(file)) if isinstance(node, kinds)]
        return [name for name in names if name.lstrip("_").startswith(VERBS) and not name.startswith("__")]

    assert offenders(verbs) == {}


def test_files_declare_what_is_public():
    def undeclared(file: Path) -> list[str]:
        assigned = [node for node in parsed(file).body if isinstance(node, ast.Assign | ast.AnnAssign)]
        targets = [t for node in assigned for t in (node.targets if isinstance(node, ast.Assign) else [node.target])]
        names = {target.id for target in targets if isinstance(target, ast.Name)}
        return [] if "__all__" in names or file.name == "__main__.py" else ["no __all__"]

    assert offenders(undeclared) == {}


def command_names(trees: list[ast.Module]) -> set[str]:
    """Names registered as commands: decorated, passed to `.command`, or given as "module:function"."""
    names = set()
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr in {"command", "default"}:
                names |= {argument.id for argument in node.args if isinstance(argument, ast.Name)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and ":" in node.value:
            module, _, name = node.value.partition(":")
            if module.startswith("deepcollapse.cli") and name.isidentifier():
                names.add(name)
        elif isinstance(node, type_of_function):
            decorators = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
            if any(isinstance(d, ast.Attribute) and d.attr in {"command", "default"} for d in decorators):
                names.add(node.name)
    return names


def test_commands_take_keywords_only():
    files = sorted((PACKAGE / "cli").glob("*.py"))
    trees = {file.name: parsed(file) for file in files}
    commands = command_names(list(trees.values())) | {file.stem for file in files}
    found = [
        f"{name}: {node.name}, line {node.lineno}"
        for name, tree in trees.items()
        for node in tree.body
        if isinstance(node, type_of_function) and node.name in commands and node.args.posonlyargs + node.args.args
    ]
    assert found == []


def loaded_by(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running the code."""
    done = python(f"{code}\nimport sys\nprint(*sys.modules, file=sys.stderr)")
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


def test_importing_the_package_is_cheap():
    heavy = {"torch", "matplotlib", "scipy", "sklearn", "flint"}
    assert loaded_by("import deepcollapse") & heavy == set()


def test_help_does_not_load_the_machinery():
    code = (
        "import sys\n"
        "from deepcollapse.cli import main\n"
        "sys.argv = ['deepcollapse', '--help']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
    )
    assert loaded_by(code) & {"torch", "matplotlib", "scipy", "sklearn"} == set()


def test_help_names_the_commands():
    done = subprocess.run(
        [sys.executable, "-m", "deepcollapse", "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for command in ("theory", "spectrum", "landscape", "atlas", "simulate", "measure", "demo"):
        assert command in done.stdout


def test_top_level_names_are_few_and_resolve():
    import deepcollapse

    assert len(deepcollapse.__all__) <= TOP_LEVEL_NAMES
    assert len(set(deepcollapse.__all__)) == len(deepcollapse.__all__)
    missing = [name for name in deepcollapse.__all__ if not hasattr(deepcollapse, name)]
    assert missing == []
    assert set(deepcollapse.__all__) <= set(dir(deepcollapse))


def test_unknown_top_level_name_is_an_attribute_error():
    import deepcollapse

    with pytest.raises(AttributeError, match="no_such_name"):
        _ = deepcollapse.no_such_name


def opened_in_no_named_encoding(tree: ast.Module) -> Iterator[str]:
    """Calls that read or write text in whatever encoding the machine has."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        modes = [
            a.value for a in [*call.args, *given.values()] if isinstance(a, ast.Constant) and isinstance(a.value, str)
        ]
        binary = any("b" in mode and set(mode) <= set("rwaxbt+") for mode in modes)
        text = name in ("read_text", "write_text") or {"text", "universal_newlines"} & given.keys()
        opens = (name == "open" and (isinstance(call.func, ast.Name) or bool(modes))) or name in (
            "fdopen",
            "TextIOWrapper",
        )
        if (text or opens) and not binary and "encoding" not in given:
            yield f"{name}, line {call.lineno}"


def test_every_text_is_read_and_written_in_a_named_encoding():
    found = {str(file.relative_to(PACKAGE)): list(opened_in_no_named_encoding(parsed(file))) for file in FILES}
    assert {name: calls for name, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "code", ["open(p)", "open(p, 'w')", "p.open('a')", "p.read_text()", "p.write_text(t)", "run(c, text=True)"]
)
def test_a_text_in_the_encoding_of_the_machine_is_found(code):
    assert list(opened_in_no_named_encoding(ast.parse(code)))
