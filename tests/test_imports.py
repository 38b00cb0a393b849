"""Who may import whom, read from the sources: nothing imports upward (docs/architecture.md)."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "mlpfast"

PURE_DATA = {"activations", "errors", "initializers", "layers", "losses", "metrics", "optimizers", "settings"}
PURE_DATA |= {"callers", "directions", "groups", "hints", "history", "names", "parts"}
PURE_DATA |= {"program", "schedules", "scores", "tables"}
ON_CORE = {"adapting", "checks", "derivatives", "drawing", "fullbatch", "gradcheck", "graph", "kernels"}
ON_CORE |= {"model", "trainer", "training"}
#: Beside those, `mlpfast info` asks the kernel table what this machine offers, threadpoolctl limits the threads, and
#: columns of tables become rows, and whether arrays are finite is looked at, by compiled loops.
MAY_TOUCH_CORE = {*ON_CORE, "cli", "_threadpoolctl", "tabular", "validation"}
#: Modules by floor, from the bottom; what is not named here stands on the top floor, with estimators, io and cli.
FLOORS = (
    {"_version", *PURE_DATA},
    {"core"},
    {"classweight", "datasets", "files", "frames", "maps", "validation"},
    ON_CORE | {"_threadpoolctl", "callbacks", "diagnosis", "progress", "rounding"},
)
TOP = len(FLOORS)


def floor(module):
    return next((i for i, names in enumerate(FLOORS) if module in names), TOP)


def modules():
    """The Python modules and packages of mlpfast by name, `core` and `__init__` aside; a package is all its files."""
    for path in sorted(PACKAGE.iterdir()):
        if path.suffix == ".py" and path.stem != "__init__":
            yield path.stem, [path]
        elif (path / "__init__.py").exists() and path.name != "core":
            yield path.name, sorted(path.rglob("*.py"))


def dotted(path):
    """The name that a file is imported by."""
    return ".".join(["mlpfast", *path.relative_to(PACKAGE).with_suffix("").parts]).removesuffix(".__init__")


def imported(path, deferred=True):
    """Names of mlpfast's modules, packages as a whole, that a file imports; `deferred`: in functions, too."""
    return {name.split(".")[1] for name in full_names(path, deferred) if name.startswith("mlpfast.")}


def full_names(path, deferred=True, types=False):
    """Dotted names of the modules that a file imports, and of what it may take from them; `types`: for types, too."""
    package = ["mlpfast", *path.relative_to(PACKAGE).parts[:-1]]
    found = set()

    def visit(node):
        if not types and isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.orelse:
                visit(child)
            return
        if isinstance(node, ast.FunctionDef) and not deferred:
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join([*package[: len(package) - node.level + 1]] if node.level else [])
            base = ".".join(part for part in (base, node.module) if part)
            found.update([base, *(f"{base}.{alias.name}" for alias in node.names)])
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def without_leaves(graph):
    """A graph of imports without what imports nothing of it, again and again: the cycles."""
    while leaves := [name for name, needed in graph.items() if not needed]:
        for name in leaves:
            del graph[name]
        for needed in graph.values():
            needed.difference_update(leaves)
    return graph


MODULES = dict(modules())


def test_the_rules_see_the_tree():
    assert set(MODULES) >= PURE_DATA | {"model", "trainer", "cli", "kernels"}
    assert "core" in imported(PACKAGE / "model.py") and "core" in imported(PACKAGE / "trainer.py")


@pytest.mark.parametrize("module", MODULES)
def test_nothing_imports_upward(module):
    for path in MODULES[module]:
        above = sorted(name for name in imported(path, deferred=False) if floor(name) > floor(module))
        assert not above, f"{path.relative_to(ROOT)} imports {above} from a higher floor"


def test_no_cycles_not_even_for_types():
    """Also not within a package: here each file stands for itself."""
    files = {dotted(path): path for paths in MODULES.values() for path in paths}
    graph = {
        name: {found for found in full_names(path, types=True) if found in files and found != name}
        for name, path in files.items()
    }
    assert "mlpfast.estimators.base" in graph["mlpfast.estimators.classifier"]  # it sees them
    assert not (left := without_leaves(graph)), f"what is left imports one another: {left}"


@pytest.mark.parametrize("module", sorted(set(MODULES) - MAY_TOUCH_CORE))
def test_few_modules_touch_the_compiled_core(module):
    for path in MODULES[module]:
        assert "core" not in imported(path), f"{path.relative_to(ROOT)} imports mlpfast.core"


@pytest.mark.parametrize("module", sorted(PURE_DATA & set(MODULES)))
def test_pure_data_imports_only_pure_data(module):
    for path in MODULES[module]:
        assert imported(path) <= PURE_DATA


CORE = PACKAGE / "core"
CORE_SOURCES = sorted(path for path in CORE.rglob("*.p*") if path.suffix in (".py", ".pyx", ".pxd", ".pyi"))


def in_core(path):
    """A file's place in the core, without what tells its kind."""
    return ".".join(path.relative_to(CORE).with_suffix("").parts)


def core_imports(path):
    """What a file of the core takes from the package, as lines with the module's name from the core on, or None."""
    above = path.relative_to(CORE).parts[:-1]
    for line in path.read_text(encoding="utf-8").splitlines():
        match = re.match(r"\s*(?:from\s+(\.+|mlpfast)([\w.]*)\s+c?import|c?import\s+(mlpfast)([\w.]*))", line)
        if match is None:
            continue
        if match[1] is None or match[1] == "mlpfast":
            inside = re.fullmatch(r"\.core\.?([\w.]*)", match[2] or match[4] or "")
            yield line.strip(), inside and inside[1]
        else:
            up = len(match[1]) - 1
            name = ".".join([*above[: len(above) - up], *([match[2]] if match[2] else [])])
            yield line.strip(), name if up <= len(above) else None


@pytest.mark.parametrize("path", CORE_SOURCES, ids=lambda path: str(path.relative_to(CORE)))
def test_core_imports_only_core(path):
    assert not [line for line, name in core_imports(path) if name is None]


def test_no_cycles_in_the_core():
    """A module's declarations, stubs and body are one."""
    graph = {in_core(path): set() for path in CORE_SOURCES}
    for path in CORE_SOURCES:
        found = {name for _, name in core_imports(path)}
        graph[in_core(path)] |= (found & {*graph}) - {in_core(path)}
    assert {"layers.block", "plan"} <= graph["step"] and "memory" in graph["layers.block"]  # it sees them
    assert not (left := without_leaves(graph)), f"what is left imports one another: {left}"


def test_a_step_stands_in_one_file_of_200_lines():
    assert len((CORE / "step.pyx").read_text(encoding="utf-8").splitlines()) <= 200


@pytest.mark.parametrize("path", CORE_SOURCES, ids=lambda path: str(path.relative_to(CORE)))
def test_only_table_declares_the_c_contract(path):
    declares = re.search(r"cdef extern from\s+[\"'](?!<|Python\.h|numpy/)", path.read_text(encoding="utf-8"))
    assert not declares or path.stem == "table", f"{path.name} declares C; core/table is the place"


@pytest.mark.parametrize("path", sorted((ROOT / "csrc").rglob("*.[chi]*")), ids=lambda path: path.name)
def test_c_knows_nothing_of_python(path):
    text = path.read_text(encoding="utf-8")
    included = re.findall(r"^\s*#\s*include\s*[<\"]([^>\"]+)", text, re.MULTILINE)
    assert not [name for name in included if "Python" in name or "numpy" in name]
    assert not re.search(r"\bPy[A-Z]\w*\(|\bPyObject\b", text)


def test_python_3_10_can_make_every_class():
    """A named tuple has other bases from 3.11 on only, and then a mere import of the package is an error."""
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            bases = {ast.unparse(base) for base in node.bases} if isinstance(node, ast.ClassDef) else set()
            assert "NamedTuple" not in bases or bases == {"NamedTuple"}, f"{path}: {node.name}"
