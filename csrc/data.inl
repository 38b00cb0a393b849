/*
 * Between row-major arrays and panels: packing weights, gathering the rows of a batch. Panelled sides are padded.
 */

/* x * 0 is NaN where x is not finite, and NaN stays in a sum: one FMA a vector. */
INLINE vec check(vec x, vec sum) { return vfma(x, vset(0), sum); }

/* One row of n elements into panels; the rest of the last panel is zeroed. Returns `sum`, checked. */
INLINE vec pack_row(const real *in, int64_t n, real *out, ptrdiff_t panel_stride, vec sum) {
    for (; n >= NR; n -= NR, in += NR, out += panel_stride) {
        UNROLL for (int v = 0; v < NR; v += LANES) {
            const vec x = vload(in + v);
            sum = check(x, sum);
            vstore(out + v, x);
        }
    }
    if (n == 0) return sum;
    for (int v = 0; v < NR; v += LANES) {
        const int64_t left = n - v;
        const vec x = left >= LANES ? vload(in + v) : left > 0 ? vload_n(in + v, (int)left) : vset(0);
        sum = check(x, sum);
        vstore(out + v, x);
    }
    return sum;
}

static void pack(const void *w, int64_t ld, int64_t rows, int64_t cols, mf_matrix out) {
    for (int64_t r = 0; r < rows; r++)
        pack_row((const real *)w + r * ld, cols, (real *)out.data + r * out.row_stride, out.panel_stride, vset(0));
}

/* Not by store_columns(), which would find the place of a panel for `out` too: 2 % of a prediction of ten columns. */
static void unpack(mf_matrix in, int64_t rows, int64_t cols, void *out, int64_t ld) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t c = 0; c < cols; c += LANES) {
            real *to = (real *)out + r * ld + c;
            if (cols - c >= LANES) vstore(to, vload(at(in, r, c)));
            else vstore_n(to, vload(at(in, r, c)), (int)(cols - c));
        }
}

/* --- transposition, in square blocks of LANES --- */

#if defined(MF_ISA_AVX512)
#if defined(MF_F32)
#define PERMUTE(a, i, b) (vec) _mm512_permutex2var_ps((__m512)(a), (__m512i)(i), (__m512)(b))
#else
#define PERMUTE(a, i, b) (vec) _mm512_permutex2var_pd((__m512d)(a), (__m512i)(i), (__m512d)(b))
#endif

/* out (width, LANES) = the transpose of in (height, width), zero beyond the height. log2(LANES) butterflies: the one of
 * span s exchanges the off-diagonal s x s blocks of each 2s x 2s block. */
INLINE void transpose_block(const real *in, ptrdiff_t ld, int64_t height, int64_t width, real *out, ptrdiff_t out_ld) {
    vec row[LANES];
    if (height >= LANES && width >= LANES)
        UNROLL for (int i = 0; i < LANES; i++) row[i] = vload(in + i * ld);
    else
        UNROLL for (int i = 0; i < LANES; i++)
            row[i] = i < height ? vload_n(in + i * ld, width < LANES ? (int)width : LANES) : vset(0);
    UNROLL for (int s = 1; s < LANES; s *= 2) {
        const ivec lane = lane_numbers_int();
        const ivec low = lane + (((lane & s) != 0) & (LANES - s)), high = low + s; /* LANES + i: lane i of b */
        UNROLL for (int i = 0; i < LANES; i++) {
            if (i & s) continue;
            const vec a = row[i], b = row[i + s];
            row[i] = PERMUTE(a, low, b);
            row[i + s] = PERMUTE(a, high, b);
        }
    }
    UNROLL for (int i = 0; i < LANES; i++)
        if (i < width) vstore(out + i * out_ld, row[i]);
}
#else
INLINE void transpose_block(const real *in, ptrdiff_t ld, int64_t height, int64_t width, real *out, ptrdiff_t out_ld) {
    for (int i = 0; i < LANES && i < width; i++)
        for (int j = 0; j < LANES; j++) out[i * out_ld + j] = j < height ? in[j * ld + i] : 0;
}
#endif

static void pack_transposed(const void *w, int64_t ld, int64_t rows, int64_t cols, mf_matrix out) {
    const int64_t lanes = (rows + NR - 1) / NR * NR; /* the rest of the last panel is zeroed */
    for (int64_t r = 0; r < lanes; r += LANES)
        for (int64_t c = 0; c < cols; c += LANES)
            transpose_block((const real *)w + (r < rows ? r * ld : 0) + c, ld, rows - r, cols - c, at(out, c, r),
                            out.row_stride);
}

/* --- gather: shuffled rows of the data into the panels of a batch, cast and checked on the way --- */

INLINE real element(const void *source, int source_dtype, int64_t i) {
    switch (source_dtype) {
    case MF_FLOAT32: return (real)((const float *)source)[i];
    case MF_FLOAT64: return (real)((const double *)source)[i];
    default: return (real)((const uint8_t *)source)[i];
    }
}

/* Blocks of MR rows, panel by panel: writes are then contiguous, and the rows of a later block are asked for at the pace
 * of the work. They may come from anywhere in memory; and even if they follow each other, the hardware sees many streams. */
INLINE int gather_rows(const void *source, const int source_dtype, int64_t ld, const int64_t *index, int64_t rows,
                       int64_t known, int64_t cols, mf_matrix out) {
    const int64_t itemsize = source_dtype == MF_FLOAT32 ? 4 : source_dtype == MF_FLOAT64 ? 8 : 1;
    const int same = itemsize == (int64_t)sizeof(real);
    enum { AHEAD = 2 * MR }; /* rows */
    vec sum = vset(0);
    for (int64_t r0 = 0; r0 < rows; r0 += MR) {
        const int64_t block = rows - r0 < MR ? rows - r0 : MR;
        for (int64_t c = 0; c < cols; c += NR) {
            const int64_t width = cols - c < NR ? cols - c : NR;
            real *to = at(out, r0, c);
            for (int64_t r = 0; r < block; r++, to += NR) {
                const int64_t i = (index ? index[r0 + r] : r0 + r) * ld + c, ahead = r0 + r + AHEAD;
                if (ahead < known) {
                    const char *next = (const char *)source + ((index ? index[ahead] : ahead) * ld + c) * itemsize;
                    __builtin_prefetch(next);
                    if (NR * itemsize > 64) __builtin_prefetch(next + 64);
                }
                if (same) {
                    sum = pack_row((const real *)source + i, width, to, 0, sum);
                } else {
                    real cast[NR] = {0};
                    for (int l = 0; l < width; l++) cast[l] = element(source, source_dtype, i + l);
                    sum = pack_row(cast, NR, to, 0, sum);
                }
            }
            for (int64_t r = block; r < MR; r++, to += NR)
                UNROLL for (int v = 0; v < NR; v += LANES) vstore(to + v, vset(0));
        }
    }
    return mask_all(vequal(sum, vset(0)));
}

static int gather(const void *source, int source_dtype, int64_t ld, const int64_t *index, int64_t rows, int64_t known,
                  int64_t cols, mf_matrix out) {
    switch (source_dtype) {
    case MF_FLOAT32: return gather_rows(source, MF_FLOAT32, ld, index, rows, known, cols, out);
    case MF_FLOAT64: return gather_rows(source, MF_FLOAT64, ld, index, rows, known, cols, out);
    default: return gather_rows(source, MF_UINT8, ld, index, rows, known, cols, out);
    }
}

static int gather_csr(const void *values, int source_dtype, const void *columns, const void *offsets, int index64,
                      const int64_t *index, int64_t rows, int64_t cols, mf_matrix out) {
    const int64_t padded_rows = (rows + MR - 1) / MR * MR;
    real sum = 0;
    for (int64_t c = 0; c < cols; c += NR)
        for (int64_t r = 0; r < padded_rows; r++)
            UNROLL for (int v = 0; v < NR; v += LANES) vstore(at(out, r, c) + v, vset(0));
    for (int64_t r = 0; r < rows; r++) {
        const int64_t row = index ? index[r] : r;
        const int64_t begin = index64 ? ((const int64_t *)offsets)[row] : ((const int32_t *)offsets)[row];
        const int64_t end = index64 ? ((const int64_t *)offsets)[row + 1] : ((const int32_t *)offsets)[row + 1];
        for (int64_t i = begin; i < end; i++) {
            const int64_t c = index64 ? ((const int64_t *)columns)[i] : ((const int32_t *)columns)[i];
            const real value = element(values, source_dtype, i);
            *at(out, r, c) += value;
            sum += value * 0;
        }
    }
    return sum == 0;
}
