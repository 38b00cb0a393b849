from .table cimport mf_layer_kind


cdef const mf_layer_kind *kind_of(str name) except NULL
