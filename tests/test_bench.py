"""The benchmark of the kernels reaches them: it is compiled when it runs, against the contract of that day."""

import shutil

import pytest

from mlpfast.core.table import address, available_isas

kernels = pytest.importorskip("bench.kernels", reason="bench lies beside the tests, not in the package")


@pytest.fixture(scope="module")
def time_kernel():
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        pytest.skip("needs a C compiler")
    return kernels.harness().time_kernel


@pytest.mark.parametrize("dtype", kernels.DTYPES)
@pytest.mark.parametrize("isa", available_isas())
def test_the_harness_knows_every_kernel_of_the_cases(time_kernel, isa, dtype):
    def known(kernel):
        return time_kernel(address(isa, kernels.DTYPES[dtype]), kernel.encode(), 3, 5, 7, 0, 1, 0.0) >= 0

    assert not {case.kernel for case in kernels.CASES if not known(case.kernel)}
    assert not known("no such kernel")


def test_a_table_that_is_not_here_has_no_address():
    assert address("no such ISA", 0) == 0
