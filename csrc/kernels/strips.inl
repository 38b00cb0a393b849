/*
 * A loss that is a sum over elements is one function of a flat strip: some rows, or a part of a wide one, copied side
 * by side, so that ten columns or a single one fill vectors too. The value of a row is summed in float64, column c in
 * lane c % 8, and one tree folds the lanes.
 */

enum { STRIP = 512 }; /* elements; a multiple of every vector and of the float64 lanes */

/* Columns [c0, c0 + n) of `height` rows from r0 on, side by side; then zeros, to complete the last vector. */
INLINE void load_strip(mf_matrix m, int64_t r0, int64_t height, int64_t c0, int64_t n, int64_t cols, real *strip) {
    for (int64_t i = 0; i < height; i++) {
        if (cols == 1) strip[i] = *at(m, r0 + i, 0);
        else
            for (int64_t c = 0; c < n; c += LANES)
                vstore(strip + i * n + c, load_columns(m, r0 + i, c0 + c, cols, 0));
    }
    vstore(strip + height * n, vset(0));
}

/* The same of the targets. Where there is only one output, a label stands for itself; where several outputs belong to a
 * target, it stands beside each of them. */
INLINE void load_target_strip(const mf_targets *targets, smoothing s, int64_t r0, int64_t height, int64_t c0, int64_t n,
                             int64_t cols, real *strip) {
    for (int64_t i = 0; i < height; i++) {
        if (cols == 1) {
            const int64_t r = r0 + i;
            const real t =
                targets->dense ? ((const real *)targets->dense)[data_row(targets, r)] : (real)targets->labels[r];
            strip[i] = s.keep * t + s.spread;
        } else if (targets->each > 1) {
            const real *row = (const real *)targets->dense + data_row(targets, r0 + i) * (cols / targets->each);
            for (int64_t c = 0; c < n; c++) strip[i * n + c] = row[(c0 + c) / targets->each];
        } else {
            for (int64_t c = 0; c < n; c += LANES)
                vstore(strip + i * n + c, target_columns(targets, s, r0 + i, c0 + c, cols));
        }
    }
    vstore(strip + height * n, vset(0));
}

/* The same of a number for each output. */
INLINE void load_number_strip(const double *of_outputs, int64_t height, int64_t c0, int64_t n, double *strip) {
    for (int64_t i = 0; i < height; i++) memcpy(strip + i * n, of_outputs + c0, (size_t)n * sizeof(double));
    memset(strip + height * n, 0, LANES * sizeof(double));
}

INLINE void store_delta(mf_matrix delta, int64_t r, int64_t c0, int64_t n, int64_t cols, const real *derivative,
                        real scale) {
    for (int64_t c = 0; c < n; c += LANES)
        store_columns(delta, r, c0 + c, cols, vset(scale) * vload(derivative + c));
}

/* The rows of a strip of single columns: a sum over one value is that value, or +0 for -0. */
INLINE void finish_single_columns(const mf_targets *targets, int64_t r0, int64_t height, const double *value,
                                  const real *derivative, double divisor, double scale, mf_matrix delta,
                                  double *row_value) {
    for (int64_t i = 0; i < height; i++) {
        const double weight = row_weight(targets, r0 + i);
        row_value[r0 + i] = weight * (value[i] + 0.0) / divisor;
        if (delta.data) *at(delta, r0 + i, 0) = (real)(weight * scale) * derivative[i];
    }
}

/* row_value[r] = weight_r * (sum over the row) / divisor, delta = weight_r * scale * derivative */
static void sum_elements(element_loss *of_elements, const mf_loss_options *options, mf_matrix out,
                         const mf_targets *given, smoothing s, int64_t rows, int64_t cols, double divisor,
                         double scale, mf_matrix delta, double *row_value) {
    const mf_targets known = *given, *const targets = &known; /* so that the compiler knows that no store changes it */
    real h[STRIP + LANES], t[STRIP + LANES], derivative[STRIP + LANES];
    double value[STRIP + LANES], each[STRIP + LANES];
    const int64_t strip_width = cols < STRIP ? cols : STRIP, strip_height = STRIP / strip_width;
    for (int64_t r0 = 0; r0 < rows; r0 += strip_height) {
        const int64_t height = rows - r0 < strip_height ? rows - r0 : strip_height;
        row_sum sum = {0}; /* goes on from strip to strip where a row is wider than a strip */
        for (int64_t c0 = 0; c0 < cols; c0 += strip_width) {
            const int64_t n = cols - c0 < strip_width ? cols - c0 : strip_width;
            load_strip(out, r0, height, c0, n, cols, h);
            load_target_strip(targets, s, r0, height, c0, n, cols, t);
            if (options->of_outputs && (r0 == 0 || n < cols))
                load_number_strip(options->of_outputs, height, c0, n, each);
            of_elements(options->numbers, options->of_outputs ? each : NULL, height * n, h, t, value, derivative);
            if (cols == 1) {
                finish_single_columns(targets, r0, height, value, derivative, divisor, scale, delta, row_value);
                continue;
            }
            for (int64_t i = 0; i < height; i++) {
                const double weight = row_weight(targets, r0 + i), *row = value + i * n;
                if (c0 == 0) sum = (row_sum){0};
                add_columns(&sum, row, n / 8 * 8);
                if (c0 + n == cols) row_value[r0 + i] = weight * finish_sum(&sum, row + n / 8 * 8, n % 8) / divisor;
                if (delta.data) store_delta(delta, r0 + i, c0, n, cols, derivative + i * n, (real)(weight * scale));
            }
        }
    }
}
