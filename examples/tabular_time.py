"""Tables: validation in the order of time
=========================================

Where the world changes, rows drawn at random say too much: they lie between those that were trained on. The last
ones say what the next ones will be like.

::

    python examples/tabular_time.py [--quick]

It needs scikit-learn and pandas: pip install mlpfast[tabular,plot].
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import mlpfast as mf

quick = "--quick" in sys.argv
days = 1_000 if quick else 3_000

# %%
# Sales of a shop, by day
# -----------------------
# They grow, they have a week and a year, and the weather matters. Each year the growth is another one: what was learnt
# of the past holds less and less.

rng = np.random.default_rng(0)
day = np.arange(days)
date = pd.Timestamp("2017-01-01") + pd.to_timedelta(day, "D")
growth = np.cumsum(rng.normal(0.05, 1.0, days))
warmth = 10 - 10 * np.cos(2 * np.pi * day / 365) + rng.normal(0, 3, days)
weekday = date.day_name()
sales = 200 + growth + 2 * warmth + 40 * (weekday == "Saturday") - 150 * (weekday == "Sunday") + rng.normal(0, 5, days)
table = pd.DataFrame({"date": date, "weekday": weekday, "warmth": warmth})
past, future = slice(0, days * 4 // 5), slice(days * 4 // 5, days)

# %%
# Two ways to hold rows out
# -------------------------
# Both train on four fifths of the past. Their own estimate of the error is that of the rows that they have held out;
# the future says which estimate was right.

estimates, errors, models = {}, {}, {}
for validation in ("random", "time"):
    model = mf.TabularRegressor(preset="fast", validation=validation, random_state=0).fit(table[past], sales[past])
    difference = model.predict(table[future]) - sales[future]
    estimates[validation], errors[validation] = model.best_score_, float(np.sqrt(np.mean(difference**2)))
    models[validation] = model
    print(f"{validation:>6}: estimated rmse {estimates[validation]:.1f}, in the future {errors[validation]:.1f}")
print(f"the estimate by random rows was {errors['random'] / estimates['random']:.2f} times too small")
print(f"the estimate by the last rows was {errors['time'] / estimates['time']:.2f} times too small")

# %%
figure, axes = plt.subplots(figsize=(8, 3), layout="constrained")
axes.plot(date[future], sales[future], color="#bbbbbb", label="sales")
axes.plot(date[future], models["time"].predict(table[future]), color="#d1495b", linewidth=0.8, label="predicted")
axes.legend(frameon=False)
axes.set(title="the fifth that nobody has seen")
figure.savefig("tabular_time_future.png", dpi=150)
