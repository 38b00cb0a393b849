"""How the compiled part is built: extension modules, and kernels for each ISA. Everything else is in pyproject.toml."""

import os
import re
import shlex
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.modified import newer_group

ISAS = "csrc/isa/isas.h"
DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
}
# A product and a sum are fused only where the source says so: with contraction left to the compiler, bits would differ.
# Nothing but Python's entry to a module is exported: another library may have functions of the same names.
FLAGS = ["-O3", "-g0", "-ffp-contract=off", "-fvisibility=hidden", "-fstack-protector-strong"]
C_FLAGS = ["-std=gnu11", "-Icsrc", "-fno-math-errno", "-fno-trapping-math"]
# The kernels' arrays on the stack have fixed sizes; their guards would add 0.6 % to the smallest step's instructions.
UNGUARDED = ["-fno-stack-protector"]
CYTHON_FLAGS = ["-DNPY_NO_DEPRECATED_API=NPY_1_7_API_VERSION", "-Icsrc", f"-I{numpy.get_include()}"]
# Clones of functions for constant arguments took 40 kB of the kernels, and nothing was faster by them. Clang
# makes none, and has no such flag.
NO_CLONES = "-fno-ipa-cp-clone"
# Modules with nothing that runs in a step, but for calls of Python, and no loops over numbers: they become half as big.
FOR_SIZE = {"called", "elementary", "engine", "given", "owner", "plan", "random", "rowwise"}
# `make sanitize` sets this to -fsanitize=...
EXTRA_FLAGS = shlex.split(os.environ.get("MLPFAST_EXTRA_FLAGS", ""))
# Nothing unwinds the kernels; and the names of what is not exported are a tenth of a module. With flags of one's own
# (-g, for a profiler or a debugger) tables for unwinding and names stay.
NO_UNWINDING = [] if EXTRA_FLAGS else ["-fno-asynchronous-unwind-tables"]
# All symbols are bound when a module is loaded, and their table is read-only from then on.
LINUX_LINK_FLAGS = ["-Wl,-z,relro", "-Wl,-z,now", *([] if EXTRA_FLAGS else ["-Wl,-s"])]
LINK_FLAGS = ["-pthread", *(LINUX_LINK_FLAGS if sys.platform == "linux" else []), *EXTRA_FLAGS]
N_CPUS = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def instruction_sets(compiler):
    """Those that the kernels are compiled for on the compiler's architecture, with the flags of each."""
    rows = subprocess.run([*compiler, "-E", "-P", ISAS], check=True, capture_output=True, text=True).stdout
    return {name: flags.split() for name, flags in re.findall(r'^ISA\((\w+), "(.*?)"', rows, re.MULTILINE)}


def accepts(compiler, *flags):
    """Whether it takes them without a warning."""
    command = [*compiler, *flags, "-Werror", "-E", "-xc", "-"]
    return subprocess.run(command, input=b"#include <string.h>\n", capture_output=True).returncode == 0


def c_library(compiler):
    """The C side, source by source with its flags: kernels for each ISA, and the runtime."""
    isas = instruction_sets(compiler).items()
    common = C_FLAGS + NO_UNWINDING + [NO_CLONES] * accepts(compiler, NO_CLONES)
    flags = {f"csrc/isa/{isa}_{dtype}.c": own + UNGUARDED for isa, own in isas for dtype in ("f32", "f64")}
    flags |= {str(source): [] for source in sorted(Path("csrc/runtime").glob("*.c"))}
    return {source: common + own for source, own in flags.items()}


def extension_modules():
    """The Cython side. Only `table` links the C library; the others reach it through `table`."""
    return [
        Extension(f"mlpfast.core.{path.stem}", [str(path)], extra_link_args=LINK_FLAGS)
        for path in sorted(Path("mlpfast/core").glob("*.pyx"))
    ]


def cython_flags(source):
    return [*CYTHON_FLAGS, *(["-Os"] if Path(source).stem in FOR_SIZE else [])]


def included(source):
    """The files of csrc that a C file includes, directly or not; all are named from there."""
    names = re.findall(r'^\s*#\s*include\s+"(.+?)"', Path(source).read_text(encoding="utf-8"), re.MULTILINE)
    found = {f"csrc/{name}" for name in names if Path("csrc", name).exists()}
    return found.union(*map(included, found))


def without_run_path(command):
    """A link command less the folder of the builder's Python, where nothing is that a module needs."""
    words = (re.sub(r",(--?rpath[,=]|-R,?)[^,]+", "", word) if word.startswith("-Wl,") else word for word in command)
    return [word for word in words if word != "-Wl"]


class BuildExtensions(build_ext):
    """Compiles the files that have changed, or include one that has, side by side, and says so; then links."""

    def finalize_options(self):
        if self.editable_mode:  # pip gives a fresh folder, where everything would be compiled anew each time
            usual = self.distribution.get_command_class("build")(self.distribution)
            usual.ensure_finalized()
            self.build_lib, self.build_temp = usual.build_lib, usual.build_temp
        super().finalize_options()

    def build_extensions(self):
        self.compiler.linker_so = without_run_path(self.compiler.linker_so)
        n_jobs = self.parallel if isinstance(self.parallel, int) else N_CPUS
        modules = cythonize(
            self.extensions, nthreads=n_jobs, force=self.force, build_dir="build", compiler_directives=DIRECTIVES
        )
        sources = {module.name: module.sources for module in modules}
        library = c_library(self.compiler.compiler_so)
        self.compile(library | {source: cython_flags(source) for files in sources.values() for source in files}, n_jobs)
        sources["mlpfast.core.table"] = [*sources["mlpfast.core.table"], *library]
        for extension in self.extensions:
            extension.sources, extension.extra_objects = [], self.objects_of(sources[extension.name])
            extension.depends = extension.extra_objects
        super().build_extensions()

    def objects_of(self, sources):
        return self.compiler.object_filenames(sources, output_dir=self.build_temp)

    def compile(self, flags, n_jobs):
        """Compile, on `n_jobs` processors, those sources, given with their flags, that are newer than their objects."""
        stale = [
            source
            for source, built in zip(flags, self.objects_of(flags), strict=True)
            if self.force or newer_group([source, *included(source), ISAS, "setup.py"], built)
        ]
        fortify = ["-U_FORTIFY_SOURCE", f"-D_FORTIFY_SOURCE={self.fortify_level()}"]

        def compile_one(position, source):
            print(f"[{position:2}/{len(stale)}] Compiling {source}", flush=True)
            options = [*FLAGS, *fortify, *flags[source], *EXTRA_FLAGS]
            self.compiler.compile([source], output_dir=self.build_temp, extra_postargs=options)

        with ThreadPoolExecutor(n_jobs) as pool:
            list(pool.map(compile_one, range(1, len(stale) + 1), stale))  # a list: what they raise is raised here

    def fortify_level(self):
        """3, or 2 where the compiler or its C library is too old for it, and would warn at each file."""
        newest = "-O3", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"
        return 3 if accepts(self.compiler.compiler_so, *newest) else 2


class BuildWheel(bdist_wheel):
    """Leaves the modules in the tree as well: Python started here, after `pip install .`, finds the tree's mlpfast."""

    def run(self):
        super().run()
        self.get_finalized_command("build_ext").copy_extensions_to_source()


if __name__ == "__main__":  # cythonize's processes import this file where the system does not fork them
    setup(ext_modules=extension_modules(), cmdclass={"build_ext": BuildExtensions, "bdist_wheel": BuildWheel})
