"""Files of estimators of tables: `mlpfast.load`, one that was written by an earlier version, and damaged ones."""

import copy
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mlpfast
from mlpfast import TabularClassifier, TabularRegressor, losses

ROOT = Path(__file__).parent
WRITTEN = ROOT / "data" / "table_1.mlp"
#: What the file's estimator said of TABLE when it was written.
SAID = json.loads((ROOT / "data" / "table_1.json").read_text(encoding="utf-8"))
TABLE = pd.DataFrame(
    {
        "income": [1e4, None, 3e4, 2.5e4, 9e4],
        "plan": ["basic", "pro", None, "team", "never seen"],
        "member": [True, False, True, True, False],
        "since": pd.to_datetime(["2020-01-01", "2021-06-01", None, "2023-03-03", "2024-02-29"]),
        "city": ["city 1", "city 2", "city 30", "city 4", "elsewhere"],
    }
)


def test_a_file_of_an_earlier_version():
    model = mlpfast.load(WRITTEN)
    assert type(model) is TabularClassifier and model.classes_.tolist() == SAID["classes"]
    np.testing.assert_allclose(model.predict_proba(TABLE), SAID["probabilities"], rtol=1e-6)
    assert model.predict(TABLE).tolist() == SAID["predictions"]
    assert [model.predict_one(row) for row in TABLE.to_dict("records")] == SAID["predictions"]
    assert model.feature_importances_.tolist() == SAID["importances"]
    assert model.temperature_ == SAID["temperature"] != 1
    assert str(model.report_).splitlines()[:3] == SAID["report"]


@pytest.fixture(scope="module")
def regressor():
    X = TABLE.iloc[[0, 1, 2, 3] * 20].reset_index(drop=True)
    return TabularRegressor(epochs=2, batch_size=16, random_state=0).fit(X, np.arange(80.0))


def test_load_reads_estimators_and_models(regressor, tmp_path):
    regressor.save(tmp_path / "table.mlp")
    again = mlpfast.load(tmp_path / "table.mlp")
    assert type(again) is TabularRegressor
    np.testing.assert_array_equal(again.predict_interval(TABLE, 0.5), regressor.predict_interval(TABLE, 0.5))
    assert str(again.report_) == str(regressor.report_)
    regressor.model_.save(tmp_path / "model.mlp")
    assert type(mlpfast.load(tmp_path / "model.mlp")) is mlpfast.Model
    with pytest.raises(mlpfast.ModelFileError, match="expected a file of a TabularClassifier, got one of 'TabularReg"):
        TabularClassifier.load(tmp_path / "table.mlp")
    with pytest.raises(mlpfast.ModelFileError):
        TabularClassifier.load(tmp_path / "model.mlp")


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        (TabularRegressor, {"quantiles": [0.2, 0.7], "n_ensemble": 2, "preset": "fast", "validation": "time"}),
        (TabularRegressor, {"loss": losses.Huber(0.5), "eval_metric": "r2", "max_seconds": 100.0}),
        (TabularClassifier, {"class_weight": {0: 1, 1: 2.5}, "categorical_features": ["city"], "calibration": None}),
        (TabularClassifier, {"class_weight": "balanced", "categorical_features": np.arange(5) == 4, "n_threads": 1}),
        (TabularRegressor, {"quantiles": pd.Series([0.2, 0.7]), "categorical_features": TABLE.columns[3:]}),
    ],
)
def test_what_is_loaded_is_as_it_was(kind, settings, tmp_path):
    X, y = TABLE.iloc[[0, 1, 2, 3] * 10].reset_index(drop=True), np.arange(40) % 2
    model = kind(**{"epochs": 2, "batch_size": 16, "random_state": np.int64(3)} | settings).fit(X, y)
    model.save(tmp_path / "table.mlp")
    again = mlpfast.load(tmp_path / "table.mlp")
    assert set(vars(model)) - set(vars(again)) == {"_oof"} and set(vars(again)) <= set(vars(model))
    assert again.n_threads is None
    for name, value in model.set_params(n_threads=None).get_params().items():
        found = again.get_params()[name]
        assert np.array_equal(found, value) if np.ndim(value) else found == value, name
    for name in ("history_", "best_epochs_", "best_score_", "n_features_in_", "n_networks_planned_"):
        assert getattr(again, name) == getattr(model, name), name
    assert list(again.feature_names_in_) == list(model.feature_names_in_) and again.encoder_.views
    for each in (model, again):
        each.set_params(warm_start=True, validation=0.25 if len(model.models_) == 1 else "time").fit(X, y)
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


def test_parameters_that_a_file_does_not_hold_are_the_defaults(tmp_path):
    X, y = TABLE.iloc[[0, 1, 2, 3] * 10].reset_index(drop=True), np.arange(40) % 2
    unlike = {"random_state": np.random.RandomState(0), "eval_metric": lambda y, p: 0.0}
    long = {"class_weight": dict.fromkeys(range(5000), 1.0)}
    TabularClassifier(epochs=1, **unlike, **long).fit(X, y).save(tmp_path / "table.mlp")
    again = mlpfast.load(tmp_path / "table.mlp")
    assert again.epochs == 1 and again.random_state is again.eval_metric is again.class_weight is None


def test_what_a_loaded_model_has_no_part_of_says_why(tmp_path):
    X, y = TABLE.iloc[[0, 1, 2, 3] * 10].reset_index(drop=True), np.arange(40.0)
    model = TabularRegressor(epochs=1, batch_size=16, n_ensemble=2).fit(X, y)
    model.save(tmp_path / "table.mlp")
    others = (mlpfast.load(tmp_path / "table.mlp"), pickle.loads(pickle.dumps(model)), copy.deepcopy(model))
    for other in others:
        with pytest.raises(AttributeError, match="TabularRegressor has no oof_: files, pickles and copies do not hold"):
            _ = other.oof_
    sizes = [len(pickle.dumps(model)), (tmp_path / "table.mlp").stat().st_size]
    model.fit(X.iloc[np.arange(4000) % 40], y[np.arange(4000) % 40]).save(tmp_path / "table.mlp")
    assert model.oof_.shape == (4000,)
    grown = np.subtract([len(pickle.dumps(model)), (tmp_path / "table.mlp").stat().st_size], sizes)
    assert (grown < 16 * 1000 + 2000).all()  # a thousand residuals and their ranks
    with pytest.raises(AttributeError, match="one network does not hold out every row"):
        _ = TabularRegressor(epochs=1, batch_size=16).fit(X, y).oof_
    with pytest.raises(AttributeError, match="X_val was held out"):
        _ = model.fit(X, y, X_val=X, y_val=y).oof_
    with pytest.raises(AttributeError, match="call fit first"):
        _ = TabularRegressor().oof_


@pytest.mark.parametrize(
    "pair",
    [
        np.array([2**62, 2**62 + 1]),
        np.array([2**63, 2**63 + 1], dtype="uint64"),
        np.array(["2020", "9999"], dtype="datetime64[us]"),
        np.array(["2020", "2021"], dtype="datetime64[D]"),
    ],
)
def test_classes_that_floats_do_not_hold(pair, tmp_path):
    X = TABLE.iloc[[0, 1] * 20].reset_index(drop=True)
    model = TabularClassifier(epochs=1, batch_size=16, random_state=0).fit(X, np.tile(pair, 20))
    model.save(tmp_path / "table.mlp")
    again = mlpfast.load(tmp_path / "table.mlp")
    assert again.classes_.dtype == model.classes_.dtype and (again.classes_ == pair).all()
    np.testing.assert_array_equal(again.predict(X), model.predict(X))


@pytest.mark.parametrize("loss", [losses.Huber(0.5), losses.TweedieDeviance(1.9), losses.Quantile([0.2, 0.7])])
def test_losses_with_numbers_of_their_own(loss, tmp_path):
    X, y = TABLE.iloc[[0, 1, 2, 3] * 10].reset_index(drop=True), np.arange(40.0)
    settings = {"epochs": 1, "batch_size": 16, "random_state": 0}
    model = TabularRegressor(loss=loss, **settings).fit(X, y)
    model.save(tmp_path / "table.mlp")
    again = mlpfast.load(tmp_path / "table.mlp").set_params(**settings)
    np.testing.assert_array_equal(again.partial_fit(X, y).predict(X), model.partial_fit(X, y).predict(X))


def change(fields, path):
    """Copy the stored file with other fields of its header, and None for those that it shall not have."""
    with zipfile.ZipFile(WRITTEN) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "header.json":
                header = json.loads(content) | fields
                content = json.dumps({key: value for key, value in header.items() if value is not None})
            new.writestr(name, content)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"kind": "TabularForest"}, "got one of 'TabularForest'"),
        ({"kind": None}, "kind"),
        ({"version": 99}, "format version 99"),
        ({"after": None}, "after"),
        ({"after": {"temperature_": [10**9]}}, r"temperature_ of shape \(\)"),
        ({"after": {"feature_importances_": [4]}}, r"shape \(5,\), got \(4,\)"),
        ({"after": {"residuals_": [5]}}, "residuals_"),
        ({"classes_dtype": "m8"}, "classes of numbers, dates or strings"),
        ({"outputs": 4}, "fits the columns and targets"),
        ({"parameters": [1]}, "parameters in header.json to be of type dict"),
        ({"parameters": {"class_weight": {"colour": 3}}}, "parameters"),
    ],
)
def test_damaged_files_are_refused(fields, words, tmp_path):
    change(fields, tmp_path / "other.mlp")
    with pytest.raises(mlpfast.ModelFileError, match=words):
        mlpfast.load(tmp_path / "other.mlp")


def write():
    """Make the stored file anew; only before a format is released. Its layers are narrow, for the file to be small."""
    from mlpfast.tabular import recipe

    rng, n = np.random.default_rng(0), 300
    X = pd.DataFrame(
        {
            "income": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(10, 1, n)),
            "plan": rng.choice(["basic", "pro", "team"], n),
            "member": rng.random(n) < 0.4,
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 2000, n), "D"),
            "city": [f"city {i}" for i in rng.integers(0, 40, n)],
        }
    )
    y = np.where(X["plan"] == "pro", "stays", np.where(X["member"] & (rng.random(n) < 0.7), "leaves", "asks"))
    recipe.HIDDEN = (8, 8)
    model = TabularClassifier(epochs=10, batch_size=32, eval_metric="log_loss", random_state=0).fit(X, y)
    model.save(WRITTEN)
    said = {
        "classes": model.classes_.tolist(),
        "probabilities": model.predict_proba(TABLE).tolist(),
        "predictions": model.predict(TABLE).tolist(),
        "importances": model.feature_importances_.tolist(),
        "temperature": model.temperature_,
        "report": str(model.report_).splitlines()[:3],
    }
    WRITTEN.with_suffix(".json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write()
