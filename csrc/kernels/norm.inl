/*
 * Normalisation of each row (Ba, Kiros and Hinton 2016; Zhang and Sennrich 2019), and its way back.
 *
 * The sums of a row are taken in float64, in sixteen virtual lanes: column c goes to lane c % 16, in the order of c,
 * and one tree folds the lanes. So the ISA cannot be seen in the bits.
 */

enum { ROW_LANES = 16, ROW_VECTORS = ROW_LANES / DLANES };

/* Columns [c, c + 16) of a row, zeros beyond the last one. c is a multiple of 16. */
INLINE void load_wide(mf_matrix m, int64_t r, int64_t c, int64_t cols, dvec x[ROW_VECTORS]) {
    real last[ROW_LANES];
    const real *p = at(m, r, c);
    if (cols - c < ROW_LANES) {
        UNROLL for (int i = 0; i < ROW_LANES; i += LANES) vstore(last + i, load_columns(m, r, c + i, cols, 0));
        p = last;
    } else if (NR < ROW_LANES) { /* in several panels */
        UNROLL for (int i = 0; i < ROW_VECTORS; i++) x[i] = widen(at(m, r, c + i * DLANES));
        return;
    }
    UNROLL for (int i = 0; i < ROW_VECTORS; i++) x[i] = widen(p + i * DLANES);
}

/* x with zeros for the columns from `cols` on, c being the first of it. */
INLINE void clear_beyond(int64_t c, int64_t cols, dvec x[ROW_VECTORS]) {
    typedef int64_t words __attribute__((vector_size(MF_VECTOR_BYTES), aligned(8), may_alias));
    static const int64_t kept[2 * ROW_LANES] = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    if (cols - c >= ROW_LANES) return;
    const int64_t *from = kept + ROW_LANES - (cols - c);
    UNROLL for (int i = 0; i < ROW_VECTORS; i++)
        x[i] = (dvec)((words)x[i] & *(const words *)(from + i * DLANES));
}

/* Lane i takes in lane i + s, for s = 8, 4, 2, 1. */
INLINE double fold_wide(dvec lanes[ROW_VECTORS]) {
    UNROLL for (int s = ROW_VECTORS / 2; s > 0; s /= 2)
        UNROLL for (int i = 0; i < s; i++) lanes[i] += lanes[i + s];
    double l[DLANES];
    memcpy(l, lanes, sizeof l);
    UNROLL for (int s = DLANES / 2; s > 0; s /= 2)
        UNROLL for (int i = 0; i < s; i++) l[i] += l[i + s];
    return l[0];
}

INLINE double row_sum_of(mf_matrix m, int64_t r, int64_t cols) {
    dvec lanes[ROW_VECTORS] = {0}, x[ROW_VECTORS];
    for (int64_t c = 0; c < cols; c += ROW_LANES) {
        load_wide(m, r, c, cols, x);
        UNROLL for (int i = 0; i < ROW_VECTORS; i++) lanes[i] += x[i];
    }
    return fold_wide(lanes);
}

/* The sum of (x - mean)^2. */
INLINE double row_squares(mf_matrix m, int64_t r, int64_t cols, double mean) {
    dvec lanes[ROW_VECTORS] = {0}, x[ROW_VECTORS];
    for (int64_t c = 0; c < cols; c += ROW_LANES) {
        load_wide(m, r, c, cols, x);
        UNROLL for (int i = 0; i < ROW_VECTORS; i++) x[i] -= dset(mean);
        clear_beyond(c, cols, x);
        UNROLL for (int i = 0; i < ROW_VECTORS; i++) lanes[i] = dfma(x[i], x[i], lanes[i]);
    }
    return fold_wide(lanes);
}

static void normalise_rows(mf_matrix x, double epsilon, int centres, mf_matrix out, double *rsd, int64_t rows,
                           int64_t cols) {
    for (int64_t r0 = 0; r0 < rows; r0 += GROUP) { /* a row's chain of steps is long; those of others fill the gaps */
        const int64_t height = rows - r0 < GROUP ? rows - r0 : GROUP;
        double mean[GROUP] = {0}, scale[GROUP];
        for (int64_t r = 0; r < height && centres; r++) mean[r] = row_sum_of(x, r0 + r, cols) / (double)cols;
        for (int64_t r = 0; r < height; r++) scale[r] = row_squares(x, r0 + r, cols, mean[r]);
        for (int64_t r = 0; r < height; r++) scale[r] = 1 / sqrt(scale[r] / (double)cols + epsilon);
        for (int64_t r = 0; r < height; r++)
            for (int64_t c = 0; c < cols; c += LANES) {
                const vec centred = load_columns(x, r0 + r, c, cols, 0) - vset((real)mean[r]);
                store_columns(out, r0 + r, c, cols, centred * vset((real)scale[r]));
            }
        if (rsd) memcpy(rsd + r0, scale, (size_t)height * sizeof *scale);
    }
}

/* The means of dn and of dn * n. */
INLINE void row_means(mf_matrix dn, mf_matrix n, int64_t r, int64_t cols, double *mean, double *product_mean) {
    dvec sum[ROW_VECTORS] = {0}, products[ROW_VECTORS] = {0}, x[ROW_VECTORS], y[ROW_VECTORS];
    for (int64_t c = 0; c < cols; c += ROW_LANES) {
        load_wide(dn, r, c, cols, x);
        load_wide(n, r, c, cols, y);
        UNROLL for (int i = 0; i < ROW_VECTORS; i++) sum[i] += x[i];
        UNROLL for (int i = 0; i < ROW_VECTORS; i++) products[i] = dfma(x[i], y[i], products[i]);
    }
    *mean = fold_wide(sum) / (double)cols;
    *product_mean = fold_wide(products) / (double)cols;
}

static void normalise_rows_back(mf_matrix dn, mf_matrix n, const double *rsd, int centres, mf_matrix out, int64_t rows,
                                int64_t cols) {
    for (int64_t r0 = 0; r0 < rows; r0 += GROUP) {
        const int64_t height = rows - r0 < GROUP ? rows - r0 : GROUP;
        double mean[GROUP], product_mean[GROUP];
        for (int64_t r = 0; r < height; r++) row_means(dn, n, r0 + r, cols, mean + r, product_mean + r);
        for (int64_t r = 0; r < height; r++) {
            const vec shift = vset(centres ? (real)mean[r] : 0), factor = vset((real)-product_mean[r]);
            const vec scale = vset((real)rsd[r0 + r]);
            for (int64_t c = 0; c < cols; c += LANES) {
                const vec centred = load_columns(dn, r0 + r, c, cols, 0) - shift;
                store_columns(out, r0 + r, c, cols, vfma(factor, load_columns(n, r0 + r, c, cols, 0), centred) * scale);
            }
        }
    }
}
