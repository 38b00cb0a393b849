/*
 * The body that is compiled once for each (ISA, dtype) and fills one table. The file that includes it defines
 * MF_ISA_* and MF_F32 or MF_F64, and nothing else; every function here is static.
 */
#include "mlpfast.h"
#include "simd.h"

/*
 * The shape of the products. A panel is NR columns wide; matrices have rows to a multiple of MR. TALL(vectors) is the
 * height of a register tile so many vectors wide: low enough for its accumulators to stay in registers, high enough for
 * them to hide the latency of an FMA. Rows, rounded up to MR, are taken UNIT at a time in such tiles, the rest in tiles
 * of MR.
 */
#if defined(MF_ISA_NEON) /* 32 registers of 16 bytes */
#define NR (4 * LANES)
#define MR 4
#define UNIT 16
#define TALL(vectors) (vectors == 1 ? 16 : vectors == 2 ? 8 : 4)
#elif defined(MF_ISA_AVX512) /* 32 registers */
#define NR (2 * LANES)
#define MR 8
#define UNIT 16
#define TALL(vectors) (vectors == 1 ? 16 : 8)
#elif defined(MF_ISA_AVX2) /* 16 registers */
#define NR (2 * LANES)
#define MR 4
#define UNIT 12
#define TALL(vectors) (vectors == 1 ? 12 : 6)
#else
#define NR (2 * LANES)
#define MR 4
#define UNIT 4
#define TALL(vectors) 4
#endif

_Static_assert(NR % MR == 0 && UNIT % MR == 0, "padded rows and columns are whole tiles");
_Static_assert(UNIT % TALL(1) == 0 && UNIT % TALL(2) == 0 && UNIT % TALL(NR / LANES) == 0, "a unit is whole tiles");

/* Element (r, c) of a matrix, and the vectors that start at a column which is a multiple of LANES. */
INLINE real *at(mf_matrix m, int64_t r, int64_t c) {
    const uint64_t column = (uint64_t)c; /* unsigned, so that the divisions are a shift and a mask */
    return (real *)m.data + r * m.row_stride + (int64_t)(column / NR) * m.panel_stride + column % NR;
}

#include "kernels/math.inl"
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
#include "kernels/narrow.inl"
#include "kernels/softmax.inl"
#include "kernels/losses.inl"
#include "kernels/metrics.inl"
#include "kernels/update.inl"

#define MF_CONCAT3(a, b, c) a##b##c
#define MF_TABLE_NAME(isa, dtype) MF_CONCAT3(mf_kernels_, isa, dtype)

#if defined(MF_ISA_AVX512)
#define MF_TABLE(dtype) MF_TABLE_NAME(avx512, dtype)
#elif defined(MF_ISA_AVX2)
#define MF_TABLE(dtype) MF_TABLE_NAME(avx2, dtype)
#elif defined(MF_ISA_NEON)
#define MF_TABLE(dtype) MF_TABLE_NAME(neon, dtype)
#else
#define MF_TABLE(dtype) MF_TABLE_NAME(portable, dtype)
#endif

#if defined(MF_F32)
#define MF_THIS_TABLE MF_TABLE(_f32)
#else
#define MF_THIS_TABLE MF_TABLE(_f64)
#endif

const mf_kernels MF_THIS_TABLE = {
    .isa = MF_ISA_NAME,
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
    .activation = activation,
    .hadamard = hadamard,
    .dropout = dropout,
    .elementary = elementary,
    .softmax = softmax,
    .log_softmax = log_softmax,
    .softmax_jvp = softmax_jvp,
    .loss = loss,
    .metric = metric,
    .update = update,
    .add_penalty = add_penalty,
    .penalty = penalty,
    .all_finite = all_finite,
};
