"""Mutants of files of estimators of tables: every one loads, or is refused by a ModelFileError with a fit message."""

import copy
import io
import json
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")
from test_fuzz_files import EXTREMES, TEXTS, VALUES, mutated, random_place, zipped

import mlpfast
from mlpfast import TabularRegressor

CLASSIFIER = Path(__file__).parent / "data" / "table_1.mlp"
MUTANTS = 600


def members_of(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("fuzz") / "table.mlp"
    X = np.random.default_rng(0).normal(size=(60, 2))
    settings = {"preset": "fast", "epochs": 1, "batch_size": 16, "n_ensemble": 2}
    TabularRegressor(quantiles=[0.1, 0.9], random_state=0, **settings).fit(X, X[:, 0]).save(path)
    return [members_of(CLASSIFIER), members_of(path)]


def mutant(rng, files):
    members, kind = dict(rng.choice(files)), rng.randrange(4)
    if kind == 0:
        return mutated(rng, zipped(members), EXTREMES)
    if kind == 1:
        name = rng.choice(list(members))
        members[name] = mutated(rng, members[name], TEXTS if name == "header.json" else EXTREMES)
        return zipped(members)
    header = json.loads(members["header.json"])
    for _ in range(rng.choice((1, 1, 2))):
        node, key = random_place(rng, header)
        choice = rng.randrange(4)
        if choice == 0:
            del node[key]
        elif choice == 1:  # what stands elsewhere
            other, place = random_place(rng, header)
            node[key] = copy.deepcopy(other[place])
        else:
            node[key] = copy.deepcopy(rng.choice(VALUES))
    members["header.json"] = json.dumps(header).encode()
    return zipped(members)


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
