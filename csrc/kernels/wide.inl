/*
 * Float64 beside the table's dtype: vectors of doubles, for sums in which a float32 would lose digits.
 */

typedef double dvec __attribute__((vector_size(MF_VECTOR_BYTES)));
typedef double dvec_unaligned __attribute__((vector_size(MF_VECTOR_BYTES), aligned(sizeof(double)), may_alias));
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

/* p[0:DLANES] as doubles */
INLINE dvec widen(const real *p) {
#if defined(MF_F32)
    typedef float half __attribute__((vector_size(MF_VECTOR_BYTES / 2), aligned(sizeof(float)), may_alias));
    return __builtin_convertvector(*(const half *)p, dvec);
#else
    return *(const dvec_unaligned *)p;
#endif
}

/* The first n lanes, 0 <= n <= DLANES; the others are zero, and no memory of theirs is touched. */
INLINE dvec widen_n(const real *p, int n) {
    dvec v = {0};
    for (int i = 0; i < n; i++) v[i] = (double)p[i];
    return v;
}

INLINE void store_doubles(double *p, dvec v, int n) {
    if (n == DLANES) *(dvec_unaligned *)p = v;
    else
        for (int i = 0; i < n; i++) p[i] = v[i];
}
