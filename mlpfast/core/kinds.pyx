"""The kinds of layers that the package has: a file of inline functions for each, and a row here."""

from .layers.dense cimport dense
from .layers.dropout cimport dropout

cdef mf_layer_kind KINDS[2]
KINDS[0] = dense()
KINDS[1] = dropout()

NAMES = tuple(KINDS[i].name.decode() for i in range(sizeof(KINDS) // sizeof(KINDS[0])))


cdef const mf_layer_kind *kind_of(str name) except NULL:
    return &KINDS[NAMES.index(name)]
