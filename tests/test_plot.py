"""Pictures show what they say, on the axes that they are given, and ask for matplotlib by name where it is missing."""

import re
import subprocess
import sys

import numpy as np
import pytest

import mlpfast as mf
from mlpfast import plot

pytest.importorskip("matplotlib").use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

RNG = np.random.default_rng(0)
X, LABELS = RNG.normal(size=(60, 2)), np.arange(60) % 3
MODEL = mf.mlp([2, 8, 3], "tanh", "softmax", seed=1)
IMAGES = mf.mlp([12, 5, 3], "relu", "softmax", seed=1)


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def trained():
    """A trainer with Snapshots and a Doctor, after a fit."""
    callbacks = [mf.callbacks.Snapshots(), mf.callbacks.Doctor(X, LABELS)]
    trainer = mf.Trainer(MODEL.copy(), metrics=["accuracy"], callbacks=callbacks)
    trainer.fit(X, LABELS, epochs=6, validation_data=(X[:20], LABELS[:20]), verbose=0)
    return trainer


def pictures(trainer):
    """Every picture, as a function of axes."""
    snapshots, doctor = trainer.callbacks
    model = trainer.model
    flow = mf.graph.of(model, X[:4], LABELS[:4], "cross_entropy")
    flow.backward()
    return {
        "learning_curves": lambda ax: plot.learning_curves(trainer.history, ax=ax),
        "several curves": lambda ax: plot.learning_curves({"a": trainer.history, "b": trainer.history}, ax=ax),
        "gradient_flow": lambda ax: plot.gradient_flow(model, X, LABELS, ax=ax),
        "gradient_flow of a report": lambda ax: plot.gradient_flow(mf.diagnose(model, X, LABELS), ax=ax),
        "gradient_flow of a doctor": lambda ax: plot.gradient_flow(doctor, ax=ax),
        "network": lambda ax: plot.network(model, ax=ax),
        "flow_graph": lambda ax: plot.flow_graph(flow, ax=ax),
        "decision_boundary": lambda ax: plot.decision_boundary(model, X, LABELS, resolution=20, ax=ax),
        "first_layer": lambda ax: plot.first_layer(IMAGES, (3, 4), ax=ax),
        "confusion_matrix": lambda ax: plot.confusion_matrix(LABELS, model.predict(X), ax=ax),
        "calibration": lambda ax: plot.calibration(LABELS, model.predict(X), ax=ax),
        "gradient_check": lambda ax: plot.gradient_check(model, X, LABELS, ax=ax),
        "loss_surface": lambda ax: plot.loss_surface(model, X, LABELS, path=snapshots, resolution=5, ax=ax),
        "loss_surface without a path": lambda ax: plot.loss_surface(model, X, LABELS, resolution=5, ax=ax),
    }


def test_each_draws_on_axes_of_its_own_or_on_those_given(trained):
    drawn = pictures(trained)
    assert {name.split()[0] for name in drawn} - {"several"} == set(plot.__all__) - {"animate", "network_text"}
    for name, draw in drawn.items():
        ax = draw(None)
        assert len(plt.get_fignums()) == 1, name
        assert len(ax.get_children()) > 10, name
        if name not in ("network", "flow_graph", "first_layer"):
            assert ax.get_xlabel(), name
            assert ax.get_ylabel(), name
        plt.close("all")
        figure, given = plt.subplots(dpi=30)
        assert draw(given) is given, name
        figure.canvas.draw()
        plt.close("all")


def test_learning_curves_show_the_history_and_its_best_epoch(trained):
    history = trained.history
    training, validation, best = plot.learning_curves(history, "accuracy").get_lines()
    np.testing.assert_array_equal(training.get_ydata(), history["accuracy"])
    np.testing.assert_array_equal(validation.get_ydata(), history["val_accuracy"])
    assert best.get_xdata() == 1 + np.argmax(history["val_accuracy"])
    assert plot.learning_curves({"loss": [10.0, 0.01]}).get_yscale() == "log"
    assert plot.learning_curves({"loss": [10.0, 0.01]}, log=False).get_yscale() == "linear"
    assert plot.learning_curves({"loss": [1.0, -1.0]}).get_yscale() == "linear"


def texts(ax):
    return [text.get_text() for text in ax.texts]


def test_a_flow_graph_has_values_derivatives_and_partials():
    w, x = mf.graph.leaf("w", 3.0), mf.graph.leaf("x", 0.5)
    g = mf.graph.Graph((w * x).named("z"))
    assert "dz/dw" not in " ".join(texts(plot.flow_graph(g)))
    g.backward()
    found = texts(plot.flow_graph(g))
    assert {"w", "3", "dz/dw: 0.5", "z = w * x", "1.5", "dz/dz: 1"} <= set(found)
    assert "0.5" in found  # the local partial by w, on its arrow
    assert len(texts(plot.flow_graph(g, partials=False))) == len(found) - 2


def boxes_of(ax):
    from matplotlib.patches import FancyBboxPatch

    return [patch.get_bbox() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


def test_boxes_do_not_overlap_and_arrows_lead_to_the_right():
    block = [mf.LayerNorm(), mf.Dense(8, "relu"), mf.Residual([mf.Dense(8, "tanh")]), mf.Dense(8)]
    model = mf.Model(4, [mf.Dense(8), mf.Residual(block), mf.Dense(2, "softmax")])
    graph = mf.graph.of(model, RNG.normal(size=(3, 4)), [0, 1, 0], "cross_entropy")
    for ax in (plot.network(model), plot.flow_graph(graph)):
        found = boxes_of(ax)
        assert len(found) > 8
        for i, a in enumerate(found):
            assert not any(a.overlaps(b) for b in found[:i])
    assert len(boxes_of(ax)) == len(graph.nodes)


def test_a_network_has_shapes_forward_and_backward():
    found = texts(plot.network(mf.mlp([4, 8, 3], "tanh", "softmax"), rows=32))
    assert {"dense tanh", "W0 (4, 8)", "h (32, 8)", "δ (32, 8)", "(32, 4)", "loss"} <= set(found)
    columns = mf.Model(3, [mf.Columns([(0, mf.Periodic(2)), ([1, 2], mf.Standardize())]), mf.Dense(1)])
    assert plot.network_text(columns).splitlines()[-1].startswith("dense")
    assert "periodic" in " ".join(texts(plot.network(columns)))


class Estimator:
    """As much of one as is asked for."""

    def predict_proba(self, X):
        return np.stack([X[:, 0] < 0, X[:, 0] >= 0], axis=1)


def test_a_decision_boundary_knows_probabilities_logits_and_estimators():
    yes = X[:, 0] > 0
    for predictor in (
        mf.mlp([2, 1], "relu", "sigmoid"),
        mf.mlp([2, 4, 1], "relu"),
        mf.mlp([2, 4, 3], "relu"),
        Estimator(),
        lambda plane: plane[:, 0],
    ):
        ax = plot.decision_boundary(predictor, X, yes, resolution=11)
        assert ax.images[0].get_array().shape == (11, 11, 3)
    ax = plot.decision_boundary(lambda plane: (plane[:, 0] > 0).astype(float), X, yes, resolution=51)
    line = ax.collections[0].get_paths()[0].vertices
    assert abs(line[:, 0]).max() < 0.2


def test_the_first_layer_is_a_sheet_of_pictures_the_largest_first():
    ax = plot.first_layer(IMAGES, (3, 4))
    sheet = ax.images[0].get_array()
    W = IMAGES.weights[0]
    largest = np.linalg.norm(W, axis=0).argmax()
    np.testing.assert_allclose(sheet[:3, :4], W[:, largest].reshape(3, 4))
    assert np.isfinite(sheet).sum() == W.size
    assert "2 of 5 units" in plot.first_layer(IMAGES, (3, 4), units=2).get_title()


def test_a_confusion_matrix_counts():
    ax = plot.confusion_matrix([0, 0, 1, 1, 1], [0, 1, 1, 1, 0], labels=["no", "yes"])
    assert texts(ax) == ["1", "1", "1", "2"]
    assert ax.get_title() == "60.0% of 5 right"
    assert texts(plot.confusion_matrix([0, 0, 1], [0, 1, 1], normalize=True)) == [".50", ".50", "1"]


def test_a_confusion_matrix_takes_a_column_of_probabilities_and_labels_of_hinge():
    ax = plot.confusion_matrix([0, 0, 1, 1], [[0.1], [0.2], [0.9], [0.8]])
    assert ax.get_title() == "100.0% of 4 right"
    assert plot.confusion_matrix([-1, 1, -1], [1, -1, 1]).get_title() == "0.0% of 3 right"
    for wrong in ([0.1, 0.9], [-2, 1], [[0.4], [1.7]]):
        with pytest.raises(ValueError, match="expected predicted to be classes"):
            plot.confusion_matrix([0, 1], wrong)


def test_points_have_the_colour_of_their_class():
    signs = np.where(X[:, 0] > 0, 1, -1)
    names = np.where(X[:, 0] > 0, "yes", "no")
    settings = {"hidden_layer_sizes": (8,), "max_iter": 200, "random_state": 0}
    for predictor, y in (
        (lambda plane: np.sign(plane[:, 0]), signs),
        (mf.MLPClassifier(**settings).fit(X, signs + 3), signs + 3),
        (mf.MLPClassifier(**settings).fit(X, names), names),
    ):
        ax = plot.decision_boundary(predictor, X, y, resolution=41)
        labels = [text.get_text() for text in ax.get_legend().get_texts()]
        assert labels == [f"class {label}" for label in np.unique(y)]
        image, (left, right, bottom, top) = ax.images[0].get_array(), ax.images[0].get_extent()
        right_ones = 0
        for points, label in zip(ax.collections[-2:], np.unique(y), strict=True):
            colour = points.get_facecolor()[0, :3]
            for x in X[(y == label) & (abs(X[:, 0]) > 0.3)]:
                i, j = (x[1] - bottom) / (top - bottom) * 40, (x[0] - left) / (right - left) * 40
                tint = 1 - image[round(i), round(j)]
                right_ones += np.allclose(tint / tint.max(), (1 - colour) / (1 - colour).max())
        assert right_ones >= 0.9 * (abs(X[:, 0]) > 0.3).sum()


@pytest.mark.parametrize("outputs", [1, 3])
def test_the_error_of_calibration_is_the_metric(outputs):
    model = mf.mlp([2, 8, outputs], "tanh", "sigmoid" if outputs == 1 else "softmax", seed=4)
    y = LABELS if outputs == 3 else LABELS > 0
    loss = "cross_entropy" if outputs == 3 else "binary_cross_entropy"
    expected = mf.Trainer(model, loss, metrics=["calibration_error"]).evaluate(X, y)["calibration_error"]
    title = plot.calibration(y, model.predict(X)).get_title()
    assert float(title.split()[-1]) == pytest.approx(expected, abs=5.1e-4)


def test_a_gradient_check_goes_down_and_up_again():
    forward, central = plot.gradient_check(MODEL, X, LABELS).get_lines()
    for line, lowest in ((forward, 1e-6), (central, 1e-8)):
        errors = np.asarray(line.get_ydata())
        assert errors.min() < lowest
        assert errors[0] > 100 * errors.min()
        assert errors[-1] > 100 * errors.min()


@pytest.mark.parametrize("of", ["jacobian", "per_sample_gradients", "hvp", "gauss_newton_product"])
def test_a_check_of_any_derivative_goes_down_and_up_again(of):
    ax = plot.gradient_check(MODEL, X[:9], LABELS[:9], of=of)
    assert ax.get_ylabel() == f"relative error of {of}"
    for line, lowest in zip(ax.get_lines(), (1e-6, 1e-8), strict=True):
        errors = np.asarray(line.get_ydata())
        assert errors.min() < lowest and errors[0] > 100 * errors.min() < errors[-1]


def test_a_gradient_check_leaves_frozen_layers_where_they_are():
    model = mf.Model(2, [mf.Dense(8, "tanh", trainable=False), mf.Dense(3, "softmax")], seed=0)
    for line in plot.gradient_check(model, X, LABELS).get_lines():
        assert np.min(line.get_ydata()) < 1e-6
    with pytest.raises(ValueError, match="expected a model with trainable parameters"):
        plot.gradient_check(mf.Model(2, [mf.Dense(3, "softmax", trainable=False)]), X, LABELS)


def test_a_loss_surface_has_the_loss_and_the_path(trained):
    snapshots, _ = trained.callbacks
    ax = plot.loss_surface(trained.model, X, LABELS, path=snapshots, resolution=5)
    path, start, _ = ax.get_lines()
    assert len(path.get_xdata()) == 7
    np.testing.assert_allclose(path.get_xydata()[-1], 0, atol=1e-6)
    np.testing.assert_allclose(start.get_xydata()[0], path.get_xydata()[0])
    before = trained.model.state.copy()
    directions = np.eye(2, trained.model.n_parameters)
    ax = plot.loss_surface(trained.model, X, LABELS, directions=directions, extent=0.5, resolution=3)
    assert ax.get_xlim() == (-0.5, 0.5)
    np.testing.assert_array_equal(trained.model.state, before)


@pytest.mark.parametrize("suffix", [".gif", ".html"])
def test_an_animation_has_a_picture_for_each_snapshot(trained, tmp_path, suffix):
    snapshots, _ = trained.callbacks
    seen = []

    def draw(model, ax):
        seen.append(model.parameters.copy())
        ax.plot(np.ravel(model.weights[0]))

    path = tmp_path / f"fit{suffix}"
    _, ax = plt.subplots(figsize=(1, 1))
    plot.animate(snapshots, draw, path, dpi=40, ax=ax)
    assert len(seen) >= 7
    np.testing.assert_array_equal(seen[-1], trained.model.parameters)
    if suffix == ".gif":
        assert pytest.importorskip("PIL.Image").open(path).n_frames == 7
    else:
        assert len(set(re.findall(r"frames\[(\d+)\]", path.read_text()))) == 7


def test_snapshots_thin_out_and_go_on(trained):
    snapshots = mf.callbacks.Snapshots(every=1, most=4)
    trainer = mf.Trainer(mf.mlp([2, 1]), "mse", callbacks=[snapshots])
    for _ in range(3):
        trainer.fit(X, X[:, 0], epochs=4, verbose=0)
    assert snapshots.epochs == [0, 4, 8, 12]
    np.testing.assert_array_equal(snapshots.model(-1).parameters, trainer.model.parameters)
    assert not np.array_equal(snapshots.states[0], snapshots.states[1])
    again = mf.callbacks.Snapshots(every=1, most=4)
    again.load_state_dict(snapshots.state_dict())
    assert again.epochs == snapshots.epochs
    np.testing.assert_array_equal(again.states, snapshots.states)
    with pytest.raises(ValueError, match="Snapshots that have followed a training"):
        again.model(0)


def test_what_is_refused(trained):
    with pytest.raises(ValueError, match="unknown quantity 'mse'"):
        plot.learning_curves(trained.history, "mse")
    with pytest.raises(TypeError, match=r"expected a Graph, got Node; write plot.flow_graph\(graph.Graph"):
        plot.flow_graph(mf.graph.leaf("x", 1.0))
    with pytest.raises(TypeError, match="expected a Model, a Report or a Doctor, got dict"):
        plot.gradient_flow({})
    with pytest.raises(ValueError, match="expected a Doctor that was given data"):
        plot.gradient_flow(mf.callbacks.Doctor())
    with pytest.raises(ValueError, match=r"expected X to have two columns, got shape \(3, 4\)"):
        plot.decision_boundary(MODEL, np.zeros((3, 4)))
    with pytest.raises(ValueError, match=r"expected rows of finite numbers in X, got NaN"):
        plot.decision_boundary(MODEL, X * np.nan)
    with pytest.raises(ValueError, match=r"expected y of 60 rows, got 2"):
        plot.decision_boundary(MODEL, X, [0, 1])
    with pytest.raises(ValueError, match=r"expected y to be classes as whole numbers, got \[0.5"):
        plot.decision_boundary(MODEL, X, LABELS + 0.5)
    with pytest.raises(ValueError, match=r"expected classes below 3 in y"):
        plot.decision_boundary(MODEL, X, LABELS + 1)
    with pytest.raises(ValueError, match="sum to 1 in each row"):
        plot.calibration([0, 1], [[0.5, 0.9], [0.5, 0.5]])
    with pytest.raises(ValueError, match="expected classes below 2 in y, got 5"):
        plot.calibration([0, 5], [[0.5, 0.5], [0.5, 0.5]])
    with pytest.raises(ValueError, match=r"expected square pictures, got a layer that reads 12 columns"):
        plot.first_layer(IMAGES)
    with pytest.raises(ValueError, match="expected a prediction for each of 3 rows, got 2"):
        plot.confusion_matrix([0, 1, 2], [0, 1])
    with pytest.raises(ValueError, match="expected a label for each of 3 classes, got 2"):
        plot.confusion_matrix([0, 1, 2], [0, 1, 2], ["a", "b"])
    with pytest.raises(ValueError, match="expected probabilities between 0 and 1, got -1 to 2"):
        plot.calibration([0, 1], [-1.0, 2.0])
    with pytest.raises(ValueError, match="expected a path of 51 parameters, got 3"):
        plot.loss_surface(MODEL, X, LABELS, path=[np.zeros(3)])
    with pytest.raises(ValueError, match="not parallel"):
        plot.loss_surface(MODEL, X, LABELS, directions=(np.ones(51), np.ones(51)))
    with pytest.raises(ValueError, match=r"expected a path that ends in .gif or .html, got 'fit.mp4'"):
        plot.animate(trained.callbacks[0], print, "fit.mp4")
    with pytest.raises(ValueError, match="Snapshots that have followed a training"):
        plot.animate(mf.callbacks.Snapshots(), print)


DRAW = {
    "first_layer": lambda **given: plot.first_layer(IMAGES, **({"shape": (3, 4)} | given)),
    "learning_curves": lambda history={"loss": [1.0]}, **given: plot.learning_curves(history, **given),
    "loss_surface": lambda **given: plot.loss_surface(MODEL, X, LABELS, resolution=3, **given),
    "network": lambda **given: plot.network(**({"model": MODEL} | given)),
    "network_text": lambda **given: plot.network_text(**({"model": MODEL} | given)),
    "gradient_check": lambda **given: plot.gradient_check(MODEL, X, LABELS, **given),
    "confusion_matrix": lambda **given: plot.confusion_matrix([0, 1], **given),
}
N = MODEL.n_parameters


@pytest.mark.parametrize(
    ("picture", "given", "message"),
    [
        ("first_layer", {"units": 0}, "expected units to be >= 1, got 0"),
        ("first_layer", {"units": 2.5}, "expected units to be an integer, got 2.5"),
        ("first_layer", {"shape": 12}, r"expected shape to be \(height, width\), got 12"),
        ("first_layer", {"shape": (3, 4, 1)}, r"expected shape to be \(height, width\), got \(3, 4, 1\)"),
        ("first_layer", {"shape": (-3, -4)}, r"expected shape\[0\] to be >= 1, got -3"),
        ("first_layer", {"ax": plt}, "expected ax to be Axes"),
        ("learning_curves", {"history": {}}, "expected a history of at least one epoch, got an empty one"),
        ("learning_curves", {"history": {"a": {}}}, "expected a history of at least one epoch, got an empty one"),
        ("learning_curves", {"history": {"loss": []}}, "expected a number for each epoch, one at least, in 'loss'"),
        ("learning_curves", {"history": {"loss": [[1, 2]]}}, "expected a number for each epoch"),
        ("learning_curves", {"history": {"loss": ["a"]}}, "expected a number for each epoch"),
        ("learning_curves", {"history": [1.0]}, "expected a History, or a mapping from names to these, got list"),
        ("learning_curves", {"history": mf.Trainer(MODEL)}, "got Trainer; give its history"),
        ("loss_surface", {"extent": 0.0}, "expected extent to be > 0"),
        ("loss_surface", {"extent": "far"}, "expected extent to be a number, got 'far'"),
        ("loss_surface", {"extent": np.nan}, "expected extent to be"),
        ("loss_surface", {"directions": [np.ones(N)]}, "expected two directions, got 1"),
        ("loss_surface", {"directions": 3}, "expected two directions, got int"),
        ("loss_surface", {"directions": np.full((2, N), np.nan)}, "expected directions of finite numbers"),
        ("loss_surface", {"directions": np.ones((2, 3))}, f"expected directions of {N} parameters, got 3 and 3"),
        ("loss_surface", {"path": "way"}, "expected path to be Snapshots, or a sequence of parameters, got str"),
        ("loss_surface", {"path": [np.zeros(N + 1)]}, f"expected a path of {N} parameters, got {N + 1}"),
        ("loss_surface", {"path": [np.full(N, np.inf)]}, "expected a path of finite parameters"),
        ("loss_surface", {"seed": -1}, "expected seed to be >= 0, got -1"),
        ("gradient_check", {"seed": "a"}, "expected seed to be an integer"),
        ("network", {"model": 5}, "expected model to be a Model, got int"),
        ("network", {"rows": 0}, "expected rows to be >= 1, got 0"),
        ("network_text", {"model": 5}, "expected model to be a Model, got int"),
        ("confusion_matrix", {"predicted": [[np.nan, 1.0], [0.0, 1.0]]}, "expected predicted to be numbers, got NaN"),
    ],
)
def test_arguments_are_checked_before_anything_is_drawn(picture, given, message):
    with pytest.raises((TypeError, ValueError), match=message):
        DRAW[picture](**given)
    assert not plt.get_fignums()


def test_what_an_animation_refuses(trained, tmp_path):
    snapshots, _ = trained.callbacks

    def fails(model, ax):
        raise RuntimeError("drawn wrongly")

    for arguments, settings, error, message in (
        ((MODEL, print), {}, TypeError, "expected a Snapshots callback, got Model"),
        ((snapshots, 5), {}, TypeError, "expected draw to be a function of a model and axes, got int"),
        ((snapshots, print, 5), {}, TypeError, "expected path to be a str or a path, got int"),
        ((snapshots, print, tmp_path / "none" / "fit.gif"), {}, FileNotFoundError, "in a folder that is there"),
        ((snapshots, print), {"fps": 0}, ValueError, "expected fps to be >= 1, got 0"),
        ((snapshots, print), {"dpi": "x"}, TypeError, "expected dpi to be an integer"),
        ((snapshots, fails, tmp_path / "fit.gif"), {}, RuntimeError, "drawn wrongly"),
    ):
        with pytest.raises(error, match=message):
            plot.animate(*arguments, **settings)


def test_curves_of_arrays_and_a_surface_that_is_flat():
    training, validation, _ = plot.learning_curves({"loss": np.arange(3.0), "val_loss": np.arange(3)}).get_lines()
    assert list(training.get_ydata()) == list(validation.get_ydata()) == [0, 1, 2]
    flat = mf.mlp([2, 3], kernel_initializer="zeros")
    assert plot.loss_surface(flat, X * 0, LABELS, extent=1e-9, resolution=3).get_xlim() == (-1e-9, 1e-9)


def test_without_matplotlib_it_says_what_to_install():
    program = """
import sys
sys.modules["matplotlib"] = None
import mlpfast as mf
print(mf.plot.network_text(mf.mlp([2, 1])).splitlines()[0])
try:
    mf.plot.network(mf.mlp([2, 1]))
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert "pip install 'mlpfast[plot]'" in done.stdout.splitlines()[-1]
