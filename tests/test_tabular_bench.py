"""The tabular benchmark: its tables are told apart, its means are right, and its page says what was measured."""

import json

import numpy as np
import pytest

pytest.importorskip("pandas")
bench = pytest.importorskip("bench.tabular.__main__", reason="bench lies beside the tests, not in the package")
goals = pytest.importorskip("bench.tabular.goals")
missing = pytest.importorskip("bench.tabular.missing")
measure = pytest.importorskip("bench.tabular.measure")
peers = pytest.importorskip("bench.tabular.peers").PEERS
report = pytest.importorskip("bench.tabular.report")
sets = pytest.importorskip("bench.tabular.sets")
summary = pytest.importorskip("bench.tabular.summary")

ERRORS = {"a": {"x": 1.0, "y": 4.0}, "b": {"x": 2.0, "y": 2.0}, "c": {"x": 2.0}}


def test_each_half_has_six_tables_or_more_of_both_tasks():
    for half in ("choose", "confirm"):
        mine = [one for one in sets.SETS.values() if one.half == half]
        assert len(mine) >= 6
        assert {one.task for one in mine} == {"classification", "regression"}
    assert len({(one.source, one.target) for one in sets.SETS.values()}) == len(sets.SETS)


def test_rows_of_a_split_are_the_same_again_and_not_tested_on():
    pytest.importorskip("sklearn")
    first, again, other = (
        sets.split(sets.SETS["digits"]),
        sets.split(sets.SETS["digits"]),
        sets.split(sets.SETS["digits"], seed=1),
    )
    assert first.X.equals(again.X)
    assert not first.X.equals(other.X)
    assert len(first.X) == len(first.y) == 1797 * 3 // 4
    assert len(first.X) + len(first.X_test) == 1797


def test_ratios_ranks_and_wins():
    assert summary.ratio(ERRORS, "a", "b") == (pytest.approx(1.0), 2)
    assert summary.ratio(ERRORS, "c", "a") == (pytest.approx(2.0), 1)
    assert np.isnan(summary.ratio(ERRORS, "a", "nobody")[0])
    assert summary.mean_rank(ERRORS, ["a", "b"]) == {"a": 1.5, "b": 1.5}
    assert summary.mean_rank(ERRORS, ["a", "b", "c"]) == {"a": 1.0, "b": 2.5, "c": 2.5}
    assert summary.win_rate(ERRORS, "a", "b") == 0.5
    assert summary.win_rate(ERRORS, "b", "c") == 0.5


def test_errors_of_several_seeds_are_averaged_and_failures_left_out():
    records = [{"peer": "a", "set": "x", "error": e} for e in (1.0, 3.0)] + [{"peer": "a", "set": "y", "missing": "no"}]
    assert summary.mean_by_set(records) == {"a": {"x": 2.0}}


def test_a_time_is_quiet_only_where_nothing_else_ran():
    assert summary.quiet({"load": [0.1, 1.2], "threads": 1})
    assert not summary.quiet({"load": [0.1, 4.0], "threads": 1})
    assert not summary.quiet({"threads": 1})
    assert summary.quiet({"load": [4.0, 4.0], "threads": 1, "alone": True})


def test_errors_that_are_the_same_but_for_their_digits_share_a_rank():
    errors = {"a": {"x": 0.105882}, "b": {"x": 0.10588235294117647}}
    assert summary.mean_rank(errors, ["a", "b"]) == {"a": 1.5, "b": 1.5}
    assert summary.win_rate(errors, "a", "b") == 0.5


def test_errors_of_more_threads_are_those_of_one_where_bits_are_the_same():
    lines = [
        {"peer": peer, "set": "x", "seed": 0, "threads": threads, "error": 1.0}
        for peer, threads in [("mlpfast", 2), ("mlpfast", 1), ("mlpfast-best", 2), ("catboost", 2)]
    ]
    assert [(r["peer"], r["threads"]) for r in summary.of_each(lines)] == [("mlpfast", 1), ("mlpfast-best", 2)]


def test_errors_are_of_the_splits_that_all_peers_have():
    lines = [
        {"peer": peer, "set": one, "seed": seed, "threads": 1, "error": 1.0}
        for peer, one, seeds in [("mlpfast", "x", (0, 1, 2)), ("catboost", "x", (0, 2)), ("catboost", "y", (1,))]
        for seed in seeds
    ]
    found = [(r["peer"], r["set"], r["seed"]) for r in summary.of_each(lines)]
    assert found == [
        ("mlpfast", "x", 0),
        ("mlpfast", "x", 2),
        ("catboost", "x", 0),
        ("catboost", "x", 2),
        ("catboost", "y", 1),
    ]


def test_goals_leasts_and_what_was_not_measured():
    def line(peer, name, seconds, threads=1):
        of = {"peer": peer, "set": name, "seed": 0, "threads": threads, "load": [0.0, 1.0]}
        return of | {"error": seconds, "fit_seconds": seconds, "fit_cpu_seconds": 2 * seconds, "predict_seconds": 1.0}

    lines = [line("mlpfast-fast", name, s) for name, s in (("texas", 2.0), ("churn", 8.0), ("ames", 4.0))]
    lines += [line("lightgbm", name, 1.0) for name in ("texas", "churn", "ames")]
    table = {tuple(cell.strip() for cell in row.split("|")[1:-1]) for row in goals.goals(lines).splitlines()[2:]}
    times = "4.000", "2.83 to 5.66", "3", "least"  # of any table, on a quiet machine
    assert ("mlpfast, fast", "time to fit, one thread, beside LightGBM's", "3", "8", *times) in table
    errors = "4.000", "2.00 to 8.00", "2", "missed"  # of those that confirm
    assert ("mlpfast, fast", "error, beside LightGBM's", "1", "1.04", *errors) in table
    assert len(table) == 3 and goals.goals([]) == ""
    rows = missing.missing(lines).splitlines()
    mine = [cell.strip() for cell in next(row for row in rows if "mlpfast, fast" in row).split("|")[2:-1]]
    n = len(sets.SETS)
    assert mine == [f"{n - 3}", f"{n - 3}: unknown", f"{n}: more than 14 s"]
    assert missing.work_of_a_split(lines) == 34.0


def test_scores_of_labels_and_numbers():
    class Fitted:
        classes_ = np.array(["no", "yes"])

        def predict_proba(self, X):
            return np.array([[0.75, 0.25], [0.5, 0.5]])

    y, found = np.array(["no", "yes"]), np.array(["no", "no"])
    expected = {"error": 0.5, "log_loss": pytest.approx(-np.log(0.75 * 0.5) / 2)}
    assert measure.scores("classification", y, found, Fitted(), None) == expected
    assert measure.scores("regression", np.zeros(2), np.array([3.0, 4.0]), None, None)["error"] == pytest.approx(
        12.5**0.5
    )


@pytest.mark.parametrize("peer", [name for name, one in peers.items() if one.package in ("mlpfast", "sklearn")])
def test_peers_that_are_here_take_a_mixed_table(peer):
    pytest.importorskip("sklearn")
    X = sets.timing_table(40)[0].drop(columns="since")
    prepared = peers[peer].prepare(X)(X)
    assert len(prepared) == 40
    assert peers[peer].version()
    assert hasattr(peers[peer].make("classification", 1, 0), "fit")


def test_the_page_of_a_file_whose_later_lines_replace_earlier_ones(tmp_path):
    common = {"set": "digits", "seed": 0, "threads": 1, "version": "1", "cpu": "one", "processors": 2, "load": [0, 1]}
    times = {"fit_seconds": 2.0, "fit_cpu_seconds": 2.0, "predict_seconds": 0.1}
    lines = [
        {"peer": "lightgbm", "missing": "too slow", **common},
        {"peer": "lightgbm", "error": 0.04, **common, **times},
        {"peer": "mlpfast", "error": 0.02, **common, **times},
    ]
    file = tmp_path / "lines.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    records = bench.read_lines(file)
    assert [r["error"] for r in records] == [0.04, 0.02]
    text = report.page(records)
    assert "## Tables that confirm" in text
    assert "## Tables that choices were made by" not in text
    assert "0.500" in text
    assert "2.00 %" in text
    assert "## Times" in text and "## Goals" in text and "## Work" in text and "## What is not measured" in text


def test_the_page_has_means_without_small_tables_where_there_are_such():
    lines = [
        {"peer": peer, "set": name, "seed": 0, "threads": 1, "rows": rows, "error": error}
        for name, rows, errors in (("wine", 133, (1.0, 4.0)), ("cells", 1514, (2.0, 2.0)))
        for peer, error in zip(("mlpfast", "lightgbm"), errors, strict=True)
    ]
    both, larger = report.page(lines).split("Without the tables of fewer than 1,000 training rows:")
    assert "0.500" in both and "0.500" not in larger and "1.000" in larger
    assert "Without the tables" not in report.page(lines[2:])
