/*
 * The products of a layer as the table has them: each by the way that suits its shape and its zeros.
 */

static void matmul_bias(mf_matrix h_in, mf_matrix w, mf_matrix z, mf_matrix h_out, int64_t rows, int64_t k, int64_t n,
                        int activation, double alpha, int skip_zeros) {
    const product p = {h_in, w, z, h_out, rows, k, n, activation, alpha};
    const int64_t j0 = skip_zeros ? product_by_groups(&p, FORWARD) : 0;
    if (is_padded(h_in)) product_from(&p, FORWARD, 1, j0);
    else product_from(&p, FORWARD, 0, j0);
}

static void propagate_delta(mf_matrix delta, mf_matrix wt, mf_matrix saved, mf_matrix out, int64_t rows, int64_t k,
                            int64_t n, int activation, double alpha, int skip_zeros) {
    const product p = {delta, wt, saved, out, rows, k, n, activation, alpha};
    product_from(&p, BACKWARD, 1, skip_zeros ? product_by_groups(&p, BACKWARD) : 0);
}

/* sums[0:n] = or += the sum over the rows of factor[r * NR] * columns[j0:j0+n], or of the columns if factor is NULL. */
INLINE void sum_columns(const real *factor, mf_matrix columns, real *sums, int64_t rows, int64_t j0, int64_t n,
                        int accumulates) {
    enum { PANELS = 2, TOGETHER = PANELS * VECTORS }; /* independent chains hide the latency of one */
    for (int64_t j = 0; j < n; j += PANELS * NR) {
        const real *panel[PANELS];
        vec sum[TOGETHER];
        UNROLL for (int p = 0; p < PANELS; p++) panel[p] = at(columns, 0, j0 + (j + p * NR < n ? j + p * NR : j));
        UNROLL for (int v = 0; v < TOGETHER; v++) {
            const int64_t left = n - j - v * LANES;
            sum[v] = vset(0);
            if (accumulates && left > 0) sum[v] = vload_n(sums + j + v * LANES, left < LANES ? (int)left : LANES);
        }
        for (int64_t r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < TOGETHER; v++) {
                const vec x = vload(panel[v / VECTORS] + r * NR + v % VECTORS * LANES);
                sum[v] = factor ? vfma(vset(factor[r * NR]), x, sum[v]) : sum[v] + x;
            }
        UNROLL for (int v = 0; v < TOGETHER; v++) {
            const int64_t left = n - j - v * LANES;
            if (left > 0) vstore_n(sums + j + v * LANES, sum[v] + vset(0), left < LANES ? (int)left : LANES);
        }
    }
}

static void bias_gradient(mf_matrix delta, void *g, int64_t rows, int64_t j0, int64_t nj, int accumulates) {
    sum_columns(NULL, delta, g, rows, j0, nj, accumulates);
}

static void weight_gradient(mf_matrix h_in, mf_matrix delta, void *g, int64_t ld, int64_t rows, int64_t i0, int64_t ni,
                            int64_t j0, int64_t nj, int accumulates, int skip_zeros, const mf_soon *soon,
                            int64_t count) {
    if (ld == 1) { /* one column would fill one lane; its inputs fill all. Too short to ask for anything meanwhile. */
        sum_columns(at(delta, 0, j0), h_in, g, rows, i0, ni, accumulates);
        return;
    }
    const int64_t tiles = (nj + NR - 1) / NR * ((ni + GRADIENT_HEIGHT - 1) / GRADIENT_HEIGHT);
    requests ahead = spread(soon, count, tiles * ((rows + STRETCH - 1) / STRETCH));
    for (int64_t i = 0; i < ni; i += NR) {
        const gradient p = {.h = at(h_in, 0, i0 + i),
                            .delta = at(delta, 0, j0),
                            .panel = delta.panel_stride,
                            .g = (real *)g + i * ld,
                            .ld = ld,
                            .rows = rows,
                            .ni = ni - i < NR ? ni - i : NR,
                            .nj = nj,
                            .accumulates = accumulates};
        gradient_from(&p, skip_zeros ? gradient_by_groups(&p, &ahead) : 0, &ahead);
    }
}
