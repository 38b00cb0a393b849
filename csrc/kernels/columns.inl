/*
 * Columns of a table, each of which becomes some columns of another matrix: copied, or as codes of categories. The
 * others that are read or written may begin anywhere in a panel.
 */

/* --- n <= LANES columns from c on, of one row: they may be in two panels --- */

INLINE int in_first_panel(int64_t c, int n) {
    const int64_t room = NR - (int64_t)((uint64_t)c % NR);
    return n < room ? n : (int)room;
}

INLINE vec load_some(const real *p, int n) { return n == LANES ? vload(p) : vload_n(p, n); }

INLINE void store_some(real *p, vec v, int n) {
    if (n == LANES) vstore(p, v);
    else vstore_n(p, v, n);
}

INLINE vec load_part(mf_matrix m, int64_t r, int64_t c, int n) {
    const int first = in_first_panel(c, n);
    if (first == n) return load_some(at(m, r, c), n);
    real both[LANES];
    vstore_n(both, vload_n(at(m, r, c), first), first);
    vstore_n(both + first, vload_n(at(m, r, c + first), n - first), n - first);
    return vload_n(both, n);
}

INLINE void store_part(mf_matrix m, int64_t r, int64_t c, vec v, int n) {
    const int first = in_first_panel(c, n);
    if (first == n) {
        store_some(at(m, r, c), v, n);
        return;
    }
    real both[LANES];
    vstore(both, v);
    vstore_n(at(m, r, c), vload_n(both, first), first);
    vstore_n(at(m, r, c + first), vload_n(both + first, n - first), n - first);
}

INLINE int lanes_of(int64_t left) { return left < LANES ? (int)left : LANES; }

INLINE int64_t column_read(const mf_columns *part, int64_t i) { return part->columns ? part->columns[i] : i; }

/* --- sums over rows of a number times a vector, each in the order of the rows --- */

/* sum[0:n] = or += the sum of factor * number * vector */
typedef struct {
    const real *number, *vector;
    ptrdiff_t number_stride, vector_stride; /* from row to row */
    real factor;
    int n;
    vec sum;
} scaled_sum;

enum { SUMS_AT_ONCE = 8 }; /* chains that hide the latency of one */

INLINE void sum_rows(const int whole, scaled_sum *sums, int64_t rows) {
    vec sum[SUMS_AT_ONCE];
    UNROLL for (int s = 0; s < SUMS_AT_ONCE; s++) sum[s] = sums[s].sum;
    for (int64_t r = 0; r < rows; r++)
        UNROLL for (int s = 0; s < SUMS_AT_ONCE; s++) {
            const real *p = sums[s].vector + r * sums[s].vector_stride;
            const vec v = whole ? vload(p) : vload_n(p, sums[s].n);
            sum[s] = vfma(vset(sums[s].number[r * sums[s].number_stride] * sums[s].factor), v, sum[s]);
        }
    UNROLL for (int s = 0; s < SUMS_AT_ONCE; s++) sums[s].sum = sum[s];
}

/* `count` of them, at most SUMS_AT_ONCE. */
static void take_sums(scaled_sum *sums, int count, int64_t rows) {
    int whole = 1;
    for (int s = 0; s < count; s++) whole &= sums[s].n == LANES;
    for (int s = count; s < SUMS_AT_ONCE; s++) sums[s] = sums[0];
    if (whole) sum_rows(1, sums, rows);
    else sum_rows(0, sums, rows);
}

typedef struct {
    int64_t i0, ni, j0, nj, ld;
    real *g; /* of element (i0, j0) */
    int accumulates;
} part_tile;

/* Of a tensor with a row for each column of the part: sums of delta or, where x has data, of factor * x * delta. */
static void part_gradient(const mf_columns *part, real factor, mf_matrix x, mf_matrix delta, int64_t rows,
                          const part_tile *tile) {
    static const real one = 1;
    scaled_sum sums[SUMS_AT_ONCE];
    real *to[SUMS_AT_ONCE];
    int count = 0;
    for (int64_t i = 0; i < tile->ni; i++)
        for (int64_t j = 0, n; j < tile->nj; j += n) {
            const int64_t c = part->first + (tile->i0 + i) * part->width + tile->j0 + j;
            n = in_first_panel(c, lanes_of(tile->nj - j));
            to[count] = tile->g + i * tile->ld + j;
            sums[count] = (scaled_sum){.number = x.data ? at(x, 0, column_read(part, tile->i0 + i)) : &one,
                                       .vector = at(delta, 0, c),
                                       .number_stride = x.data ? x.row_stride : 0,
                                       .vector_stride = delta.row_stride,
                                       .factor = factor,
                                       .n = (int)n,
                                       .sum = tile->accumulates ? vload_n(to[count], (int)n) : vset(0)};
            if (++count < SUMS_AT_ONCE && !(i == tile->ni - 1 && j + n == tile->nj)) continue;
            take_sums(sums, count, rows);
            for (int s = 0; s < count; s++) vstore_n(to[s], sums[s].sum, sums[s].n);
            count = 0;
        }
}

/* --- copies --- */

static void copy_columns(const mf_columns *part, mf_matrix x, mf_matrix out, int64_t rows) {
    for (int64_t i = 0, n; i < part->n; i += n) {
        const int64_t from = column_read(part, i), to = part->first + i;
        const int most = in_first_panel(from, in_first_panel(to, lanes_of(part->n - i)));
        for (n = 1; n < most && column_read(part, i + n) == from + n; n++) {}
        const real *p = at(x, 0, from);
        real *q = at(out, 0, to);
        if (n == 1)
            for (int64_t r = 0; r < rows; r++) q[r * out.row_stride] = p[r * x.row_stride];
        else
            for (int64_t r = 0; r < rows; r++)
                store_some(q + r * out.row_stride, load_some(p + r * x.row_stride, (int)n), (int)n);
    }
}

/* --- codes of categories --- */

/* Entries of a large table come from anywhere in memory: they are asked for so many rows ahead. */
enum { ROWS_AHEAD = 12 };

/* Asks for an entry. Half a vector is read as a vector with a mask, which waits for the other half's cache line too. */
INLINE void ask_for_entry(const real *entry, int64_t units, const int written) {
    const real *last = entry + (units > LANES ? units : LANES) - 1;
    if (written) __builtin_prefetch(entry, 1), __builtin_prefetch(last, 1);
    else __builtin_prefetch(entry, 0), __builtin_prefetch(last, 0);
}

/* The category of a code, or `unknown` where it is none of these. */
INLINE int64_t category(real code, int64_t categories, int64_t unknown) {
    if (!(code >= 0 && code < (real)categories)) return unknown;
    const int64_t whole = (int64_t)code;
    return (real)whole == code ? whole : unknown;
}

static void clear_part(const mf_columns *part, mf_matrix out, int64_t rows) {
    const int64_t end = part->first + part->n * part->width;
    for (int64_t c = part->first, n; c < end; c += n) {
        n = in_first_panel(c, lanes_of(end - c));
        real *p = at(out, 0, c);
        for (int64_t r = 0; r < rows; r++) store_some(p + r * out.row_stride, vset(0), (int)n);
    }
}

/* The one of a code, among a row's zeros. Returns an mf_status. */
INLINE int set_one(const mf_columns *part, int64_t i, real code, int64_t unknown, mf_matrix out, int64_t r) {
    const int64_t k = category(code, part->width, unknown);
    if (k >= 0) *at(out, r, part->first + i * part->width + k) = 1;
    return k == MF_BAD_IF_UNKNOWN ? MF_BAD_CODE : MF_OK;
}

static int one_hot(const mf_columns *part, int64_t unknown, mf_matrix x, mf_matrix out, int64_t rows) {
    int status = MF_OK;
    clear_part(part, out, rows);
    for (int64_t i = 0; i < part->n; i++) {
        const real *codes = at(x, 0, column_read(part, i));
        for (int64_t r = 0; r < rows; r++) status |= set_one(part, i, codes[r * x.row_stride], unknown, out, r);
    }
    return status;
}

/* A row's number in a column, 0 where it is not stored, of entries [begin, end) whose columns ascend. */
INLINE real stored_number(const mf_csr *x, int64_t begin, int64_t end, int64_t column) {
    while (begin < end) {
        const int64_t middle = begin + (end - begin) / 2, found = index_at(x->columns, x->index64, middle);
        if (found == column) return element(x->values, x->dtype, middle);
        if (found < column) begin = middle + 1;
        else end = middle;
    }
    return 0;
}

static int one_hot_csr(const mf_columns *part, int64_t unknown, const mf_csr *x, const int64_t *index, mf_matrix out,
                       int64_t rows, int64_t columns) {
    int status = MF_OK;
    real not_finite = 0; /* becomes NaN */
    clear_part(part, out, rows);
    for (int64_t r = 0; r < rows; r++) {
        int64_t begin, end, last = -1;
        status |= find_entries(x, index ? index[r] : r, &begin, &end);
        for (int64_t e = begin; e < end; e++) {
            const int64_t column = index_at(x->columns, x->index64, e);
            if (column <= last || column >= columns) status |= MF_OUT_OF_RANGE;
            last = column;
            not_finite += element(x->values, x->dtype, e) * 0;
        }
        for (int64_t i = 0; i < part->n; i++)
            status |= set_one(part, i, stored_number(x, begin, end, column_read(part, i)), unknown, out, r);
    }
    return not_finite == 0 ? status : status | MF_NOT_FINITE;
}

static int look_up(const mf_columns *part, int64_t categories, int64_t unknown, const void *table, mf_matrix x,
                   mf_matrix out, int64_t rows) {
    const int64_t units = part->width;
    int status = MF_OK;
    for (int64_t i = 0; i < part->n; i++) {
        const real *codes = at(x, 0, column_read(part, i)), *entries = (const real *)table + i * categories * units;
        for (int64_t r = 0; r < rows; r++) {
            int64_t k = category(codes[r * x.row_stride], categories, unknown);
            if (k < 0) k = 0, status = MF_BAD_CODE;
            if (r + ROWS_AHEAD < rows) {
                const int64_t next = category(codes[(r + ROWS_AHEAD) * x.row_stride], categories, 0);
                ask_for_entry(entries + next * units, units, 0);
            }
            for (int64_t j = 0; j < units; j += LANES) {
                const int n = lanes_of(units - j);
                store_part(out, r, part->first + i * units + j, load_some(entries + k * units + j, n), n);
            }
        }
    }
    return status;
}

/* Whoever has the tile walks all rows, so that nobody has to wait for, or to sort, what others found. */
static void look_up_gradient(const mf_columns *part, int64_t categories, int64_t unknown, mf_matrix x, mf_matrix delta,
                             int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, void *gradient, int64_t ld,
                             int accumulates) {
    real *g = gradient;
    for (int64_t i = 0; i < ni && !accumulates; i++) memset(g + i * ld, 0, (size_t)nj * sizeof(real));
    for (int64_t i = i0 / categories; i * categories < i0 + ni; i++) {
        const real *codes = at(x, 0, column_read(part, i));
        for (int64_t r = 0; r < rows; r++) {
            const int64_t k = category(codes[r * x.row_stride], categories, unknown);
            const int64_t entry = i * categories + k - i0;
            if (k < 0 || entry < 0 || entry >= ni) continue;
            for (int64_t j = 0; j < nj; j += LANES) {
                const int n = lanes_of(nj - j);
                real *sum = g + entry * ld + j;
                const vec d = load_part(delta, r, part->first + i * part->width + j0 + j, n);
                store_some(sum, load_some(sum, n) + d, n);
            }
        }
    }
}
