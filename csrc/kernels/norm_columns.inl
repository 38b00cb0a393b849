/*
 * Normalisation of each column over the rows of a batch (Ioffe and Szegedy 2015), and its way back. Every column is
 * summed in float64, over the rows in their order.
 */

enum { SUM_PANELS = sizeof(real) / 4, PANEL_VECTORS = NR / DLANES, CHAINS = SUM_PANELS * PANEL_VECTORS };

/* Columns [c, c + n), n at most SUM_PANELS * NR, of a matrix. */
typedef struct {
    const real *panel[SUM_PANELS];
    ptrdiff_t stride;
    int count[CHAINS]; /* columns of each vector */
} chains;

INLINE chains chains_at(mf_matrix m, int64_t c, int64_t n) {
    chains x = {.stride = m.row_stride};
    UNROLL for (int p = 0; p < SUM_PANELS; p++) x.panel[p] = at(m, 0, p * NR < n ? c + p * NR : c);
    UNROLL for (int i = 0; i < CHAINS; i++) {
        const int64_t left = n - i * DLANES;
        x.count[i] = left >= DLANES ? DLANES : left > 0 ? (int)left : 0;
    }
    return x;
}

/* `whole`: vectors may be read beyond the last column. */
INLINE dvec chain(const chains *x, const int whole, int64_t r, const int i) {
    const real *p = x->panel[i / PANEL_VECTORS] + r * x->stride + i % PANEL_VECTORS * DLANES;
    return whole ? widen(p) : widen_n(p, x->count[i]);
}

INLINE void moments_of(const int whole, chains x, int64_t rows, double *mean, double *variance) {
    dvec sum[CHAINS] = {0}, squares[CHAINS] = {0};
    for (int64_t r = 0; r < rows; r++)
        UNROLL for (int i = 0; i < CHAINS; i++) sum[i] += chain(&x, whole, r, i);
    UNROLL for (int i = 0; i < CHAINS; i++) sum[i] /= dset((double)rows);
    for (int64_t r = 0; r < rows; r++)
        UNROLL for (int i = 0; i < CHAINS; i++) {
            const dvec d = chain(&x, whole, r, i) - sum[i];
            squares[i] = dfma(d, d, squares[i]);
        }
    UNROLL for (int i = 0; i < CHAINS; i++) {
        store_doubles(mean + i * DLANES, sum[i], x.count[i]);
        store_doubles(variance + i * DLANES, squares[i] / dset((double)rows), x.count[i]);
    }
}

static void column_moments(mf_matrix x, int64_t rows, int64_t j0, int64_t nj, double *mean, double *variance) {
    for (int64_t j = 0; j < nj; j += SUM_PANELS * NR) {
        const int64_t n = nj - j < SUM_PANELS * NR ? nj - j : SUM_PANELS * NR;
        if (is_padded(x) || n == SUM_PANELS * NR) moments_of(1, chains_at(x, j0 + j, n), rows, mean + j, variance + j);
        else moments_of(0, chains_at(x, j0 + j, n), rows, mean + j, variance + j);
    }
}

INLINE void sums_of(const int whole, chains x, chains y, int64_t rows, double *sum, double *product_sum) {
    dvec plain[CHAINS] = {0}, product[CHAINS] = {0};
    for (int64_t r = 0; r < rows; r++)
        UNROLL for (int i = 0; i < CHAINS; i++) {
            const dvec d = chain(&x, whole, r, i);
            plain[i] += d;
            product[i] = dfma(d, chain(&y, whole, r, i), product[i]);
        }
    UNROLL for (int i = 0; i < CHAINS; i++) {
        store_doubles(sum + i * DLANES, plain[i], x.count[i]);
        store_doubles(product_sum + i * DLANES, product[i], x.count[i]);
    }
}

static void column_sums(mf_matrix delta, mf_matrix n, int64_t rows, int64_t j0, int64_t nj, double *sum,
                        double *product_sum) {
    const int padded = is_padded(delta) && is_padded(n);
    for (int64_t j = 0; j < nj; j += SUM_PANELS * NR) {
        const int64_t width = nj - j < SUM_PANELS * NR ? nj - j : SUM_PANELS * NR;
        const chains x = chains_at(delta, j0 + j, width), y = chains_at(n, j0 + j, width);
        if (padded || width == SUM_PANELS * NR) sums_of(1, x, y, rows, sum + j, product_sum + j);
        else sums_of(0, x, y, rows, sum + j, product_sum + j);
    }
}

/* --- elementwise: the constants of LANES columns are made once for all rows; of n of them, the others are zero --- */

INLINE vec reciprocal_deviations(const double *variance, double epsilon, const real *scale, int n) {
    real k[LANES] = {0};
    for (int i = 0; i < n; i++) k[i] = (real)((scale ? (double)scale[i] : 1.0) / sqrt(variance[i] + epsilon));
    return vload(k);
}

INLINE vec quotients(const double *x, double divisor, int n) {
    real k[LANES] = {0};
    for (int i = 0; i < n; i++) k[i] = (real)(x[i] / divisor);
    return vload(k);
}

static void normalise_columns(mf_matrix x, const double *mean, const double *variance, double epsilon, mf_matrix out,
                              int64_t rows, int64_t cols) {
    for (int64_t c = 0, vectors; c < cols; c += vectors * LANES) {
        vec k[VECTORS][3];
        vectors = vectors_from(c, cols);
        for (int v = 0; v < vectors; v++) {
            const int64_t first = c + v * LANES;
            const int n = cols - first < LANES ? (int)(cols - first) : LANES;
            k[v][0] = reciprocal_deviations(variance + first, epsilon, NULL, n);
            k[v][1] = quotients(mean + first, 1, n);
        }
        column_strip(CENTRE, x, x, out, rows, c, cols, k);
    }
}

static void normalise_columns_back(mf_matrix delta, mf_matrix n, const void *scale, const double *variance,
                                   double epsilon, const double *sum, const double *product_sum, double count,
                                   mf_matrix out, int64_t rows, int64_t cols) {
    for (int64_t c = 0, vectors; c < cols; c += vectors * LANES) {
        vec k[VECTORS][3];
        vectors = vectors_from(c, cols);
        for (int v = 0; v < vectors; v++) {
            const int64_t first = c + v * LANES;
            const int width = cols - first < LANES ? (int)(cols - first) : LANES;
            const real *factors = scale ? (const real *)scale + first : NULL;
            k[v][0] = reciprocal_deviations(variance + first, epsilon, factors, width);
            if (sum) {
                k[v][1] = quotients(sum + first, count, width);
                k[v][2] = quotients(product_sum + first, count, width);
            }
        }
        if (sum) column_strip(CENTRE_BACK, delta, n, out, rows, c, cols, k);
        else column_strip(PRODUCT, delta, delta, out, rows, c, cols, k);
    }
}
