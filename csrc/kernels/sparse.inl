/*
 * The products of a layer whose left side is CSR rows: over the stored entries, in time and memory in proportion to
 * them.
 * An element of a product is one accumulator that runs over k in order, from which terms with a zero factor may be left
 * out (see gemm.inl): a row's entries by ascending columns, and for the gradient a column's by ascending rows, give the
 * bits of the dense product. W is read where it lies, row-major: its rows are few of many, and packing would touch all.
 *
 * The gradient's tiles are bands of columns of x. A chunk's entries are sorted by band, in one pass that counts them
 * and one that places them: those of a band stay in the order of the rows, and a tile finds its own in one piece.
 *
 * The arrays are the caller's, who may change them at any time. So whoever reads an offset or a column looks at it,
 * each time: nothing beyond the arrays is read or written, and what is wrong is an mf_status.
 */

/* Entries of a row that are taken at a time, on the stack. Asking for their rows of W ahead of time gains nothing:
 * these do not depend on each other, so the processor runs ahead to the next ones by itself. */
enum { LISTED = 256 };

typedef struct {
    int64_t column[LISTED];
    real value[LISTED];
} entries;

/* The entries [i, i + n), n <= LISTED, of a row whose columns ascend from `last` + 1 on.
 * One that does not is column 0. */
INLINE int list_entries(const mf_csr *x, int64_t i, int64_t n, int64_t columns, int64_t last, entries *list) {
    int status = MF_OK;
    real not_finite = 0; /* becomes NaN */
    for (int64_t j = 0; j < n; j++) {
        const int64_t column = index_at(x->columns, x->index64, i + j);
        const real value = element(x->values, x->dtype, i + j);
        const int fits = column > last && column < columns;
        list->column[j] = fits ? column : 0;
        list->value[j] = value;
        not_finite += value * 0;
        if (!fits) status = MF_OUT_OF_RANGE;
        else last = column;
    }
    return not_finite == 0 ? status : status | MF_NOT_FINITE;
}

/* z[0:vectors * LANES] += sum over the entries of value * w[column * ld ...], z being a row's part of panels */
INLINE void add_entries(const int vectors, const entries *list, int64_t n, const real *w, int64_t ld, real *z,
                        ptrdiff_t panel) {
    vec acc[16];
    UNROLL for (int v = 0; v < vectors; v++) acc[v] = vload(z + v / VECTORS * panel + v % VECTORS * LANES);
    for (int64_t i = 0; i < n; i++) {
        const vec value = vset(list->value[i]);
        const real *row = w + list->column[i] * ld;
        UNROLL for (int v = 0; v < vectors; v++) acc[v] = vfma(value, vload(row + v * LANES), acc[v]);
    }
    UNROLL for (int v = 0; v < vectors; v++) vstore(z + v / VECTORS * panel + v % VECTORS * LANES, acc[v] + vset(0));
}

/* The same for n columns, as many of them at once as the registers hold. */
static void add_row(const entries *list, int64_t count, const real *w, int64_t ld, real *z, ptrdiff_t panel,
                    int64_t n) {
    enum { MOST = MF_VECTOR_BYTES == 64 ? 16 : 8 };
    _Static_assert(MOST % VECTORS == 0 && 8 % VECTORS == 0, "whole panels");
    for (int64_t left = (n + LANES - 1) / LANES, now; left > 0;
         left -= now, w += now * LANES, z += now / VECTORS * panel) {
        now = left >= MOST ? MOST : left >= 8 ? 8 : left;
        switch (now) {
        case 1: add_entries(1, list, count, w, ld, z, panel); break;
        case 2: add_entries(2, list, count, w, ld, z, panel); break;
        case 3: add_entries(3, list, count, w, ld, z, panel); break;
        case 4: add_entries(4, list, count, w, ld, z, panel); break;
        case 5: add_entries(5, list, count, w, ld, z, panel); break;
        case 6: add_entries(6, list, count, w, ld, z, panel); break;
        case 7: add_entries(7, list, count, w, ld, z, panel); break;
        case 8: add_entries(8, list, count, w, ld, z, panel); break;
        default: add_entries(MOST, list, count, w, ld, z, panel);
        }
    }
}

static int matmul_bias_csr(const mf_csr *x, const int64_t *index, int64_t rows, int64_t k, const void *w,
                           const void *bias, mf_matrix z, int64_t n) {
    const real *b = bias;
    int status = MF_OK;
    for (int64_t r = 0; r < rows; r++) {
        int64_t begin, end, last = -1;
        status |= find_entries(x, index ? index[r] : r, &begin, &end);
        for (int64_t j = 0; j < n; j += LANES) vstore(at(z, r, j), b ? vload(b + j) : vset(0));
        do { /* once at least: a sum ends with + 0 */
            entries list;
            const int64_t count = end - begin < LISTED ? end - begin : LISTED;
            status |= list_entries(x, begin, count, k, last, &list);
            add_row(&list, count, w, n, at(z, r, 0), z.panel_stride, n);
            if (count > 0) last = list.column[count - 1];
            begin += count;
        } while (begin < end);
    }
    return status;
}

/* --- the gradient: entries by bands --- */

static int count_csr(const mf_csr *x, const int64_t *index, int64_t rows, int64_t columns, const mf_bands *bands) {
    int status = MF_OK;
    for (int64_t r = 0; r < rows; r++) {
        int64_t begin, end;
        status |= find_entries(x, index[r], &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const int64_t column = index_at(x->columns, x->index64, i);
            if ((uint64_t)column < (uint64_t)columns) bands->ends[(uint64_t)column / (uint64_t)bands->width]++;
            else status = MF_OUT_OF_RANGE;
        }
    }
    return status;
}

static int place_csr(const mf_csr *x, const int64_t *index, int64_t first, int64_t rows, int64_t columns,
                     const mf_bands *bands) {
    int status = MF_OK;
    for (int64_t r = 0; r < rows; r++) {
        int64_t begin, end;
        status |= find_entries(x, index[r], &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const uint64_t column = (uint64_t)index_at(x->columns, x->index64, i);
            const uint64_t band = column / (uint64_t)bands->width;
            if (column >= (uint64_t)columns || bands->ends[band] == bands->starts[band + 1]) {
                status = MF_OUT_OF_RANGE; /* not what was counted */
                continue;
            }
            const int64_t place = bands->ends[band]++;
            bands->rows[place] = (int32_t)(first + r);
            bands->columns[place] = (int32_t)(column - band * (uint64_t)bands->width);
            ((real *)bands->values)[place] = element(x->values, x->dtype, i);
        }
    }
    return status;
}

/* g[0:n] += value * delta[0:n], delta being a row's part of panels */
INLINE void add_scaled(real *g, vec value, const real *delta, ptrdiff_t panel, int64_t n) {
    int64_t j = 0;
    for (; j + NR <= n; j += NR, delta += panel)
        UNROLL for (int v = 0; v < NR; v += LANES)
            vstore(g + j + v, vfma(value, vload(delta + v), vload(g + j + v)) + vset(0));
    for (; j + LANES <= n; j += LANES, delta += LANES)
        vstore(g + j, vfma(value, vload(delta), vload(g + j)) + vset(0));
    const int left = (int)(n - j);
    if (left > 0) vstore_n(g + j, vfma(value, vload(delta), vload_n(g + j, left)) + vset(0), left);
}

static void weight_gradient_csr(const mf_bands *x, mf_matrix delta, void *g, int64_t ld, int64_t i0, int64_t ni,
                                int64_t j0, int64_t nj, int accumulates, const mf_soon *soon, int64_t count) {
    const int64_t first = i0 / x->width, bands = (ni + x->width - 1) / x->width;
    requests ahead = spread(soon, count, x->starts[first + bands] - x->starts[first] + 1);
    ask(&ahead);
    for (int64_t i = 0; i < ni && !accumulates; i++) memset((real *)g + i * ld, 0, (size_t)nj * sizeof(real));
    for (int64_t band = 0; band < bands; band++) {
        real *to = (real *)g + band * x->width * ld;
        for (int64_t e = x->starts[first + band]; e < x->starts[first + band + 1]; e++) {
            ask(&ahead);
            add_scaled(to + x->columns[e] * ld, vset(((const real *)x->values)[e]), at(delta, x->rows[e], j0),
                       delta.panel_stride, nj);
        }
    }
}
