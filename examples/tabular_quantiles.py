"""Tables: from when to when?
==========================

How long a delivery takes on average is one answer; until when it is there in nine cases of ten, another. Quantiles say
that of each row by itself, and intervals of the rows that were held out say it of all rows alike.

::

    python examples/tabular_quantiles.py [--quick]

It needs scikit-learn and pandas: pip install mlpfast[tabular,plot].
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import mlpfast as mf

quick = "--quick" in sys.argv
n = 2_000 if quick else 8_000

# %%
# Deliveries
# ----------
# The minutes that they take grow with the distance, more so by bicycle. Most are on time and some are late, in
# rain by more, and the farther, the later: what is not known is small for some rows, and large for others.

rng = np.random.default_rng(0)
table = pd.DataFrame(
    {
        "distance": rng.uniform(0.5, 10, n),
        "by": rng.choice(["bicycle", "scooter"], n),
        "rain": rng.random(n) < 0.3,
        "parcels": rng.integers(1, 6, n),
    }
)
usual = 8 + 2 * table["parcels"] + table["distance"] * np.where(table["by"] == "bicycle", 4, 2.5)
late = table["distance"] * np.where(table["rain"], 2, 1)
minutes = (usual + rng.exponential(late)).to_numpy()
train, test = slice(0, n * 3 // 4), slice(n * 3 // 4, n)

# %%
# One network, three quantiles
# ----------------------------
# The loss of a quantile is least where that share of the targets lies below. All three come from one network, whose
# last layer has them ascend, so that none of them is above the next one, for any row. ``predict`` gives the median.

model = mf.TabularRegressor(quantiles=[0.1, 0.5, 0.9], preset="fast", random_state=0).fit(table[train], minutes[train])
found = model.predict_quantiles(table[test])
print(f"rows where quantiles cross: {(np.diff(found) < 0).any(axis=1).sum()}")
for q, column in zip(model.quantiles, found.T, strict=True):
    print(f"below the {q} quantile: {np.mean(minutes[test] < column):.3f} of the rows")

# %%
# Beside intervals of one width
# -----------------------------
# Four fifths of the targets lie between the first quantile and the last one, or so the network says.
# ``predict_interval`` needs no quantiles, and counts: the rows held out were this far from their prediction, so new
# ones will be, too. That holds whatever the distribution; but it holds over all rows, not for near and far ones each.

low, high = found[:, 0], found[:, 2]
ends = model.predict_interval(table[test], coverage=0.8)
near = table["distance"][test].to_numpy() < 3
for name, (bottom, top) in {"quantiles": (low, high), "interval": ends.T}.items():
    inside = (bottom <= minutes[test]) & (minutes[test] <= top)
    print(f"{name:>9}: {inside.mean():.3f} of the rows inside, {np.mean(top - bottom):.1f} minutes wide")
    print(f"{'':>9}  {inside[near].mean():.3f} of the near ones, {inside[~near].mean():.3f} of the others")

# %%
# Where the spread is known
# -------------------------
# The table was made, so that the true quantiles are known: the usual time, and those of an exponential distribution.

truth = usual[test].to_numpy()[:, None] - late[test].to_numpy()[:, None] * np.log1p(-np.array(model.quantiles))
error = np.abs(found - truth).mean() / np.mean(truth[:, 2] - truth[:, 0])
print(f"the quantiles are wrong by {error:.3f} of the width that is true")

# %%
figure, axes = plt.subplots(figsize=(8, 3.5), layout="constrained")
shown = ((table["by"] == "bicycle") & table["rain"] & (table["parcels"] == 3))[test].to_numpy()
distance = np.linspace(0.5, 10, 100)
rows = pd.DataFrame({"distance": distance, "by": "bicycle", "rain": True, "parcels": 3})
below, median, above = model.predict_quantiles(rows).T
axes.scatter(table["distance"][test][shown], minutes[test][shown], s=12, color="#999999", label="by bicycle, in rain")
axes.fill_between(distance, below, above, color="#d1495b", alpha=0.25, linewidth=0, label="from 0.1 to 0.9")
axes.plot(distance, median, color="#d1495b", label="median")
axes.plot(distance, model.predict_interval(rows, coverage=0.8), "--", color="#00798c", linewidth=0.9)
axes.plot([], [], "--", color="#00798c", linewidth=0.9, label="interval of one width")
axes.legend(frameon=False)
axes.set(xlabel="distance (km)", ylabel="minutes", title="quantiles follow the spread")
figure.savefig("tabular_quantiles_deliveries.png", dpi=150)
