"""Mutants of files of estimators of tables: every one loads, or is refused by a ModelFileError with a fit message."""

import copy
import io
import random
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
from test_fuzz_files import VALUES, archive_mutant, members_of, random_place, zipped

import mlpfast
from mlpfast import TabularRegressor

CLASSIFIER = Path(__file__).parent / "data" / "table_1.mlp"
MUTANTS = 600


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "table.mlp"
    X = np.random.default_rng(0).normal(size=(60, 2))
    settings = {"preset": "fast", "epochs": 1, "batch_size": 16, "n_ensemble": 2}
    TabularRegressor(quantiles=[0.1, 0.9], random_state=0, **settings).fit(X, X[:, 0]).save(path)
    return [members_of(CLASSIFIER), members_of(path)]


def mutant(rng, files):
    members = rng.choice(files)
    return archive_mutant(rng, rng.randrange(4), members, change)


def change(rng, header):
    node, key = random_place(rng, header)
    choice = rng.randrange(4)
    if choice == 0:
        del node[key]
    elif choice == 1:  # what stands elsewhere
        other, place = random_place(rng, header)
        node[key] = copy.deepcopy(other[place])
    else:
        node[key] = copy.deepcopy(rng.choice(VALUES))


def test_mutants(files, tmp_path):
    path, refused = tmp_path / "mutant.mlp", 0
    for number in range(MUTANTS):
        path.write_bytes(mutant(random.Random(number), files))
        try:
            mlpfast.load(path)
        except mlpfast.ModelFileError as error:
            refused += 1
            assert str(error).isprintable() and len(str(error)) <= 300, number
        except Exception as error:
            raise AssertionError(f"mutant {number}") from error
    assert MUTANTS // 3 < refused < MUTANTS


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_predictions_are_made_of_is_finite(files, value, tmp_path):
    wanted = ("centre_", "scale_", "low_", "high_", "temperature_", "W0", "knots")
    found = 0
    for members in files:
        for name, content in members.items():
            if not any(each in name for each in wanted):
                continue
            array, file = np.load(io.BytesIO(content)), io.BytesIO()
            array.reshape(-1)[-1:] = value
            np.lib.format.write_array(file, array, allow_pickle=False)
            (tmp_path / "other.mlp").write_bytes(zipped(members | {name: file.getvalue()}))
            with pytest.raises(mlpfast.ModelFileError):
                mlpfast.load(tmp_path / "other.mlp")
            found += 1
    assert found > 6
