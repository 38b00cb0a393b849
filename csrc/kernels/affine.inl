/*
 * What has a constant for each column: scaling and shifting, blending two values, and the gradients of such constants.
 * Constants stay in registers while all rows of their panel pass, or what is left of the columns, a vector at a time.
 */

/* --- out = f(a, b), elementwise, with up to three constants k --- */

enum affine_function {
    PRODUCT,     /* k0 a */
    PRODUCT_SUM, /* k0 a + k1 */
    BLEND,       /* a + k0 (b - a) */
    BLEND_BACK,  /* k1 a + k0 b, k1 being 1 - k0 */
    DIFFERENCE,  /* k0 (b - a) */
    CENTRE,      /* (a - k1) k0 */
    CENTRE_BACK, /* (a - k1 - k2 b) k0 */
};

INLINE vec affine(const int function, vec a, vec b, const vec k[3]) {
    switch (function) {
    case PRODUCT: return k[0] * a;
    case PRODUCT_SUM: return vfma(k[0], a, k[1]);
    case BLEND: return vfma(k[0], b - a, a);
    case BLEND_BACK: return vfma(k[0], b, k[1] * a);
    case DIFFERENCE: return k[0] * (b - a);
    case CENTRE: return (a - k[1]) * k[0];
    default: return vfma(-k[2], b, a - k[1]) * k[0];
    }
}

/* How many vectors of columns to take from c on: a whole panel, or one. */
INLINE int vectors_from(int64_t c, int64_t cols) { return cols - c >= NR ? VECTORS : 1; }

/* Of the vectors of columns from c on, as many as `vectors_from` says; constants of their own for each column. */
INLINE void column_strip(const int function, mf_matrix a, mf_matrix b, mf_matrix out, int64_t rows, int64_t c,
                         int64_t cols, const vec k[VECTORS][3]) {
    const real *x = at(a, 0, c), *y = at(b, 0, c);
    real *z = at(out, 0, c);
    if (vectors_from(c, cols) == VECTORS) {
        for (int64_t r = 0; r < rows; r++, x += a.row_stride, y += b.row_stride, z += out.row_stride)
            UNROLL for (int v = 0; v < VECTORS; v++)
                vstore(z + v * LANES, affine(function, vload(x + v * LANES), vload(y + v * LANES), k[v]));
    } else if (cols - c >= LANES || (is_padded(a) && is_padded(b) && is_padded(out))) {
        for (int64_t r = 0; r < rows; r++, x += a.row_stride, y += b.row_stride, z += out.row_stride)
            vstore(z, affine(function, vload(x), vload(y), k[0]));
    } else {
        const int n = (int)(cols - c);
        for (int64_t r = 0; r < rows; r++, x += a.row_stride, y += b.row_stride, z += out.row_stride)
            vstore_n(z, affine(function, vload_n(x, n), vload_n(y, n), k[0]), n);
    }
}

/* Of a row; the same constants for all columns. */
INLINE void affine_row(const int function, mf_matrix a, mf_matrix b, mf_matrix out, int64_t r, int64_t cols,
                       const vec k[3]) {
    int64_t c = 0;
    for (; c + NR <= cols; c += NR) {
        const real *x = at(a, r, c), *y = at(b, r, c);
        real *z = at(out, r, c);
        UNROLL for (int i = 0; i < NR; i += LANES) vstore(z + i, affine(function, vload(x + i), vload(y + i), k));
    }
    for (; c < cols; c += LANES)
        store_columns(out, r, c, cols,
                      affine(function, load_columns(a, r, c, cols, 0), load_columns(b, r, c, cols, 0), k));
}

static void scale_shift(mf_matrix x, const void *scale, const void *shift, mf_matrix out, int64_t rows, int64_t cols) {
    const real *factor = scale, *summand = shift;
    for (int64_t c = 0, vectors; c < cols; c += vectors * LANES) {
        vec k[VECTORS][3];
        vectors = vectors_from(c, cols);
        for (int v = 0; v < vectors; v++) {
            k[v][0] = factor ? vload(factor + c + v * LANES) : vset(1);
            if (shift) k[v][1] = vload(summand + c + v * LANES);
        }
        if (shift) column_strip(PRODUCT_SUM, x, x, out, rows, c, cols, k);
        else column_strip(PRODUCT, x, x, out, rows, c, cols, k);
    }
}

/* What takes two matrices and a constant of each column. */
INLINE void combine_columns(const int function, mf_matrix a, mf_matrix b, const void *constants, mf_matrix out,
                            int64_t rows, int64_t cols) {
    for (int64_t c = 0, vectors; c < cols; c += vectors * LANES) {
        vec k[VECTORS][3];
        vectors = vectors_from(c, cols);
        for (int v = 0; v < vectors; v++) k[v][0] = vload((const real *)constants + c + v * LANES);
        column_strip(function, a, b, out, rows, c, cols, k);
    }
}

static void blend(mf_matrix base, mf_matrix other, const void *alpha, mf_matrix out, int64_t rows, int64_t cols) {
    combine_columns(BLEND, base, other, alpha, out, rows, cols);
}

static void scale_difference(mf_matrix base, mf_matrix other, const void *scale, mf_matrix out, int64_t rows,
                             int64_t cols) {
    combine_columns(DIFFERENCE, base, other, scale, out, rows, cols);
}

static void blend_back(mf_matrix dz, mf_matrix df, const void *alpha, mf_matrix out, int64_t rows, int64_t cols) {
    for (int64_t c = 0, vectors; c < cols; c += vectors * LANES) {
        vec k[VECTORS][3];
        vectors = vectors_from(c, cols);
        for (int v = 0; v < vectors; v++) {
            k[v][0] = vload((const real *)alpha + c + v * LANES);
            k[v][1] = vset(1) - k[v][0];
        }
        column_strip(BLEND_BACK, dz, df, out, rows, c, cols, k);
    }
}

/* --- sums over rows, of a product with delta --- */

enum { PANELS_TOGETHER = 2, SUMS_TOGETHER = PANELS_TOGETHER * VECTORS }; /* chains that hide the latency of one */

/* g[0:n] = or += the sums over the rows of a delta or, where b has data, (b - a) delta, in the columns from c on.
 * `whole`: vectors may be read beyond the last of them; n is at most that of SUMS_TOGETHER vectors. */
INLINE void sum_products(const int whole, const int differs, mf_matrix a, mf_matrix b, mf_matrix delta, real *g,
                         int64_t rows, int64_t c, int64_t n, int accumulates) {
    const real *x[PANELS_TOGETHER], *y[PANELS_TOGETHER], *d[PANELS_TOGETHER];
    vec sum[SUMS_TOGETHER];
    int count[SUMS_TOGETHER];
    UNROLL for (int p = 0; p < PANELS_TOGETHER; p++) {
        const int64_t first = p * NR < n ? c + p * NR : c;
        x[p] = at(a, 0, first), y[p] = at(b, 0, first), d[p] = at(delta, 0, first);
    }
    UNROLL for (int v = 0; v < SUMS_TOGETHER; v++) {
        const int64_t left = n - v * LANES;
        count[v] = left >= LANES ? LANES : left > 0 ? (int)left : 0;
        sum[v] = accumulates ? vload_n(g + v * LANES, count[v]) : vset(0);
    }
    for (int64_t r = 0; r < rows; r++)
        UNROLL for (int v = 0; v < SUMS_TOGETHER; v++) {
            const int p = v / VECTORS, i = v % VECTORS * LANES, m = count[v];
            vec left = whole ? vload(x[p] + r * a.row_stride + i) : vload_n(x[p] + r * a.row_stride + i, m);
            if (differs)
                left = (whole ? vload(y[p] + r * b.row_stride + i) : vload_n(y[p] + r * b.row_stride + i, m)) - left;
            const real *right = d[p] + r * delta.row_stride + i;
            sum[v] = vfma(left, whole ? vload(right) : vload_n(right, m), sum[v]);
        }
    UNROLL for (int v = 0; v < SUMS_TOGETHER; v++) vstore_n(g + v * LANES, sum[v] + vset(0), count[v]);
}

INLINE void sum_all_products(const int differs, mf_matrix a, mf_matrix b, mf_matrix delta, real *g, int64_t rows,
                             int64_t j0, int64_t nj, int accumulates) {
    const int padded = is_padded(a) && is_padded(b) && is_padded(delta);
    for (int64_t j = 0; j < nj; j += PANELS_TOGETHER * NR) {
        const int64_t n = nj - j < PANELS_TOGETHER * NR ? nj - j : PANELS_TOGETHER * NR;
        if (padded || n == PANELS_TOGETHER * NR)
            sum_products(1, differs, a, b, delta, g + j, rows, j0 + j, n, accumulates);
        else sum_products(0, differs, a, b, delta, g + j, rows, j0 + j, n, accumulates);
    }
}

static void scale_gradient(mf_matrix x, mf_matrix delta, void *g, int64_t rows, int64_t j0, int64_t nj,
                           int accumulates) {
    sum_all_products(0, x, x, delta, g, rows, j0, nj, accumulates);
}

static void blend_gradient(mf_matrix base, mf_matrix other, mf_matrix delta, void *g, int64_t rows, int64_t j0,
                           int64_t nj, int accumulates) {
    sum_all_products(1, base, other, delta, g, rows, j0, nj, accumulates);
}

/* --- out = a + b --- */

static void add_span(real unused, const real *a, const real *b, real *out, int64_t n) {
    (void)unused;
    for (int64_t i = 0; i < n; i += LANES) vstore(out + i, vload(a + i) + vload(b + i));
}

static void add(mf_matrix a, mf_matrix b, mf_matrix out, int64_t rows, int64_t cols) {
    each_element(add_span, 0, a, b, out, rows, cols);
}
