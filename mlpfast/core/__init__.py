"""The compiled core: typed Cython over the C kernels. Internal; the public names are in :mod:`mlpfast`."""
