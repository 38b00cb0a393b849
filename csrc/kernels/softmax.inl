/*
 * Softmax and its kin.
 *
 * Sums and maxima of a row run in 64 bytes of virtual lanes, VIRTUAL native vectors of them: column c goes to lane c
 * modulo their number, in the order of c, and one tree folds the lanes. So the ISA cannot be seen in the bits. Beyond
 * the last column stands the operation's neutral element.
 */

/* --- lanes --- */

#define ACROSS_8(i) ((i) ^ 8) % VECTOR_WORDS
#define ACROSS_4(i) ((i) ^ 4) % VECTOR_WORDS
#define ACROSS_2(i) ((i) ^ 2) % VECTOR_WORDS
#define ACROSS_1(i) ((i) ^ 1)

enum fold { SUM, MAXIMUM };

INLINE vec combine(const int fold, vec a, vec b) { return fold == SUM ? a + b : vmax(a, b); }

/* The virtual lanes folded: lane i takes in lane i + s, for s = half of them ... 1. The result is in every lane. */
INLINE vec fold_lanes(const int fold, vec lanes[VIRTUAL]) {
    UNROLL for (int s = VIRTUAL / 2; s > 0; s /= 2)
        UNROLL for (int i = 0; i < s; i++) lanes[i] = combine(fold, lanes[i], lanes[i + s]);
    vec v = lanes[0];
    if (LANES > 8) v = combine(fold, v, SHUFFLE(v, v, ACROSS_8));
    if (LANES > 4) v = combine(fold, v, SHUFFLE(v, v, ACROSS_4));
    if (LANES > 2) v = combine(fold, v, SHUFFLE(v, v, ACROSS_2));
    return combine(fold, v, SHUFFLE(v, v, ACROSS_1));
}

/* --- columns [c, c + LANES) of a row; c is a multiple of LANES, and some of them may lie beyond the last column --- */

INLINE vec load_columns(mf_matrix m, int64_t r, int64_t c, int64_t cols, real beyond) {
    const int64_t n = cols - c;
    if (n >= LANES) return vload(at(m, r, c));
    if (n <= 0) return vset(beyond);
    const vec v = is_padded(m) ? vload(at(m, r, c)) : vload_n(at(m, r, c), (int)n);
    return vselect(vless(lane_numbers(), vset((real)n)), v, vset(beyond));
}

INLINE void store_columns(mf_matrix m, int64_t r, int64_t c, int64_t cols, vec v) {
    const int64_t n = cols - c;
    if (n >= LANES || (n > 0 && is_padded(m))) vstore(at(m, r, c), v);
    else if (n > 0) vstore_n(at(m, r, c), v, (int)n);
}

/* --- the softmax family. One row's maximum, exponentials, sum and reciprocal are a long chain of dependent steps; so
 *     each step is taken for a group of rows. --- */

enum { GROUP = 32 };

/* `narrow` tells the compiler that a row fits the virtual lanes, so that its loops over columns vanish. */
INLINE int64_t last_step(int64_t cols, const int narrow) { return narrow ? 1 : cols; }

/* The largest of each row. A NaN may or may not come through here; it does come through what follows. */
INLINE void row_maxima(mf_matrix z, int64_t r0, int64_t height, int64_t cols, real maximum[GROUP], const int narrow) {
    for (int64_t r = 0; r < height; r++) {
        vec lanes[VIRTUAL];
        UNROLL for (int i = 0; i < VIRTUAL; i++) lanes[i] = vset(-INFINITY);
        for (int64_t c = 0; c < last_step(cols, narrow); c += VIRTUAL_LANES)
            UNROLL for (int i = 0; i < VIRTUAL; i++)
                lanes[i] = vmax(lanes[i], load_columns(z, r0 + r, c + i * LANES, cols, -INFINITY));
        maximum[r] = fold_lanes(MAXIMUM, lanes)[0];
    }
}

/* e = exp(z - maximum), unless e has no data, and each row's sum; ones follow, to complete a vector. e may be z. */
INLINE void row_exponentials(mf_matrix z, mf_matrix e, int64_t r0, int64_t height, int64_t cols,
                             const real maximum[GROUP], real sum[GROUP], const int narrow) {
    for (int64_t r = 0; r < height; r++) {
        vec lanes[VIRTUAL];
        UNROLL for (int i = 0; i < VIRTUAL; i++) lanes[i] = vset(0);
        for (int64_t c0 = 0; c0 < last_step(cols, narrow); c0 += VIRTUAL_LANES)
            UNROLL for (int i = 0; i < VIRTUAL; i++) {
                const int64_t c = c0 + i * LANES;
                if (c >= cols) break;
                const vec x = exp_or_zero(load_columns(z, r0 + r, c, cols, -INFINITY) - vset(maximum[r]));
                if (e.data) store_columns(e, r0 + r, c, cols, x);
                lanes[i] = lanes[i] + x;
            }
        sum[r] = fold_lanes(SUM, lanes)[0];
    }
    for (int64_t r = height; r % LANES != 0; r++) sum[r] = 1;
}

/* `blocks` of LANES rows, at most two: they do not wait for one another, as the steps of a block do. */
INLINE void softmax_side_by_side(mf_matrix z, mf_matrix h, int64_t r0, const int blocks, int64_t cols) {
    side_by_side b[2];
    vec maximum, scale[2];
    for (int i = 0; i < blocks; i++) load_rows(z, r0 + i * LANES, cols, &b[i]);
    for (int i = 0; i < blocks; i++) scale[i] = vset(1) / exponentials_of(&b[i], cols, &maximum);
    for (int i = 0; i < blocks; i++)
        for (int64_t c = 0; c < cols; c++) vstore(b[i].column[c], vload(b[i].column[c]) * scale[i]);
    for (int i = 0; i < blocks; i++) store_rows(&b[i], h, r0 + i * LANES, cols);
}

INLINE void softmax_group(mf_matrix z, mf_matrix h, int64_t r0, int64_t height, int64_t cols, const int narrow) {
    real maximum[GROUP], sum[GROUP], scale[GROUP];
    row_maxima(z, r0, height, cols, maximum, narrow);
    row_exponentials(z, h, r0, height, cols, maximum, sum, narrow);
    for (int64_t r = 0; r < height; r += LANES) vstore(scale + r, vset(1) / vload(sum + r));
    for (int64_t r = 0; r < height; r++)
        for (int64_t c0 = 0; c0 < last_step(cols, narrow); c0 += VIRTUAL_LANES)
            UNROLL for (int i = 0; i < VIRTUAL; i++) {
                const int64_t c = c0 + i * LANES;
                store_columns(h, r0 + r, c, cols, load_columns(h, r0 + r, c, cols, 0) * vset(scale[r]));
            }
}

static void softmax(mf_matrix z, mf_matrix h, int64_t rows, int64_t cols) {
    int64_t r = 0;
    for (; fits_side_by_side(z, h, rows - r - LANES, cols); r += 2 * LANES) softmax_side_by_side(z, h, r, 2, cols);
    for (; fits_side_by_side(z, h, rows - r, cols); r += LANES) softmax_side_by_side(z, h, r, 1, cols);
    for (; r < rows; r += GROUP) {
        const int64_t height = rows - r < GROUP ? rows - r : GROUP;
        if (cols <= VIRTUAL_LANES) softmax_group(z, h, r, height, cols, 1);
        else softmax_group(z, h, r, height, cols, 0);
    }
}

/* z - max z - log sum exp(z - max z) */
static void log_softmax(mf_matrix z, mf_matrix h, int64_t rows, int64_t cols) {
    const mf_matrix nowhere = {0};
    for (int64_t r0 = 0; r0 < rows; r0 += GROUP) {
        const int64_t height = rows - r0 < GROUP ? rows - r0 : GROUP;
        real maximum[GROUP], sum[GROUP], log_sum[GROUP];
        row_maxima(z, r0, height, cols, maximum, 0);
        row_exponentials(z, nowhere, r0, height, cols, maximum, sum, 0);
        for (int64_t r = 0; r < height; r += LANES) vstore(log_sum + r, vlog(vload(sum + r)));
        for (int64_t r = 0; r < height; r++)
            for (int64_t c = 0; c < cols; c += LANES) {
                const vec shifted = load_columns(z, r0 + r, c, cols, 0) - vset(maximum[r]);
                store_columns(h, r0 + r, c, cols, shifted - vset(log_sum[r]));
            }
    }
}

/* out = v J, J = diag(s) - s s^T being the Jacobian: s * (v - <v, s>) */
static void softmax_jvp(mf_matrix s, mf_matrix v, mf_matrix out, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        vec lanes[VIRTUAL];
        UNROLL for (int i = 0; i < VIRTUAL; i++) lanes[i] = vset(0);
        for (int64_t c = 0; c < cols; c += VIRTUAL_LANES)
            UNROLL for (int i = 0; i < VIRTUAL; i++)
                lanes[i] = vfma(load_columns(v, r, c + i * LANES, cols, 0), load_columns(s, r, c + i * LANES, cols, 0),
                                lanes[i]);
        const vec dot = fold_lanes(SUM, lanes);
        for (int64_t c = 0; c < cols; c += LANES)
            store_columns(out, r, c, cols, load_columns(s, r, c, cols, 0) * (load_columns(v, r, c, cols, 0) - dot));
    }
}
