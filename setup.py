"""Extension modules and the per-ISA kernel libraries; everything else is in pyproject.toml."""

import os
import platform
import shlex
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

KERNEL_FLAGS = {
    "portable": [],
    "avx2": ["-mavx2", "-mfma", "-mprfchw"],
    "avx512": ["-mavx512f", "-mavx512dq", "-mavx512bw", "-mavx512vl", "-mfma", "-mprfchw"],
    "neon": [],
}
MACHINE_KERNELS = {
    "x86_64": ["portable", "avx2", "avx512"],
    "amd64": ["portable", "avx2", "avx512"],
    "aarch64": ["portable", "neon"],
    "arm64": ["portable", "neon"],
}
# A product and a sum are fused only where the source says so: with contraction left to the compiler, bits would differ.
C_FLAGS = ["-std=gnu11", "-O3", "-g0", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math"]
# `make sanitize` sets this to -fsanitize=...
EXTRA_FLAGS = shlex.split(os.environ.get("MLPFAST_EXTRA_FLAGS", ""))
HEADERS = [str(path) for pattern in ("*.h", "*.inl") for path in sorted(Path("csrc").glob(pattern))]


def kernel_libraries():
    """The C side: one library for each ISA, with its own flags, and the runtime."""
    isas = MACHINE_KERNELS.get(platform.machine().lower(), ["portable"])
    sources = {
        f"mlpfast_{isa}": ([f"csrc/isa_{isa}_f32.c", f"csrc/isa_{isa}_f64.c"], KERNEL_FLAGS[isa]) for isa in isas
    }
    runtime = ("dispatch", "experience", "float_mode", "owner", "pool", "rng", "threads")
    sources["mlpfast_runtime"] = ([f"csrc/{name}.c" for name in runtime], [])
    return [
        (name, {"sources": files, "cflags": C_FLAGS + flags + EXTRA_FLAGS, "obj_deps": {"": HEADERS}})
        for name, (files, flags) in sources.items()
    ]


def extension_modules():
    """The Cython side. Only `table` links the libraries; the others reach them through it."""
    return [
        Extension(
            f"mlpfast.core.{path.stem}",
            [str(path)],
            include_dirs=["csrc", numpy.get_include()],
            define_macros=[("NPY_NO_DEPRECATED_API", "NPY_1_7_API_VERSION")],
            extra_compile_args=["-O3", "-g0", "-ffp-contract=off", *EXTRA_FLAGS],
            extra_link_args=["-pthread", *EXTRA_FLAGS],
            depends=HEADERS,
        )
        for path in sorted(Path("mlpfast/core").glob("*.pyx"))
    ]


class BuildExtensions(build_ext):
    """Builds the libraries first: setuptools' `build_ext --inplace` alone would link without them."""

    def run(self):
        self.run_command("build_clib")
        build_clib = self.get_finalized_command("build_clib")
        for extension in self.extensions:
            if extension.name == "mlpfast.core.table":
                extension.library_dirs.append(build_clib.build_clib)
                extension.libraries.extend(name for name, _ in kernel_libraries())
                extension.depends.extend(str(path) for path in Path(build_clib.build_clib).glob("libmlpfast_*.a"))
        super().run()


setup(
    libraries=kernel_libraries(),
    ext_modules=cythonize(
        extension_modules(),
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
        },
        build_dir="build",
    ),
    cmdclass={"build_ext": BuildExtensions},
)
