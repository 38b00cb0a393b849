/*
 * Updates of the entries of a table that a batch has looked up, and of no other: what it costs does not depend on how
 * many entries there are.
 */

/* A column's entries as a share of the table has them: rows i0 to i0 + ni of it, and the optimizer's state of these. */
typedef struct {
    const real *codes; /* of row 0 */
    ptrdiff_t stride;
    int64_t first; /* the column's first entry, from i0 on */
    int64_t categories, unknown, ni, rows, units;
    int32_t *seen;
    real *state[4]; /* the table itself, then its slots */
} table_share;

/* The entry that a row looks up, or -1 where it is none of the share's. */
INLINE int64_t entry_of(const table_share *e, int64_t r) {
    const int64_t k = category(e->codes[r * e->stride], e->categories, e->unknown);
    return k >= 0 && e->first + k >= 0 && e->first + k < e->ni ? e->first + k : -1;
}

/* Entries come from anywhere in memory: what will be looked up some rows later is asked for. */
INLINE void ask_ahead(const table_share *e, int64_t r) {
    const int64_t entry = r + ROWS_AHEAD < e->rows ? entry_of(e, r + ROWS_AHEAD) : -1;
    if (entry < 0) return;
    __builtin_prefetch(e->seen + entry, 1);
    for (int s = 0; s < 3; s++) ask_for_entry(e->state[s] + entry * e->units, e->units, 1);
}

/* The row of an entry's first occurrence gets the sum over all, in columns to and on. `seen` says which row that is; or
 * it says an earlier batch's, in which this one has something else, or which is still to come: so nobody clears it. */
INLINE void sum_entries(const table_share *e, mf_matrix delta, int64_t from, mf_matrix sums, int64_t to) {
    for (int64_t r = 0; r < e->rows; r++) {
        const int64_t entry = entry_of(e, r);
        ask_ahead(e, r);
        if (entry < 0) continue;
        const int64_t old = e->seen[entry], first = old < r && entry_of(e, old) == entry ? old : r;
        e->seen[entry] = (int32_t)first;
        for (int64_t j = 0; j < e->units; j += LANES) {
            const int n = lanes_of(e->units - j);
            const vec before = first < r ? load_part(sums, first, to + j, n) : vset(0);
            store_part(sums, first, to + j, before + load_part(delta, r, from + j, n), n);
        }
    }
}

INLINE void update_entries(const table_share *e, const mf_update *rule, mf_matrix sums, int64_t to) {
    enum { AT_ONCE = 64 };
    for (int64_t r = 0; r < e->rows; r++) {
        const int64_t entry = entry_of(e, r);
        ask_ahead(e, r);
        if (entry < 0 || e->seen[entry] != r) continue;
        for (int64_t j = 0; j < e->units; j += AT_ONCE) {
            const int64_t n = e->units - j < AT_ONCE ? e->units - j : AT_ONCE, offset = entry * e->units + j;
            real g[AT_ONCE], *const *s = e->state;
            for (int64_t l = 0; l < n; l += LANES)
                store_some(g + l, load_part(sums, r, to + j + l, lanes_of(n - l)), lanes_of(n - l));
            update(rule, s[0] + offset, g, n, s[1] + offset, s[2] + offset, s[3] + offset, 1, n, n);
        }
    }
}

static void look_up_update(const mf_columns *part, int64_t categories, int64_t unknown, mf_matrix x, mf_matrix delta,
                           mf_matrix sums, int32_t *seen, int64_t rows, int64_t i0, int64_t ni, const mf_update *rule,
                           void *p, void *s0, void *s1, void *s2) {
    const int64_t units = part->width;
    for (int64_t i = i0 / categories; i * categories < i0 + ni; i++) {
        const table_share e = {.codes = at(x, 0, column_read(part, i)),
                               .stride = x.row_stride,
                               .first = i * categories - i0,
                               .categories = categories,
                               .unknown = unknown,
                               .ni = ni,
                               .rows = rows,
                               .units = units,
                               .seen = seen + i0,
                               .state = {p, s0, s1, s2}};
        sum_entries(&e, delta, part->first + i * units, sums, i * units);
        update_entries(&e, rule, sums, i * units);
    }
}
