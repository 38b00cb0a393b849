"""Kinds of layers: a file of inline functions for each, cimported by `core.kinds`."""
