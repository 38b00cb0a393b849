/*
 * Metrics of a row, in float64. Those that are a mean over elements run as losses without a derivative.
 */

ELEMENT_LOSS(mean_squared_error, h) {
    for (int64_t i = 0; i < n; i++) value[i] = ((double)h[i] - (double)t[i]) * ((double)h[i] - (double)t[i]);
}

ELEMENT_LOSS(mean_absolute_error, h) {
    for (int64_t i = 0; i < n; i++) value[i] = fabs((double)h[i] - (double)t[i]);
}

ELEMENT_LOSS(mean_absolute_percentage_error, h) {
    for (int64_t i = 0; i < n; i++) {
        const double size = fabs((double)t[i]);
        value[i] = fabs((double)h[i] - (double)t[i]) / (size > 0x1p-52 ? size : 0x1p-52); /* as in scikit-learn */
    }
}

ELEMENT_LOSS(pinball, h) { quantile(numbers + 1, NULL, n, h, t, value, derivative); }

/* Of probabilities; those below the dtype's roundoff count as that. */
INLINE vec minus_log(vec p) { return -vlog(vmax(vset(sizeof(real) == 4 ? REAL(0x1p-23) : REAL(0x1p-52)), p)); }

ELEMENT_LOSS(binary_log_loss, h) {
    for (int64_t i = 0; i < n; i += LANES) {
        real of_yes[LANES], of_no[LANES];
        vstore(of_yes, minus_log(vload(h + i)));
        vstore(of_no, minus_log(vset(1) - vload(h + i)));
        for (int l = 0; l < LANES; l++)
            value[i + l] = (double)t[i + l] * (double)of_yes[l] + (1 - (double)t[i + l]) * (double)of_no[l];
    }
}

ELEMENT_LOSS(log_loss_of_class, h) {
    for (int64_t i = 0; i < n; i += LANES) {
        real of_class[LANES];
        vstore(of_class, minus_log(vload(h + i)));
        for (int l = 0; l < LANES; l++) value[i + l] = (double)t[i + l] * (double)of_class[l];
    }
}

/* numbers[0]: the threshold of yes */
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
    static void name(UNUSED const double *numbers, mf_matrix out, const mf_targets *targets, int64_t rows,             \
                     int64_t cols, double *row_value)

INLINE int64_t row_label(const mf_targets *targets, int64_t r, int64_t cols) {
    if (!targets->dense) return targets->labels[r];
    return row_argmax((mf_matrix){cols, NR, (void *)targets->dense}, data_row(targets, r), cols);
}

ROW_METRIC(accuracy) {
    for (int64_t r = 0; r < rows; r++)
        row_value[r] = row_argmax(out, r, cols) == row_label(targets, r, cols) ? row_weight(targets, r) : 0;
}

/* numbers[1]: k. Of equal outputs, the first counts as larger, as in row_argmax(). */
ROW_METRIC(top_k) {
    for (int64_t r = 0; r < rows; r++) {
        const int64_t label = row_label(targets, r, cols);
        const real score = *at(out, r, label);
        int64_t larger = 0;
        for (int64_t c = 0; c < cols; c++) larger += *at(out, r, c) > score || (*at(out, r, c) == score && c < label);
        row_value[r] = (double)larger < numbers[1] && score == score ? row_weight(targets, r) : 0;
    }
}

/* Sums over the classes */
ROW_METRIC(log_loss) {
    sum_elements(log_loss_of_class, &(mf_loss_options){0}, out, targets, (smoothing){1, 0}, rows, cols, 1, 0,
                 (mf_matrix){0}, row_value);
}

ROW_METRIC(brier) {
    sum_elements(mean_squared_error, &(mf_loss_options){0}, out, targets, (smoothing){1, 0}, rows, cols, 1, 0,
                 (mf_matrix){0}, row_value);
}

/* Of ordered classes: the class is as many as there are outputs that say that it is above them. */
ROW_METRIC(ordinal_accuracy) {
    for (int64_t r = 0; r < rows; r++) {
        int64_t above = 0;
        for (int64_t c = 0; c < cols; c++) above += (double)*at(out, r, c) > numbers[0];
        row_value[r] = above == targets->labels[r] ? row_weight(targets, r) : 0;
    }
}

typedef void row_metric(const double *numbers, mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols,
                        double *row_value);

static void metric(int metric, double threshold, double number, mf_matrix out, const mf_targets *targets, int64_t rows,
                   int64_t cols, double *row_value) {
#define METRIC_ROW(id, name, how) [MF_##id] = {.how = name},
    static const struct {
        element_loss *by_elements;
        row_metric *by_rows;
    } bodies[MF_METRICS] = {MF_EACH_METRIC(METRIC_ROW)};
    const mf_loss_options options = {.numbers = {threshold, number}};
    if (bodies[metric].by_rows)
        bodies[metric].by_rows(options.numbers, out, targets, rows, cols, row_value);
    else
        sum_elements(bodies[metric].by_elements, &options, out, targets, (smoothing){1, 0}, rows, cols, (double)cols,
                     0, (mf_matrix){0}, row_value);
}
