/*
 * One vector type and the few operations on it, for the ISA being compiled (MF_ISA_*, MF_VECTOR_BYTES) and its dtype
 * (MF_F32 or MF_F64).
 *
 * Arithmetic is written with the operators (+ - * /), which GCC and Clang define on vector types. A product and a sum
 * are fused only where vfma() says so: the files are compiled with -ffp-contract=off, so that every ISA rounds alike.
 *
 *   real, vec, ivec, uvec   a scalar, a native vector of LANES of them, vectors of as many integers of the same size
 *   mask                    what a comparison gives; for vselect(), mask_and(), mask_all(), mask_bits()
 */
#ifndef MLPFAST_SIMD_H
#define MLPFAST_SIMD_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(MF_ISA_AVX512) || defined(MF_ISA_AVX2)
#include <immintrin.h>
#endif

#if defined(MF_F32)
typedef float real;
typedef int32_t sword;
typedef uint32_t uword;
#define REAL(x) x##f
#else
typedef double real;
typedef int64_t sword;
typedef uint64_t uword;
#define REAL(x) x
#endif

#define LANES ((int)(MF_VECTOR_BYTES / sizeof(real)))
/* Native vectors in the 64 bytes of virtual lanes over which row sums are taken. */
#define VIRTUAL (64 / MF_VECTOR_BYTES)
#define VIRTUAL_LANES (VIRTUAL * LANES)

typedef real vec __attribute__((vector_size(MF_VECTOR_BYTES)));
typedef real vec_unaligned __attribute__((vector_size(MF_VECTOR_BYTES), aligned(sizeof(real)), may_alias));
typedef sword ivec __attribute__((vector_size(MF_VECTOR_BYTES)));
typedef uword uvec __attribute__((vector_size(MF_VECTOR_BYTES)));

#define INLINE static inline __attribute__((always_inline, unused))
#define UNROLL _Pragma("GCC unroll 32")

/* Keeps a loaded vector in a register: with several uses, GCC would rather load it for each. */
#if defined(MF_ISA_AVX512) || defined(MF_ISA_AVX2)
#define KEEP(v) __asm__("" : "+v"(v))
#else
#define KEEP(v) (void)0
#endif

INLINE vec vload(const real *p) { return *(const vec_unaligned *)p; }
INLINE void vstore(real *p, vec v) { *(vec_unaligned *)p = v; }
INLINE vec vset(real x) { return x - (vec){0}; }
INLINE ivec vset_int(sword x) { return x - (ivec){0}; }

/* --- EACH_LANE(f): the list f(0), f(1), ..., one for each lane, for constant vectors --- */

#define LANES_2(f) f(0), f(1)
#define LANES_4(f) LANES_2(f), f(2), f(3)
#define LANES_8(f) LANES_4(f), f(4), f(5), f(6), f(7)
#define LANES_16(f) LANES_8(f), f(8), f(9), f(10), f(11), f(12), f(13), f(14), f(15)
#if defined(MF_F32)
#define VECTOR_WORDS (MF_VECTOR_BYTES / 4)
#else
#define VECTOR_WORDS (MF_VECTOR_BYTES / 8)
#endif
#if VECTOR_WORDS == 16
#define EACH_LANE LANES_16
#elif VECTOR_WORDS == 8
#define EACH_LANE LANES_8
#elif VECTOR_WORDS == 4
#define EACH_LANE LANES_4
#else
#define EACH_LANE LANES_2
#endif
#define LANE(i) i

/* Lane i is lane f(i) of a, then b. */
#if defined(__clang__)
#define SHUFFLE(a, b, f) __builtin_shufflevector(a, b, EACH_LANE(f))
#else
#define SHUFFLE(a, b, f) __builtin_shuffle(a, b, (ivec){EACH_LANE(f)})
#endif

INLINE vec lane_numbers(void) { return (vec){EACH_LANE(LANE)}; }
INLINE ivec lane_numbers_int(void) { return (ivec){EACH_LANE(LANE)}; }

/* --- fused multiply-add and square root: one rounding each, on every ISA --- */

#if defined(MF_ISA_AVX512) && defined(MF_F32)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
/* The processor's one unit for roots and quotients is what an update waits for: this leaves it to the quotients. From
 * an estimate within 2^-14, a step of Goldschmidt's iteration and the root's residual give the bits of the correctly
 * rounded root (Markstein, "IA-64 and elementary functions", 2000); that was tried for every number and for estimates
 * off by any eighth of 2^-14. Beyond [2^-78, 2^50), but for 0, the residual may underflow, or is not finite. */
INLINE vec vsqrt(vec a) {
    const __m512i bits = (__m512i)a, smallest = _mm512_set1_epi32((127 - 78) << 23);
    const __mmask16 some = _mm512_test_epi32_mask(bits, bits);
    const __m512i above = _mm512_maskz_sub_epi32(some, bits, smallest);
    if (_mm512_test_epi32_mask(above, _mm512_set1_epi32((int)0xC0000000)) != 0) return (vec)_mm512_sqrt_ps((__m512)a);
    const vec inverse = (vec)_mm512_maskz_rsqrt14_ps(some, (__m512)a);
    vec root = a * inverse, half = inverse * vset(0.5f);
    const vec rest = vfma(-root, half, vset(0.5f));
    root = vfma(root, rest, root);
    half = vfma(half, rest, half);
    return vfma(vfma(-root, root, a), half, root);
}
#elif defined(MF_ISA_AVX512)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
INLINE vec vsqrt(vec a) { return (vec)_mm512_sqrt_pd((__m512d)a); }
#elif defined(MF_ISA_AVX2) && defined(MF_F32)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
INLINE vec vsqrt(vec a) { return (vec)_mm256_sqrt_ps((__m256)a); }
#elif defined(MF_ISA_AVX2)
INLINE vec vfma(vec a, vec b, vec c) { return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
INLINE vec vsqrt(vec a) { return (vec)_mm256_sqrt_pd((__m256d)a); }
#else
/* On aarch64 the compiler turns both loops into one instruction. On x86 fma() is a call for each lane: inlined, they
 * were most of the portable kernels' code, and gained nothing. */
#if defined(__x86_64__)
static __attribute__((noinline, unused)) vec vfma(vec a, vec b, vec c) {
#else
INLINE vec vfma(vec a, vec b, vec c) {
#endif
    vec d;
    for (int i = 0; i < LANES; i++)
        d[i] = sizeof(real) == 4 ? (real)fmaf(a[i], b[i], c[i]) : (real)fma(a[i], b[i], c[i]);
    return d;
}
INLINE vec vsqrt(vec a) {
    vec d;
    for (int i = 0; i < LANES; i++) d[i] = sizeof(real) == 4 ? (real)sqrtf(a[i]) : (real)sqrt(a[i]);
    return d;
}
#endif

/* --- comparisons and selection --- */

#if defined(MF_ISA_AVX512) && defined(MF_F32)
typedef __mmask16 mask;
#define MF_COMPARE(a, b, op) _mm512_cmp_ps_mask((__m512)(a), (__m512)(b), op)
INLINE vec vselect(mask m, vec a, vec b) { return (vec)_mm512_mask_blend_ps(m, (__m512)b, (__m512)a); }
#elif defined(MF_ISA_AVX512)
typedef __mmask8 mask;
#define MF_COMPARE(a, b, op) _mm512_cmp_pd_mask((__m512d)(a), (__m512d)(b), op)
INLINE vec vselect(mask m, vec a, vec b) { return (vec)_mm512_mask_blend_pd(m, (__m512d)b, (__m512d)a); }
#endif

#if defined(MF_ISA_AVX512)
INLINE mask vless(vec a, vec b) { return MF_COMPARE(a, b, _CMP_LT_OQ); }
INLINE mask vequal(vec a, vec b) { return MF_COMPARE(a, b, _CMP_EQ_OQ); }
INLINE mask mask_and(mask a, mask b) { return a & b; }
INLINE uint64_t mask_bits(mask a) { return a; } /* bit i: lane i */
INLINE mask has_bits(uvec a, uword bits) {
    const uvec all = (uvec){0} + bits;
    return (mask)(sizeof(real) == 4 ? _mm512_test_epi32_mask((__m512i)a, (__m512i)all)
                                    : _mm512_test_epi64_mask((__m512i)a, (__m512i)all));
}
#else
typedef ivec mask;
INLINE mask vless(vec a, vec b) { return a < b; }
INLINE mask vequal(vec a, vec b) { return a == b; }
INLINE vec vselect(mask m, vec a, vec b) { return (vec)((m & (ivec)a) | (~m & (ivec)b)); }
INLINE mask mask_and(mask a, mask b) { return a & b; }
INLINE mask has_bits(uvec a, uword bits) { return (a & bits) != 0; }
INLINE uint64_t mask_bits(mask a) {
#if defined(MF_ISA_AVX2) && defined(MF_F32)
    return (uint64_t)_mm256_movemask_ps((__m256)a);
#elif defined(MF_ISA_AVX2)
    return (uint64_t)_mm256_movemask_pd((__m256d)a);
#else
    uint64_t bits = 0;
    for (int i = 0; i < LANES; i++) bits |= (uint64_t)(a[i] & 1) << i;
    return bits;
#endif
}
#endif
INLINE int mask_all(mask a) { return mask_bits(a) == ((uint64_t)1 << LANES) - 1; }

/* The first n lanes, 0 <= n <= LANES; the others are zero, and no memory of theirs is touched. */
#if defined(MF_ISA_AVX512) && defined(MF_F32)
INLINE vec vload_n(const real *p, int n) { return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p); }
INLINE void vstore_n(real *p, vec v, int n) { _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v); }
#elif defined(MF_ISA_AVX512)
INLINE vec vload_n(const real *p, int n) { return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p); }
INLINE void vstore_n(real *p, vec v, int n) { _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v); }
#elif defined(MF_ISA_AVX2)
INLINE ivec first_lanes(int n) { return lane_numbers_int() < vset_int(n); }
#if defined(MF_F32)
INLINE vec vload_n(const real *p, int n) { return (vec)_mm256_maskload_ps(p, (__m256i)first_lanes(n)); }
INLINE void vstore_n(real *p, vec v, int n) { _mm256_maskstore_ps(p, (__m256i)first_lanes(n), (__m256)v); }
#else
INLINE vec vload_n(const real *p, int n) { return (vec)_mm256_maskload_pd(p, (__m256i)first_lanes(n)); }
INLINE void vstore_n(real *p, vec v, int n) { _mm256_maskstore_pd(p, (__m256i)first_lanes(n), (__m256d)v); }
#endif
#else
INLINE vec vload_n(const real *p, int n) {
    vec v = {0};
    for (int i = 0; i < n; i++) v[i] = p[i];
    return v;
}
INLINE void vstore_n(real *p, vec v, int n) {
    for (int i = 0; i < n; i++) p[i] = v[i];
}
#endif

/* A whole vector to where a vector is aligned, past the caches where there is an instruction for it; and before other
 * threads may read them, an end to such stores. */
INLINE void vstore_past_caches(real *p, vec v) {
#if defined(MF_ISA_AVX512) && defined(MF_F32)
    _mm512_stream_ps(p, (__m512)v);
#elif defined(MF_ISA_AVX512)
    _mm512_stream_pd(p, (__m512d)v);
#elif defined(MF_ISA_AVX2) && defined(MF_F32)
    _mm256_stream_ps(p, (__m256)v);
#elif defined(MF_ISA_AVX2)
    _mm256_stream_pd(p, (__m256d)v);
#else
    vstore(p, v);
#endif
}
INLINE void stores_are_done(void) {
#if defined(MF_ISA_AVX512) || defined(MF_ISA_AVX2)
    _mm_sfence();
#endif
}

/* b where either is NaN, as x86's instructions have it: write vmax(limit, x) to let x's NaN through. */
#if defined(MF_ISA_AVX512) && defined(MF_F32)
INLINE vec vmax(vec a, vec b) { return (vec)_mm512_max_ps((__m512)a, (__m512)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm512_min_ps((__m512)a, (__m512)b); }
#elif defined(MF_ISA_AVX512)
INLINE vec vmax(vec a, vec b) { return (vec)_mm512_max_pd((__m512d)a, (__m512d)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm512_min_pd((__m512d)a, (__m512d)b); }
#elif defined(MF_ISA_AVX2) && defined(MF_F32)
INLINE vec vmax(vec a, vec b) { return (vec)_mm256_max_ps((__m256)a, (__m256)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm256_min_ps((__m256)a, (__m256)b); }
#elif defined(MF_ISA_AVX2)
INLINE vec vmax(vec a, vec b) { return (vec)_mm256_max_pd((__m256d)a, (__m256d)b); }
INLINE vec vmin(vec a, vec b) { return (vec)_mm256_min_pd((__m256d)a, (__m256d)b); }
#else
INLINE vec vmax(vec a, vec b) { return vselect(vless(b, a), a, b); }
INLINE vec vmin(vec a, vec b) { return vselect(vless(a, b), a, b); }
#endif

INLINE vec vabs(vec a) { return (vec)((uvec)a & (~(uvec){0} >> 1)); }
INLINE vec vcopysign(vec magnitude, vec sign) {
    uvec m = ~(uvec){0} >> 1;
    return (vec)(((uvec)magnitude & m) | ((uvec)sign & ~m));
}

#endif
