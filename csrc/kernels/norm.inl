/*
 * Normalisation of each row (Ba, Kiros and Hinton 2016; Zhang and Sennrich 2019), and its way back.
 *
 * The sums of a row are taken in float64, in sixteen virtual lanes: column c goes to lane c % 16, in the order of c,
 * and one tree folds the lanes. So the ISA cannot be seen in the bits.
 */

enum { ROW_LANES = 16, ROW_VECTORS = ROW_LANES / DLANES };

enum row_sum_kind {
    PLAIN,   /* of a */
    SQUARES, /* of (a - mean)^2 */
    BOTH,    /* of a, and of a b */
};

typedef struct {
    dvec first[ROW_VECTORS], second[ROW_VECTORS]; /* of BOTH there are two */
} row_lanes;

/* Takes in a vector x of a and y of b. `kept`: the lanes that are columns, or NULL for all. */
INLINE void take_in(const int kind, row_lanes *lanes, const int i, dvec x, dvec y, double mean, const dwords *kept) {
    if (kind == SQUARES) {
        x -= dset(mean);
        if (kept) x = (dvec)((dwords)x & *kept);
        lanes->first[i] = dfma(x, x, lanes->first[i]);
    } else {
        lanes->first[i] += x;
        if (kind == BOTH) lanes->second[i] = dfma(x, y, lanes->second[i]);
    }
}

/* Columns [c, cols), at most sixteen of them, c being a multiple of that. */
INLINE void take_in_last(const int kind, row_lanes *lanes, mf_matrix a, mf_matrix b, int64_t r, int64_t c, int64_t cols,
                         double mean) {
    typedef dwords dwords_unaligned __attribute__((aligned(8), may_alias));
    static const int64_t mask[2 * ROW_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    const int64_t *from = mask + ROW_LANES - (cols - c);
    real x[ROW_LANES], y[ROW_LANES];
    UNROLL for (int i = 0; i < ROW_LANES; i += LANES) {
        vstore(x + i, load_columns(a, r, c + i, cols, 0));
        vstore(y + i, load_columns(b, r, c + i, cols, 0));
    }
    UNROLL for (int i = 0; i < ROW_VECTORS; i++) {
        const dwords kept = *(const dwords_unaligned *)(from + i * DLANES);
        take_in(kind, lanes, i, widen(x + i * DLANES), widen(y + i * DLANES), mean, &kept);
    }
}

INLINE double fold_row(dvec lanes[ROW_VECTORS]) {
    UNROLL for (int s = ROW_VECTORS / 2; s > 0; s /= 2)
        UNROLL for (int i = 0; i < s; i++) lanes[i] += lanes[i + s];
    return sum_of_lanes(lanes[0]);
}

/* A sum of row r, as the kind says, and of BOTH the second too. */
INLINE double sum_row(const int kind, mf_matrix a, mf_matrix b, int64_t r, int64_t cols, double mean, double *second) {
    enum { STEP = NR > ROW_LANES ? NR : ROW_LANES }; /* whole panels, and all lanes */
    row_lanes lanes = {0};
    int64_t c = 0;
    for (; c + STEP <= cols; c += STEP)
        UNROLL for (int p = 0; p < STEP; p += NR) {
            const real *x = at(a, r, c + p), *y = at(b, r, c + p);
            UNROLL for (int i = 0; i < NR; i += DLANES)
                take_in(kind, &lanes, (p + i) / DLANES % ROW_VECTORS, widen(x + i), widen(y + i), mean, NULL);
        }
    for (; c < cols; c += ROW_LANES)
        take_in_last(kind, &lanes, a, b, r, c, cols - c < ROW_LANES ? cols : c + ROW_LANES, mean);
    if (kind == BOTH) *second = fold_row(lanes.second);
    return fold_row(lanes.first);
}

enum { ROWS_TOGETHER = 16 }; /* a row is a long chain of steps; those of others fill its gaps */

static void normalise_rows(mf_matrix x, double epsilon, int centres, mf_matrix out, double *rsd, int64_t rows,
                           int64_t cols) {
    for (int64_t r0 = 0; r0 < rows; r0 += ROWS_TOGETHER) {
        const int64_t height = rows - r0 < ROWS_TOGETHER ? rows - r0 : ROWS_TOGETHER;
        double mean[ROWS_TOGETHER] = {0}, scale[ROWS_TOGETHER];
        for (int64_t r = 0; r < height && centres; r++) mean[r] = sum_row(PLAIN, x, x, r0 + r, cols, 0, NULL);
        for (int64_t r = 0; r < height; r++) mean[r] /= (double)cols;
        for (int64_t r = 0; r < height; r++) scale[r] = sum_row(SQUARES, x, x, r0 + r, cols, mean[r], NULL);
        for (int64_t r = 0; r < height; r++) scale[r] = 1 / sqrt(scale[r] / (double)cols + epsilon);
        for (int64_t r = 0; r < height; r++) {
            const vec k[3] = {vset((real)scale[r]), vset((real)mean[r])};
            affine_row(CENTRE, x, x, out, r0 + r, cols, k);
        }
        for (int64_t r = 0; r < height && rsd; r++) rsd[r0 + r] = scale[r];
    }
}

static void normalise_rows_back(mf_matrix dn, mf_matrix n, const double *rsd, int centres, mf_matrix out, int64_t rows,
                                int64_t cols) {
    for (int64_t r0 = 0; r0 < rows; r0 += ROWS_TOGETHER) {
        const int64_t height = rows - r0 < ROWS_TOGETHER ? rows - r0 : ROWS_TOGETHER;
        double mean[ROWS_TOGETHER], product_mean[ROWS_TOGETHER];
        for (int64_t r = 0; r < height; r++) mean[r] = sum_row(BOTH, dn, n, r0 + r, cols, 0, product_mean + r);
        for (int64_t r = 0; r < height; r++) {
            mean[r] = centres ? mean[r] / (double)cols : 0;
            product_mean[r] /= (double)cols;
        }
        for (int64_t r = 0; r < height; r++) {
            const vec k[3] = {vset((real)rsd[r0 + r]), vset((real)mean[r]), vset((real)product_mean[r])};
            affine_row(CENTRE_BACK, dn, n, out, r0 + r, cols, k);
        }
    }
}
