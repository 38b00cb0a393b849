/*
 * One row through a layer: no panels, no packing; W is read once, without the rows that meet a zero of x.
 */

/* h[0:vectors * LANES] += sum over the listed i of x[i] * w[i * ld ...] */
INLINE void row_columns(const int vectors, const real *x, const real *w, int64_t ld, const int32_t *list, int64_t count,
                        real *h) {
    vec acc[16];
    UNROLL for (int v = 0; v < vectors; v++) acc[v] = vload(h + v * LANES);
    for (int64_t i = 0; i < count; i++) {
        const vec xi = vset(x[list[i]]);
        const real *row = w + list[i] * ld;
        UNROLL for (int v = 0; v < vectors; v++) acc[v] = vfma(xi, vload(row + v * LANES), acc[v]);
    }
    UNROLL for (int v = 0; v < vectors; v++) vstore(h + v * LANES, acc[v] + vset(0)); /* see gemm.inl */
}

/* The same for n columns, as many of them at once as the registers hold. */
static void row_block(const real *x, const real *w, int64_t ld, const int32_t *list, int64_t count, real *h,
                      int64_t n) {
    enum { MOST = MF_VECTOR_BYTES == 64 ? 16 : 8 };
    for (int64_t left = (n + LANES - 1) / LANES, now; left > 0; left -= now, w += now * LANES, h += now * LANES) {
        now = left >= MOST ? MOST : left >= 8 ? 8 : left;
        switch (now) {
        case 1: row_columns(1, x, w, ld, list, count, h); break;
        case 2: row_columns(2, x, w, ld, list, count, h); break;
        case 3: row_columns(3, x, w, ld, list, count, h); break;
        case 4: row_columns(4, x, w, ld, list, count, h); break;
        case 5: row_columns(5, x, w, ld, list, count, h); break;
        case 6: row_columns(6, x, w, ld, list, count, h); break;
        case 7: row_columns(7, x, w, ld, list, count, h); break;
        case 8: row_columns(8, x, w, ld, list, count, h); break;
        default: row_columns(MOST, x, w, ld, list, count, h);
        }
    }
}

/* The numbers i < n where x[i] is not zero. Returns how many. */
INLINE int64_t list_terms(const real *x, int32_t n, int32_t *list) {
    int64_t count = 0;
    int32_t i = 0;
#if defined(MF_ISA_AVX512)
    for (; i + LANES <= n; i += LANES) {
        const mask wanted = (mask)~vequal(vload(x + i), vset(0));
        const ivec numbers = lane_numbers_int() + vset_int(i);
#if defined(MF_F32)
        _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(wanted, (__m512i)numbers));
#else
        const __m256i words = _mm512_cvtepi64_epi32((__m512i)numbers);
        _mm256_storeu_si256((__m256i *)(list + count), _mm256_maskz_compress_epi32(wanted, words));
#endif
        count += __builtin_popcount(wanted);
    }
#endif
    for (; i < n; i++) {
        list[count] = i;
        count += x[i] != 0;
    }
    return count;
}

static void row_forward(const void *x, const void *w, const void *bias, void *h, int64_t k, int64_t n, int activation,
                        double alpha) {
    enum { LIST = 1024 };
    const real *left = x, *right = w, *b = bias;
    real *out = h;
    int32_t list[LIST];
    for (int64_t j = 0; j < n; j += LANES) vstore(out + j, b ? vload(b + j) : vset(0));
    for (int64_t i = 0; i < k; i += LIST) {
        const int64_t count = list_terms(left + i, (int32_t)(k - i < LIST ? k - i : LIST), list);
        row_block(left + i, right + i * n, n, list, count, out, n);
    }
    if (activation != MF_IDENTITY) activate_span(activation, alpha, out, out, (n + LANES - 1) / LANES * LANES);
}
