/*
 * The body that is compiled once for each (ISA, dtype) and fills one table. The file that includes it defines MF_F32 or
 * MF_F64, includes the ISA's header, and does nothing else; every function here is static.
 *
 * The ISA's header says how wide its vectors are, and the shape of the products. A panel is VECTORS of them wide, 2 or
 * 4; matrices have rows to a multiple of MR. TALL(vectors) is the height of a register tile so many vectors wide: low
 * enough for its accumulators to stay in registers, high enough for them to hide the latency of an FMA. Rows, rounded
 * up to MR, are taken UNIT at a time in such tiles, the rest in tiles of MR.
 */
#include "mlpfast.h"
#include "simd.h"

#define NR (VECTORS * LANES)

_Static_assert(VECTORS == 2 || VECTORS == 4, "there are tiles for each width");
_Static_assert(NR % MR == 0 && UNIT % MR == 0, "padded rows and columns are whole tiles");
_Static_assert(UNIT % TALL(1) == 0 && UNIT % TALL(2) == 0 && UNIT % TALL(VECTORS) == 0, "a unit is whole tiles");

/* Element (r, c) of a matrix, and the vectors that start at a column which is a multiple of LANES. */
INLINE real *at(mf_matrix m, int64_t r, int64_t c) {
    const uint64_t column = (uint64_t)c; /* unsigned, so that the divisions are a shift and a mask */
    return (real *)m.data + r * m.row_stride + (int64_t)(column / NR) * m.panel_stride + column % NR;
}

INLINE int is_padded(mf_matrix m) { return m.panel_stride != NR; }

#include "kernels/math.inl"
#include "kernels/activations.inl"
#include "kernels/elementwise.inl"
#include "kernels/dropout.inl"
#include "kernels/elementary.inl"
#include "kernels/ahead.inl"
#include "kernels/gemm.inl"
#include "kernels/zeros.inl"
#include "kernels/products.inl"
#include "kernels/one_row.inl"
#include "kernels/pack.inl"
#include "kernels/gather.inl"
#include "kernels/sparse.inl"
#include "kernels/narrow.inl"
#include "kernels/softmax.inl"
#include "kernels/wide.inl"
#include "kernels/affine.inl"
#include "kernels/norm.inl"
#include "kernels/norm_columns.inl"
#include "kernels/curves.inl"
#include "kernels/columns.inl"
#include "kernels/periodic.inl"
#include "kernels/piecewise.inl"
#include "kernels/part_curves.inl"
#include "kernels/per_row.inl"
#include "kernels/targets.inl"
#include "kernels/losses.inl"
#include "kernels/strips.inl"
#include "kernels/class_losses.inl"
#include "kernels/loss_products.inl"
#include "kernels/metrics.inl"
#include "kernels/update.inl"
#include "kernels/entries.inl"

#define MF_JOIN(isa, dtype) mf_kernels_##isa##_##dtype
#define MF_TABLE(isa, dtype) MF_JOIN(isa, dtype)
#define MF_QUOTE(isa) #isa
#define MF_NAME(isa) MF_QUOTE(isa)

#if defined(MF_F32)
const mf_kernels MF_TABLE(MF_ISA, f32) = {
#else
const mf_kernels MF_TABLE(MF_ISA, f64) = {
#endif
    .isa = MF_NAME(MF_ISA),
    .dtype = sizeof(real) == 4 ? MF_FLOAT32 : MF_FLOAT64,
    .itemsize = sizeof(real),
    .nr = NR,
    .mr = MR,
    .skips_from = FEWEST,
    .matmul_bias = matmul_bias,
    .propagate_delta = propagate_delta,
    .weight_gradient = weight_gradient,
    .bias_gradient = bias_gradient,
    .row_forward = row_forward,
    .pack = pack,
    .pack_transposed = pack_transposed,
    .unpack = unpack,
    .gather = gather,
    .gather_csr = gather_csr,
    .matmul_bias_csr = matmul_bias_csr,
    .count_csr = count_csr,
    .place_csr = place_csr,
    .weight_gradient_csr = weight_gradient_csr,
    .activation = activation,
    .hadamard = hadamard,
    .curve = curve,
    .dropout = dropout,
    .dropout_back = dropout_back,
    .elementary = elementary,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .softmax_jvp = softmax_jvp,
    .softmax_curve = softmax_curve,
    .add = add,
    .scale_shift = scale_shift,
    .scale_gradient = scale_gradient,
    .blend = blend,
    .blend_back = blend_back,
    .blend_gradient = blend_gradient,
    .scale_difference = scale_difference,
    .normalise_rows = normalise_rows,
    .normalise_rows_back = normalise_rows_back,
    .normalise_rows_curve = normalise_rows_curve,
    .column_moments = column_moments,
    .column_sums = column_sums,
    .normalise_columns = normalise_columns,
    .normalise_columns_back = normalise_columns_back,
    .copy_columns = copy_columns,
    .one_hot = one_hot,
    .one_hot_csr = one_hot_csr,
    .look_up = look_up,
    .look_up_gradient = look_up_gradient,
    .look_up_update = look_up_update,
    .periodic = periodic,
    .periodic_back = periodic_back,
    .periodic_gradient = periodic_gradient,
    .piecewise = piecewise,
    .piecewise_gradient = piecewise_gradient,
    .periodic_tangent = periodic_tangent,
    .periodic_tangent_back = periodic_tangent_back,
    .piecewise_tangent = piecewise_tangent,
    .loss = loss,
    .loss_product = loss_product,
    .metric = metric,
    .update = update,
    .add_penalty = add_penalty,
    .penalty = penalty,
    .limit_columns = limit_columns,
    .average = average,
    .all_finite = all_finite,
    .outer_product = outer_product,
    .row_squares = row_squares,
    .copy_columns_back = copy_columns_back,
    .periodic_inputs = periodic_inputs,
    .piecewise_inputs = piecewise_inputs,
};
