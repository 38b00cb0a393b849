"""Tables: who will leave?
=======================

A table with strings, dates and holes, as it comes; what becomes of its columns; and how often the classifier is right,
beside boosted trees.

::

    python examples/tabular_classification.py [--quick]

It needs scikit-learn and pandas: pip install mlpfast[tabular,plot].
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

import mlpfast as mf

quick = "--quick" in sys.argv
n = 800 if quick else 6_000

# %%
# A table
# -------
# Customers of a made company. Whether they leave depends on how long they have been there, on what they pay for what
# they use, and on their region; a fifth of the incomes is not known.

rng = np.random.default_rng(0)
table = pd.DataFrame(
    {
        "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 2_000, n), "D"),
        "plan": rng.choice(["basic", "plus", "pro"], n, p=[0.5, 0.3, 0.2]),
        "region": rng.choice([f"region {i}" for i in range(12)], n),
        "fee": rng.lognormal(3, 0.5, n),
        "hours": rng.exponential(20, n),
        "income": np.where(rng.random(n) < 0.2, np.nan, rng.lognormal(10, 1, n)),
    }
)
years = (pd.Timestamp("2026-01-01") - table["since"]).dt.days / 365
region = table["region"].str.split().str[1].astype(int)
score = np.log(table["fee"] / (1 + table["hours"])) - years / 2 + (region % 3) + (table["plan"] == "basic")
left = np.where(score + rng.normal(0, 0.5, n) > 0.3, "left", "stayed")
train, test = slice(0, n * 3 // 4), slice(n * 3 // 4, n)

# %%
# The classifier
# --------------
# Nothing is to be prepared. ``columns_`` is what became of the columns.

model = mf.TabularClassifier(preset="fast", random_state=0).fit(table[train], left[train])
print(model.columns_)
accuracy = model.score(table[test], left[test])
print(f"accuracy of the network: {accuracy:.3f}, best epoch {model.best_epoch_}")

# %%
# Boosted trees beside it, which want the date as a number and the strings as categories.

prepared = table.assign(since=table["since"].astype("int64")).astype({"plan": "category", "region": "category"})
trees = HistGradientBoostingClassifier(categorical_features="from_dtype", random_state=0)
print(f"accuracy of boosted trees: {trees.fit(prepared[train], left[train]).score(prepared[test], left[test]):.3f}")

# %%
# A single row needs no table.

row = {"since": pd.Timestamp("2025-06-01"), "plan": "basic", "region": "region 2", "fee": 40.0, "hours": 3.0}
print(f"one row: {model.predict_one(row | {'income': None})}")

# %%
# The rows held out chose the epoch.

figure, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.plot(np.arange(1, len(model.history_["loss"]) + 1), model.history_["val_accuracy"])
axes.axvline(model.best_epoch_, color="#444444", linewidth=0.8)
axes.set(xlabel="epoch", title="accuracy on the rows held out")
figure.savefig("tabular_classification_epochs.png", dpi=150)
