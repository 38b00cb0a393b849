"""Derivatives of a model, batched and native: what the methods of `mlpfast.Model` of the same names do."""
