/*
 * Float64 beside the table's dtype: vectors of doubles, for sums in which a float32 would lose digits.
 */

typedef double dvec __attribute__((vector_size(MF_VECTOR_BYTES)));
typedef double dvec_unaligned __attribute__((vector_size(MF_VECTOR_BYTES), aligned(sizeof(double)), may_alias));
typedef int64_t dwords __attribute__((vector_size(MF_VECTOR_BYTES)));
enum { DLANES = MF_VECTOR_BYTES / sizeof(double) };

INLINE dvec dset(double x) { return x - (dvec){0}; }

/* a b + c with one rounding, on every ISA */
INLINE dvec dfma(dvec a, dvec b, dvec c) {
#if defined(MF_ISA_AVX512)
    return (dvec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(MF_ISA_AVX2)
    return (dvec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#else
    dvec d;
    for (int i = 0; i < DLANES; i++) d[i] = fma(a[i], b[i], c[i]);
    return d;
#endif
}

/* p[0:DLANES] as doubles. GCC 12 would convert vectors of AVX in halves. */
INLINE dvec widen(const real *p) {
#if defined(MF_F64)
    return *(const dvec_unaligned *)p;
#elif defined(MF_ISA_AVX512)
    return (dvec)_mm512_cvtps_pd(_mm256_loadu_ps(p));
#elif defined(MF_ISA_AVX2)
    return (dvec)_mm256_cvtps_pd(_mm_loadu_ps(p));
#else
    typedef float half __attribute__((vector_size(MF_VECTOR_BYTES / 2), aligned(sizeof(float)), may_alias));
    return __builtin_convertvector(*(const half *)p, dvec);
#endif
}

/* The first n lanes, 0 <= n <= DLANES; the others are zero, and no memory of theirs is touched. */
INLINE dvec widen_n(const real *p, int n) {
    dvec v = {0};
    for (int i = 0; i < n; i++) v[i] = (double)p[i];
    return v;
}

/* As EACH_LANE and SHUFFLE, for doubles. */
#if MF_VECTOR_BYTES == 64
#define EACH_DOUBLE LANES_8
#elif MF_VECTOR_BYTES == 32
#define EACH_DOUBLE LANES_4
#else
#define EACH_DOUBLE LANES_2
#endif
#define DOUBLE_ACROSS_4(i) ((i) ^ 4) % DLANES
#define DOUBLE_ACROSS_2(i) ((i) ^ 2) % DLANES
#define DOUBLE_ACROSS_1(i) ((i) ^ 1)
#if defined(__clang__)
#define SHUFFLE_DOUBLES(a, f) __builtin_shufflevector(a, a, EACH_DOUBLE(f))
#else
#define SHUFFLE_DOUBLES(a, f) __builtin_shuffle(a, (dwords){EACH_DOUBLE(f)})
#endif

/* Lane i takes in lane i + s, for s = half of them ... 1. */
INLINE double sum_of_lanes(dvec v) {
    if (DLANES > 4) v += SHUFFLE_DOUBLES(v, DOUBLE_ACROSS_4);
    if (DLANES > 2) v += SHUFFLE_DOUBLES(v, DOUBLE_ACROSS_2);
    return (v + SHUFFLE_DOUBLES(v, DOUBLE_ACROSS_1))[0];
}

INLINE void store_doubles(double *p, dvec v, int n) {
    if (n == DLANES) *(dvec_unaligned *)p = v;
    else
        for (int i = 0; i < n; i++) p[i] = v[i];
}
