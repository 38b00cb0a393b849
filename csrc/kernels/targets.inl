/*
 * What a model's outputs are compared with, and float64 sums of a row.
 */

INLINE int64_t data_row(const mf_targets *targets, int64_t r) { return targets->rows ? targets->rows[r] : r; }

INLINE double row_weight(const mf_targets *targets, int64_t r) {
    return targets->weights ? targets->weights[data_row(targets, r)] : 1;
}

/* Label smoothing: t <- keep * t + spread */
typedef struct {
    real keep, spread;
} smoothing;

INLINE smoothing smooth_over(const mf_targets *targets, int64_t classes) {
    return (smoothing){(real)(1 - targets->smoothing), (real)(targets->smoothing / (double)classes)};
}

/* Columns [c, c + LANES) of row r; zeros beyond the last one. A label stands for its one-hot row;
 * of ordered classes, for ones in the columns below it. */
INLINE vec target_columns(const mf_targets *targets, smoothing s, int64_t r, int64_t c, int64_t cols) {
    const vec column = lane_numbers() + vset((real)c);
    vec t;
    if (targets->dense)
        t = load_columns((mf_matrix){cols, NR, (void *)targets->dense}, data_row(targets, r), c, cols, 0);
    else {
        const vec label = vset((real)targets->labels[r]);
        t = vselect(targets->ordered ? vless(column, label) : vequal(column, label), vset(1), vset(0));
    }
    return vselect(vless(column, vset((real)cols)), vfma(t, vset(s.keep), vset(s.spread)), vset(0));
}

/* --- float64 sums of a row --- */

typedef struct {
    dvec lanes[VIRTUAL]; /* eight doubles: column c is in lane c % 8 */
} row_sum;

/* The columns x[0:n], n a multiple of 8, the first of them column 0, 8, 16, ... */
INLINE void add_columns(row_sum *sum, const double *x, int64_t n) {
    row_sum s = *sum;
    for (int64_t c = 0; c < n; c += 8)
        UNROLL for (int i = 0; i < VIRTUAL; i++) s.lanes[i] += *(const dvec_unaligned *)(x + c + i * DLANES);
    *sum = s;
}

/* The sum of all, with the last n < 8 columns x[0:n]. */
INLINE double finish_sum(const row_sum *sum, const double *x, int64_t n) {
    double l[8];
    memcpy(l, sum, sizeof l);
    for (int64_t i = 0; i < n; i++) l[i] += x[i];
    return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}
