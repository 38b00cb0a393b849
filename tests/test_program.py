"""What models lower to: values, tensors, layers, and the phases of a step; plain data."""

import re

import numpy as np
import pytest

import mlpfast as mf
from mlpfast.activations import Activation
from mlpfast.parts import Phase
from mlpfast.program import Program


def program(dropout=0.0):
    return mf.mlp([5, 7, 6, 3], "tanh", "softmax", dropout=dropout).program


def test_a_dense_step_has_exactly_two_phases():
    assert program().schedule("step").phases == (
        Phase("rows", forward=(0, 1, 2), back=(2, 1, 0), gathers=True, compares=True),
        Phase("tiles", back=(0, 1, 2), updates=True),
    )


def test_the_other_schedules_are_parts_of_it():
    rows, tiles = program().schedule("step").phases
    assert program().schedule("gradient").phases == (rows, tiles._replace(updates=False))
    assert program().schedule("evaluation").phases == (rows._replace(back=()),)
    assert program().schedule("prediction").phases == (rows._replace(back=(), compares=False),)


def test_dropout_is_a_layer_that_trains_only():
    p = program(dropout=0.25)
    assert [layer.kind for layer in p.layers] == ["dense", "dropout", "dense", "dropout", "dense"]
    assert [layer.stream for layer in p.layers if layer.kind == "dropout"] == [0, 1]
    step, prediction = p.schedule("step"), p.schedule("prediction")
    assert step.phases[0].forward == (0, 1, 2, 3, 4)
    assert step.phases[1].back == (0, 2, 4)
    assert prediction.phases[0].forward == (0, 2, 4)
    # Where dropout is passed over, its reader reads what it would have read.
    assert [step.reads[n] for n in (0, 2, 4)] == [0, 2, 4]
    assert [prediction.reads[n] for n in (0, 2, 4)] == [0, 1, 3]


def phases(layers, name="step", inputs=5):
    """As lines, numbered as the program's layers are."""
    return str(mf.Model(inputs, layers).program.schedule(name)).splitlines()[1:]


def test_batch_norm_goes_along_columns():
    """As drawn in the design; after the update, what is kept of the statistics."""
    layers = [mf.Dense(4), mf.BatchNorm(), mf.Dense(3)]
    assert phases(layers) == [
        "  rows     gather, forward 0",
        "  columns  statistics 1",
        "  rows     forward 1-2, compare, back 2",
        "  columns  sums 1",
        "  rows     back 1-0",
        "  tiles    gradient 0-2, update",
        "  columns  keep 1",
    ]
    assert phases(layers, "training_gradient") == [*phases(layers)[:5], "  tiles    gradient 0-2"]
    assert phases(layers, "gradient") == [
        "  rows     gather, forward 0-2, compare, back 2-0",
        "  tiles    gradient 0-2",
    ]
    assert phases(layers, "evaluation") == ["  rows     gather, forward 0-2, compare"]
    assert phases(layers, "prediction") == ["  rows     gather, forward 0-2"]


def test_batch_norm_needs_no_sums_where_no_gradient_flows_on():
    assert phases([mf.BatchNorm(), mf.Dense(3)]) == [
        "  rows     gather",
        "  columns  statistics 0",
        "  rows     forward 0-1, compare, back 1-0",
        "  tiles    gradient 0-1, update",
        "  columns  keep 0",
    ]
    assert phases([mf.Dense(3, trainable=False), mf.BatchNorm(), mf.BatchNorm()]) == [
        "  rows     gather, forward 0",
        "  columns  statistics 1",
        "  rows     forward 1",
        "  columns  statistics 2",
        "  rows     forward 2, compare",
        "  columns  sums 2",
        "  rows     back 2-1",
        "  tiles    gradient 1-2, update",
        "  columns  keep 1-2",
    ]


def test_what_is_frozen_has_no_way_back():
    layers = [mf.Dense(4, trainable=False), mf.BatchNorm(trainable=False), mf.Dense(4), mf.Dense(3, trainable=False)]
    assert phases(layers) == ["  rows     gather, forward 0-3, compare, back 3-2", "  tiles    gradient 2, update"]


def test_the_readers_of_a_value_take_turns():
    """The first on the way back writes its delta, others add, the last finishes it; the data have no delta."""
    layers = [mf.Dense(4), mf.Residual([mf.Residual([mf.Dense(4), mf.Dropout(0.5)])]), mf.Dense(3)]
    p = mf.Model(5, layers).program
    assert [(layer.kind, layer.reads, layer.also, layer.makes) for layer in p.layers] == [
        ("dense", 0, None, 1),
        ("dense", 1, None, 2),
        ("dropout", 2, None, 3),
        ("add", 3, 1, 4),
        ("add", 4, 1, 5),
        ("dense", 5, None, 6),
    ]
    step = p.schedule("step")
    flags = {(n, which): (e.adds, e.more) for n, edges in enumerate(step.edges) for which, e in enumerate(edges)}
    assert (flags[4, 1], flags[3, 1], flags[1, 0]) == ((False, True), (True, True), (True, False))
    assert sum(map(any, flags.values())) == 3
    assert step.shared == {1} and step.wanted == (False, *[True] * 6)


def test_a_residual_needs_three_slots():
    p = mf.Model(5, [mf.Dense(4), mf.Residual([mf.Dense(7), mf.Dense(9), mf.Dense(4)]), mf.Dense(3)]).program
    assert p.slots(p.schedule("prediction")) == [-1, 0, 1, 2, 1, 2, 0]


def test_tensors_are_the_flat_vector_in_order():
    model = mf.mlp([5, 7, 6, 3], dtype="float64")
    end = 0
    for tensor, view in zip(
        model.program.tensors, [t for pair in zip(model.weights, model.biases, strict=True) for t in pair], strict=True
    ):
        assert tensor.offset == end
        assert tensor.shape == view.shape
        assert np.shares_memory(view, model.parameters[tensor.offset : tensor.offset + tensor.size])
        end += tensor.size
    assert end == model.n_parameters == model.program.n_parameters


def test_a_chain_needs_two_slots():
    for n_layers in range(1, 6):
        p = mf.mlp([3] * (n_layers + 1)).program
        slots = p.slots(p.schedule("prediction"))
        assert slots == [-1, *(i % 2 for i in range(n_layers))]


def test_what_is_needed_later_keeps_its_slot():
    """Layers that read further back than the one before."""
    p = Program()
    g = Activation("identity")
    value = [p.value(4, g) for _ in range(5)]
    for reads, makes in [(0, 1), (1, 2), (2, 3), (1, 4)]:
        p.layer("dense", value[reads], value[makes])
    assert p.slots(p.schedule("prediction")) == [-1, 0, 1, 2, 1]


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (64, 10), (784, 300), (33, 1000), (1000, 2)])
@pytest.mark.parametrize(
    ("panel", "most", "whole", "together"),
    [(32, 128, 512, 512), (8, 64, 64, 64), (16, 240, 240, 240), (8, 32, 300, 512)],
)
def test_tiles_cover_every_element_once(shape, panel, most, whole, together):
    p = mf.mlp(shape).program
    seen = [np.zeros(tensor.matrix, int) for tensor in p.tensors]
    for tile in p.tiles(panel, most, whole, together, 4):
        (i, ni), (j, nj) = tile.rows, tile.columns
        assert i % panel == 0 and j % panel == 0
        height, width = p.tensors[tile.tensor].matrix
        assert nj <= most or (nj == width <= whole and height >= 4 * panel)
        assert ni * nj <= panel * max(most, nj)
        seen[tile.tensor][i : i + ni, j : j + nj] += 1
    assert all((tensor == 1).all() for tensor in seen)


def test_a_person_can_follow_a_table_through_the_print():
    """Which columns go where, with what; and phases with runs of layers in them."""
    first = mf.Columns([([3, 0], mf.Periodic(5, units=2)), (1, mf.OneHot(2))])
    model = mf.Model(4, [first, mf.Dense(4, dropout=0.5), mf.Parametric("selu"), *[mf.Dense(2)] * 3])
    values, tensors, layers = re.split("tensors|layers", str(model.program))
    assert values.splitlines()[-1] == "  7  identity     2 columns"
    assert tensors.splitlines()[3] == "  W0.0  weight (10, 2) at 20"
    assert layers.splitlines()[1:8] == [
        "  0  copy_columns: value 0 (2) -> 1 (0)",
        "  1  copy_columns: value 0 (3, 0) -> 1 (5-6)",
        "  2  periodic 5: value 0 (3, 0) -> 1 (1-4) with frequency0.0, phase0.0, W0.0, b0.0",
        "  3  one_hot -1: value 0 (1) -> 1 (7-8)",
        "  4  dense: value 1 -> 2 with W1, b1",
        "  5  dropout 0.5: value 2 -> 3, in training only",
        "  6  parametric selu 0: value 3 -> 4 with alpha2",
    ]
    assert str(model.program.schedule("gradient")).splitlines()[1:] == [
        "  rows     gather, forward 0-4, 6-9, compare, back 9-6, 4-0",
        "  tiles    gradient 2, 4, 6-9",
    ]
    longer = str(mf.Model(4, [mf.Dense(4, "tanh")] * 11).program).splitlines()
    assert longer[1:3] + longer[-2:] == [
        "  0   data         4 columns",
        "  1   tanh         4 columns",
        "  9   dense: value 9 -> 10 with W9, b9",
        "  10  dense: value 10 -> 11 with W10, b10",
    ]


def test_it_prints():
    p = program(dropout=0.25)
    assert "  1  dropout 0.25: value 1 -> 2, in training only" in str(p)
    assert str(mf.Trainer(mf.mlp([5, 7, 6, 3], "tanh", "softmax")).program) == (
        "step:\n  rows     gather, forward 0-2, compare, back 2-0\n  tiles    gradient 0-2, update"
    )
