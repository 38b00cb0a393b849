"""Files that are not trusted, and are replaced as a whole.

`replacing` is how a file takes the place of another. `arrayfile` has arrays by name, and a header; `modelfile` those of
a model, whose layers the header has as `fields`. Trainers and estimators of tables write more beside a model's.
"""
