/*
 * Metrics of a row, in float64. Those that are a mean over elements run as losses without a derivative.
 */

static void mean_squared_error(double parameter, int64_t n, const real *restrict h, const real *restrict t,
                               double *restrict value, real *restrict derivative) {
    (void)parameter, (void)derivative;
    for (int64_t i = 0; i < n; i++) value[i] = ((double)h[i] - (double)t[i]) * ((double)h[i] - (double)t[i]);
}

static void mean_absolute_error(double parameter, int64_t n, const real *restrict h, const real *restrict t,
                                double *restrict value, real *restrict derivative) {
    (void)parameter, (void)derivative;
    for (int64_t i = 0; i < n; i++) value[i] = fabs((double)h[i] - (double)t[i]);
}

static void binary_accuracy(double threshold, int64_t n, const real *restrict h, const real *restrict t,
                            double *restrict value, real *restrict derivative) {
    (void)derivative;
    for (int64_t i = 0; i < n; i++) value[i] = ((double)h[i] > threshold) == ((double)t[i] > 0.5) ? 1.0 : 0.0;
}

/* The first column of the largest element, of at most 2^24 columns. As in numpy.argmax, NaN counts as the largest. */
INLINE int64_t row_argmax(mf_matrix m, int64_t r, int64_t cols) {
    const vec infinity = vset(INFINITY);
    vec largest[VIRTUAL], first[VIRTUAL];
    UNROLL for (int i = 0; i < VIRTUAL; i++) largest[i] = first[i] = -infinity;
    for (int64_t c = 0; c < cols; c += VIRTUAL * LANES)
        UNROLL for (int i = 0; i < VIRTUAL; i++) {
            const vec x = load_columns(m, r, c + i * LANES, cols, -INFINITY);
            largest[i] = vmax(largest[i], vselect(vequal(x, x), x, infinity));
        }
    const vec maximum = fold_lanes(MAXIMUM, largest);
    for (int64_t c = 0; c < cols; c += VIRTUAL * LANES)
        UNROLL for (int i = 0; i < VIRTUAL; i++) {
            const vec x = load_columns(m, r, c + i * LANES, cols, -INFINITY);
            const vec place = lane_numbers() + vset((real)(c + i * LANES));
            first[i] = vmax(first[i], vselect(vequal(vselect(vequal(x, x), x, infinity), maximum), -place, -infinity));
        }
    return (int64_t)-fold_lanes(MAXIMUM, first)[0];
}

static void accuracy(mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols, double *row_value) {
    const mf_matrix dense = {cols, NR, (void *)targets->dense};
    for (int64_t r = 0; r < rows; r++) {
        const int64_t label = targets->dense ? row_argmax(dense, data_row(targets, r), cols) : targets->labels[r];
        row_value[r] = row_argmax(out, r, cols) == label ? row_weight(targets, r) : 0;
    }
}

typedef void row_metric(mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols, double *row_value);

static void metric(int metric, double threshold, mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols,
                   double *row_value) {
#define METRIC_ROW(id, name, how) [MF_##id] = {.how = name},
    static const struct {
        element_loss *by_elements;
        row_metric *by_rows;
    } bodies[MF_METRICS] = {MF_EACH_METRIC(METRIC_ROW)};
    if (bodies[metric].by_rows)
        bodies[metric].by_rows(out, targets, rows, cols, row_value);
    else
        sum_elements(bodies[metric].by_elements, threshold, out, targets, (smoothing){1, 0}, rows, cols, (double)cols,
                     0, (mf_matrix){0}, row_value);
}
