"""The kinds of layers: the package's, a file of inline functions and a row for each, and those of others."""

from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid
from .layers.activate cimport activate
from .layers.add cimport add as sum_of_two
from .layers.ascending cimport ascending
from .layers.batch_norm cimport batch_norm
from .layers.copy_columns cimport copy_columns
from .layers.dense cimport dense
from .layers.dropout cimport dropout
from .layers.embedding cimport embedding
from .layers.one_hot cimport one_hot
from .layers.parametric cimport parametric, prelu
from .layers.periodic cimport periodic
from .layers.piecewise_linear cimport piecewise_linear
from .layers.row_norm cimport layer_norm, rms_norm
from .layers.scale cimport scale
from .layers.standardize cimport standardize
from .table cimport MF_LAYER_KIND_VERSION

cdef enum:
    MOST_KINDS = 256

cdef mf_layer_kind OURS[MOST_KINDS]
cdef const mf_layer_kind *KINDS[MOST_KINDS]
NUMBERS = {}            # of each name
_capsules = []          # of others, so that their tables live on


cdef int add(const mf_layer_kind *kind) except -1:
    if len(NUMBERS) == MOST_KINDS:
        raise ValueError(f"expected at most {MOST_KINDS} kinds of layers")
    KINDS[<int> len(NUMBERS)] = kind
    NUMBERS[kind.name.decode()] = len(NUMBERS)
    return 0


cdef int ours(mf_layer_kind kind) except -1:
    cdef mf_layer_kind *place = &OURS[<int> len(NUMBERS)]
    place[0] = kind
    return add(place)


ours(dense())
ours(dropout())
ours(activate())
ours(sum_of_two())
ours(scale())
ours(layer_norm())
ours(rms_norm())
ours(batch_norm())
ours(prelu())
ours(parametric())
ours(standardize())
ours(copy_columns())
ours(one_hot())
ours(embedding())
ours(periodic())
ours(piecewise_linear())
ours(ascending())


def register(capsule):
    """Add somebody else's kind of layer: a PyCapsule named "mlpfast.layer_kind" of an mf_layer_kind (csrc/mlpfast.h).

    Returns its name, by which a layer's `lower` may then use it. The table has to live as long as the process.
    """
    if not PyCapsule_IsValid(capsule, "mlpfast.layer_kind"):
        raise TypeError(f"expected a PyCapsule named 'mlpfast.layer_kind', got {capsule!r}")
    cdef const mf_layer_kind *kind = <const mf_layer_kind *> PyCapsule_GetPointer(capsule, "mlpfast.layer_kind")
    if kind.version != MF_LAYER_KIND_VERSION:
        raise ValueError(f"expected a layer kind of version {MF_LAYER_KIND_VERSION}, got {kind.version}")
    if kind.name == NULL or kind.forward == NULL or kind.backward == NULL:
        raise ValueError("expected a layer kind with a name, forward and backward")
    name = kind.name.decode()
    if name in NUMBERS:
        raise ValueError(f"expected a layer kind of a new name, got {name!r} again")
    add(kind)
    _capsules.append(capsule)
    return name


cdef const mf_layer_kind *kind_of(str name) except NULL:
    if name not in NUMBERS:
        raise ValueError(f"unknown kind of layer {name!r}; expected one of {', '.join(NUMBERS)}")
    return KINDS[<int> NUMBERS[name]]


def lacks_tangents(str name, bint back):
    """Whether a kind has no tangents or, if `back`, no tangents of the way back."""
    cdef const mf_layer_kind *kind = kind_of(name)
    if kind.tangent == NULL or not back:
        return kind.tangent == NULL
    return kind.tangent_back == NULL or (kind.gradient != NULL and kind.tangent_gradient == NULL)
