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

/* The last columns apart, since most networks have no others. */
static void unpack(mf_matrix in, int64_t rows, int64_t cols, void *out, int64_t ld) {
    const int64_t whole = cols / LANES * LANES;
    for (int64_t r = 0; r < rows && whole > 0; r++)
        for (int64_t c = 0; c < whole; c += LANES) vstore((real *)out + r * ld + c, vload(at(in, r, c)));
    if (whole == cols) return;
    const real *from = at(in, 0, whole);
    for (int64_t r = 0; r < rows; r++)
        vstore_n((real *)out + r * ld + whole, vload(from + r * in.row_stride), (int)(cols - whole));
}

/* --- transposition, in square blocks of LANES --- */

/* Shuffles are cheapest within pieces of 16 bytes, then of whole pieces. Lane i of one is lane ...(i) of its vectors. */
#define PIECE ((int)(16 / sizeof(real)))
#define LOW_ONES(i) ((i) / PIECE * PIECE + (i) % PIECE / 2 + (i) % 2 * LANES)
#define HIGH_ONES(i) (LOW_ONES(i) + PIECE / 2)
#define LOW_TWOS(i) ((i) / PIECE * PIECE + (i) % 2 + (i) % PIECE / 2 * LANES)
#define HIGH_TWOS(i) (LOW_TWOS(i) + 2)
#define EVEN_PIECES(i) ((i) / PIECE * 2 * PIECE + (i) % PIECE)
#define ODD_PIECES(i) (EVEN_PIECES(i) + PIECE)

/* First each square of pieces, one below the other, then the matrix of pieces. */
INLINE void transpose(vec row[LANES]) {
    vec pair[LANES];
    UNROLL for (int i = 0; i < LANES; i += 2) {
        pair[i] = SHUFFLE(row[i], row[i + 1], LOW_ONES);
        pair[i + 1] = SHUFFLE(row[i], row[i + 1], HIGH_ONES);
    }
#if defined(MF_F32)
    UNROLL for (int i = 0; i < LANES; i += 4) UNROLL for (int j = 0; j < 2; j++) {
        row[i + 2 * j] = SHUFFLE(pair[i + j], pair[i + 2 + j], LOW_TWOS);
        row[i + 2 * j + 1] = SHUFFLE(pair[i + j], pair[i + 2 + j], HIGH_TWOS);
    }
#else
    UNROLL for (int i = 0; i < LANES; i++) row[i] = pair[i];
#endif
    UNROLL for (int s = PIECE; s < LANES; s *= 2) UNROLL for (int half = 0; half < LANES / 2; half++) {
        const int i = half + half / s * s; /* without the bit s */
        const vec a = row[i], b = row[i + s];
        row[i] = SHUFFLE(a, b, EVEN_PIECES);
        row[i + s] = SHUFFLE(a, b, ODD_PIECES);
    }
}

/* out (width, LANES) = the transpose of in (height, width), zero beyond the height. */
INLINE void transpose_block(const real *in, ptrdiff_t ld, int64_t height, int64_t width, real *out, ptrdiff_t out_ld) {
    vec row[LANES];
    if (height >= LANES && width >= LANES)
        UNROLL for (int i = 0; i < LANES; i++) row[i] = vload(in + i * ld);
    else
        UNROLL for (int i = 0; i < LANES; i++)
            row[i] = i < height ? vload_n(in + i * ld, width < LANES ? (int)width : LANES) : vset(0);
    transpose(row);
    UNROLL for (int i = 0; i < LANES; i++)
        if (i < width) vstore(out + i * out_ld, row[i]);
}

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
    return mask_all(vequal(sum, vset(0))) ? MF_OK : MF_NOT_FINITE;
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
                      int64_t stored, const int64_t *index, int64_t rows, int64_t cols, mf_matrix out) {
    const int64_t padded_rows = (rows + MR - 1) / MR * MR;
    real not_finite = 0; /* becomes NaN */
    int status = MF_OK;
    for (int64_t c = 0; c < cols; c += NR)
        for (int64_t r = 0; r < padded_rows; r++)
            UNROLL for (int v = 0; v < NR; v += LANES) vstore(at(out, r, c) + v, vset(0));
    for (int64_t r = 0; r < rows; r++) {
        const int64_t row = index ? index[r] : r;
        const int64_t begin = index64 ? ((const int64_t *)offsets)[row] : ((const int32_t *)offsets)[row];
        const int64_t end = index64 ? ((const int64_t *)offsets)[row + 1] : ((const int32_t *)offsets)[row + 1];
        const int inside = 0 <= begin && begin <= end && end <= stored;
        if (!inside) status = MF_OUT_OF_RANGE;
        for (int64_t i = begin; i < end && inside; i++) {
            const int64_t c = index64 ? ((const int64_t *)columns)[i] : ((const int32_t *)columns)[i];
            const real value = element(values, source_dtype, i);
            if ((uint64_t)c >= (uint64_t)cols) {
                status = MF_OUT_OF_RANGE;
                break;
            }
            real *sum_of_duplicates = at(out, r, c);
            *sum_of_duplicates += value;
            not_finite += *sum_of_duplicates * 0;
        }
    }
    return not_finite == 0 ? status : status | MF_NOT_FINITE;
}
