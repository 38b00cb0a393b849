/*
 * Metrics of a row, in float64. Those that are a mean over elements run as losses without a derivative.
 */

ELEMENT_LOSS(mean_squared_error, h) {
    for (int64_t i = 0; i < n; i++) value[i] = ((double)h[i] - (double)t[i]) * ((double)h[i] - (double)t[i]);
}

ELEMENT_LOSS(mean_absolute_error, h) {
    for (int64_t i = 0; i < n; i++) value[i] = fabs((double)h[i] - (double)t[i]);
}

ELEMENT_LOSS(binary_accuracy, h) {
    for (int64_t i = 0; i < n; i++) value[i] = ((double)h[i] > numbers[0]) == ((double)t[i] > 0.5) ? 1.0 : 0.0;
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

#define ROW_METRIC(name)                                                                                               \
    static void name(UNUSED double threshold, mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols,    \
                     double *row_value)

ROW_METRIC(accuracy) {
    const mf_matrix dense = {cols, NR, (void *)targets->dense};
    for (int64_t r = 0; r < rows; r++) {
        const int64_t label = targets->dense ? row_argmax(dense, data_row(targets, r), cols) : targets->labels[r];
        row_value[r] = row_argmax(out, r, cols) == label ? row_weight(targets, r) : 0;
    }
}

/* Of ordered classes: the class is as many as there are outputs that say that it is above them. */
ROW_METRIC(ordinal_accuracy) {
    for (int64_t r = 0; r < rows; r++) {
        int64_t above = 0;
        for (int64_t c = 0; c < cols; c++) above += (double)*at(out, r, c) > threshold;
        row_value[r] = above == targets->labels[r] ? row_weight(targets, r) : 0;
    }
}

typedef void row_metric(double threshold, mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols,
                        double *row_value);

static void metric(int metric, double threshold, mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols,
                   double *row_value) {
#define METRIC_ROW(id, name, how) [MF_##id] = {.how = name},
    static const struct {
        element_loss *by_elements;
        row_metric *by_rows;
    } bodies[MF_METRICS] = {MF_EACH_METRIC(METRIC_ROW)};
    const mf_loss_options options = {.numbers = {threshold}};
    if (bodies[metric].by_rows)
        bodies[metric].by_rows(threshold, out, targets, rows, cols, row_value);
    else
        sum_elements(bodies[metric].by_elements, &options, out, targets, (smoothing){1, 0}, rows, cols, (double)cols,
                     0, (mf_matrix){0}, row_value);
}
