"""csrc/lists.h, from which the compiled side is made, and the lists that users see say the same."""

import re
from pathlib import Path

import pytest

import mlpfast as mf
from mlpfast import activations, kernels
from mlpfast.activations import ACTIVATIONS
from mlpfast.core import kinds, table
from mlpfast.core.engine import SERIES
from mlpfast.layers import LAYERS
from mlpfast.losses import LOSSES
from mlpfast.metrics import _OF_YES_NO, METRICS
from mlpfast.optimizers import OPTIMIZERS
from mlpfast.schedules.series import DRIVEN
from mlpfast.scores import SCORES

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def test_activations_and_their_parameters():
    assert [(name, table.alpha(name)) for name in table.ACTIVATIONS] == [*ACTIVATIONS.items()]


@pytest.mark.skipif(activations.__doc__ is None, reason="python -OO strips docstrings")
@pytest.mark.parametrize("name", table.ACTIVATIONS)
def test_an_activation_is_documented(name):
    assert re.search(rf"^{name} +\S", activations.__doc__, re.MULTILINE)


def test_losses_and_what_they_read():
    assert {name: table.reads(name) for name in table.LOSSES} == {
        name: "h" if loss.reads == "outputs" else "z" for name, loss in LOSSES.items()
    }


def test_a_loss_that_reads_pre_activations_takes_identity_for_the_output():
    assert all((loss.reads != "outputs") == ("identity" in loss.output_activations) for loss in LOSSES.values())
    assert all(loss().compiled == name for name, loss in LOSSES.items())


def test_metrics():
    by_loss = {loss.accuracy for loss in LOSSES.values()}
    of_yes_no = {_OF_YES_NO.get(name) for name in METRICS}
    assert {*table.METRICS} == {*METRICS.values(), *by_loss, *of_yes_no} - {None}


def test_scores():
    assert {*SCORES} <= {*METRICS}


def test_optimizers():
    assert {*table.OPTIMIZERS} == {each.update for each in OPTIMIZERS.values() if not each.full_batch}


def test_what_schedules_drive():
    trainer = mf.Trainer(mf.mlp([1, 1]), "mse", mf.SGD(0.1, momentum=lambda k: 0.1, weight_decay=lambda k: 0.1))
    trainer.learning_rate = trainer.dropout_scale = lambda k: 0.1
    assert [*SERIES] == [*DRIVEN] and {*DRIVEN} - {*trainer.schedules} == {"label_smoothing"}


def test_layers_are_public_and_in_the_reference():
    reference = (DOCS / "api.md").read_text(encoding="utf-8")
    for cls in LAYERS.values():
        assert getattr(mf, cls.__name__) is cls
        assert f"\n   {cls.__name__}\n" in reference


def test_kinds_of_layers_are_on_the_map():
    (row,) = (line for line in (DOCS / "architecture.md").read_text(encoding="utf-8").splitlines() if "`kinds`" in line)
    assert {*kinds.NUMBERS} - {"shift"} <= {*re.findall(r"\w+", row)}  # shift is the tests' own


def test_every_kernel_is_compared_with_aarch64():
    """By tests/aarch64/bits.c, which calls it."""
    contract = (ROOT / "csrc" / "mlpfast.h").read_text(encoding="utf-8").split("} mf_kernels;")[0]
    called = re.findall(r"\btable->(\w+)\(", (ROOT / "tests" / "aarch64" / "bits.c").read_text(encoding="utf-8"))
    names = re.findall(r"\(\*(\w+)\)\(", contract)
    assert len(names) > 60 and {*names} == {*called}


def test_ids_count_from_zero():
    for ids in (table.ACTIVATIONS, table.LOSSES, table.METRICS, table.OPTIMIZERS, table.FUNCTIONS):
        assert [*ids.values()] == [*range(len(ids))]


@pytest.mark.parametrize("name", table.FUNCTIONS)
def test_a_function_is_documented(name):
    assert kernels.elementary.__doc__ is None or f'"{name}"' in kernels.elementary.__doc__
