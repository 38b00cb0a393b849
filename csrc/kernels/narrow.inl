/*
 * Narrow rows side by side: LANES rows of at most NARROW columns, one vector for each column. A narrow row leaves lanes
 * empty, and its steps wait for one another; columns fill the lanes and are independent.
 * The results are those of softmax.inl, to the bit: virtual lanes and their tree are the same.
 */
enum { NARROW = 16 };

typedef struct {
    real column[NARROW][LANES] __attribute__((aligned(MF_VECTOR_BYTES))); /* beyond the last column: zeros */
} side_by_side;

/* Whether the next LANES of `rows` rows can be taken so. */
INLINE int fits_side_by_side(mf_matrix in, mf_matrix out, int64_t rows, int64_t cols) {
    return rows >= LANES && cols <= NARROW && is_padded(in) && is_padded(out);
}

/* Rows [r0, r0 + LANES) */
INLINE void load_rows(mf_matrix m, int64_t r0, int64_t cols, side_by_side *b) {
    for (int64_t c = 0; c < cols; c += LANES)
        transpose_block(at(m, r0, c), m.row_stride, LANES, LANES, b->column[c], LANES);
    UNROLL for (int64_t c = 0; c < NARROW; c++)
        if (c >= cols) vstore(b->column[c], vset(0)); /* not a loop from cols on: GCC would call memset() */
}

INLINE void store_rows(const side_by_side *b, mf_matrix m, int64_t r0, int64_t cols) {
    for (int64_t c = 0; c < cols; c += LANES)
        transpose_block(b->column[c], LANES, LANES, LANES, at(m, r0, c), m.row_stride);
}

/* z <- exp(z - max z) in each row. Returns the sums. */
INLINE vec exponentials_of(side_by_side *z, int64_t cols, vec *maximum) {
    vec most = vload(z->column[0]), lanes[VIRTUAL_LANES];
    for (int64_t c = 1; c < cols; c++) most = vmax(most, vload(z->column[c]));
    for (int64_t c = 0; c < cols; c++) vstore(z->column[c], exp_or_zero(vload(z->column[c]) - most));
    UNROLL for (int c = 0; c < VIRTUAL_LANES; c++) lanes[c] = vload(z->column[c]);
    UNROLL for (int c = VIRTUAL_LANES; c < NARROW; c++)
        lanes[c % VIRTUAL_LANES] = lanes[c % VIRTUAL_LANES] + vload(z->column[c]);
    UNROLL for (int s = VIRTUAL_LANES / 2; s > 0; s /= 2)
        UNROLL for (int i = 0; i < s; i++) lanes[i] = lanes[i] + lanes[i + s];
    *maximum = most;
    return lanes[0];
}
