/*
 * Between row-major arrays and panels: packing, unpacking, and packing the transpose. Panelled sides are padded.
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

/* Shuffles are cheapest within pieces of 16 bytes, then of whole pieces. Lane i of one is lane ...(i) of its input. */
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
