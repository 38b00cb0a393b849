/*
 * Losses: the model's output against its targets, value and derivative.
 *
 * A loss that is a sum over elements is one function of a flat strip: some rows, or a part of a wide one, copied side
 * by side, so that ten columns or a single one fill vectors too. The value of a row is summed in float64, column c in
 * lane c % 8, and one tree folds the lanes. Cross-entropy, which couples a row's elements, stands on its own.
 */

/* --- targets --- */

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

/* Columns [c, c + LANES) of row r; zeros beyond the last one. A label stands for its one-hot row. */
INLINE vec target_columns(const mf_targets *targets, smoothing s, int64_t r, int64_t c, int64_t cols) {
    const vec column = lane_numbers() + vset((real)c);
    vec t;
    if (targets->dense)
        t = load_columns((mf_matrix){cols, NR, (void *)targets->dense}, data_row(targets, r), c, cols, 0);
    else t = vselect(vequal(column, vset((real)targets->labels[r])), vset(1), vset(0));
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

/* --- losses of one element: value and derivative of n outputs h (or z) with targets t. All four arrays may be read and
 *     written up to the next multiple of LANES. --- */

typedef void element_loss(double parameter, int64_t n, const real *restrict h, const real *restrict t,
                          double *restrict value, real *restrict derivative);

static void mse(double parameter, int64_t n, const real *restrict h, const real *restrict t, double *restrict value,
                real *restrict derivative) {
    (void)parameter;
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i];
        value[i] = 0.5 * error * error;
        derivative[i] = (real)error;
    }
}

static void mae(double parameter, int64_t n, const real *restrict h, const real *restrict t, double *restrict value,
                real *restrict derivative) {
    (void)parameter;
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i];
        value[i] = fabs(error);
        derivative[i] = error > 0 ? REAL(1.0) : error < 0 ? REAL(-1.0) : REAL(0.0);
    }
}

static void huber(double delta, int64_t n, const real *restrict h, const real *restrict t, double *restrict value,
                  real *restrict derivative) {
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i], magnitude = fabs(error);
        value[i] = magnitude > delta ? delta * (magnitude - 0.5 * delta) : 0.5 * error * error;
        derivative[i] = (real)(error > delta ? delta : error < -delta ? -delta : error);
    }
}

/* The pinball loss: q for what is missing, 1 - q for what is too much. */
static void quantile(double q, int64_t n, const real *restrict h, const real *restrict t, double *restrict value,
                     real *restrict derivative) {
    const real above = (real)(1 - q), below = (real)-q;
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i];
        value[i] = error > 0 ? (1 - q) * error : -q * error;
        derivative[i] = error > 0 ? above : error < 0 ? below : REAL(0.0);
    }
}

static void poisson(double parameter, int64_t n, const real *restrict z, const real *restrict t,
                    double *restrict value, real *restrict derivative) {
    (void)parameter;
    const vec zero = vset(0), one = vset(1);
    for (int64_t i = 0; i < n; i += LANES) {
        const vec y = vload(t + i), mean = vexp(vload(z + i));
        real rate[LANES], log_y[LANES];
        vstore(rate, mean);
        vstore(log_y, vlog(vselect(vless(zero, y), y, one))); /* y log y is 0 at y = 0 */
        vstore(derivative + i, mean - y);
        for (int l = 0; l < LANES; l++)
            value[i + l] = (rate[l] - (double)t[i + l] * z[i + l]) + (double)t[i + l] * ((double)log_y[l] - 1);
    }
}

/* max(z, 0) - z t + log(1 + exp(-|z|)), in which nothing can overflow; its derivative is sigmoid(z) - t. */
static void binary_cross_entropy(double parameter, int64_t n, const real *restrict z, const real *restrict t,
                                 double *restrict value, real *restrict derivative) {
    (void)parameter;
    for (int64_t i = 0; i < n; i += LANES) {
        const vec x = vload(z + i);
        real rest[LANES];
        vstore(rest, vlog1pexp(x));
        vstore(derivative + i, vsigmoid(x) - vload(t + i));
        for (int l = 0; l < LANES; l++) {
            const double logit = z[i + l];
            value[i + l] = ((logit > 0 ? logit : 0) - logit * (double)t[i + l]) + rest[l];
        }
    }
}

/* --- strips --- */

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

/* The same of the targets. Where there is only one output, a label stands for itself. */
INLINE void load_target_strip(const mf_targets *targets, smoothing s, int64_t r0, int64_t height, int64_t c0, int64_t n,
                             int64_t cols, real *strip) {
    for (int64_t i = 0; i < height; i++) {
        if (cols == 1) {
            const int64_t r = r0 + i;
            const real t =
                targets->dense ? ((const real *)targets->dense)[data_row(targets, r)] : (real)targets->labels[r];
            strip[i] = s.keep * t + s.spread;
        } else {
            for (int64_t c = 0; c < n; c += LANES)
                vstore(strip + i * n + c, target_columns(targets, s, r0 + i, c0 + c, cols));
        }
    }
    vstore(strip + height * n, vset(0));
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
static void sum_elements(element_loss *of_elements, double parameter, mf_matrix out, const mf_targets *targets,
                         smoothing s, int64_t rows, int64_t cols, double divisor, double scale, mf_matrix delta,
                         double *row_value) {
    real h[STRIP + LANES], t[STRIP + LANES], derivative[STRIP + LANES];
    double value[STRIP + LANES];
    const int64_t strip_width = cols < STRIP ? cols : STRIP, strip_height = STRIP / strip_width;
    for (int64_t r0 = 0; r0 < rows; r0 += strip_height) {
        const int64_t height = rows - r0 < strip_height ? rows - r0 : strip_height;
        row_sum sum = {0}; /* goes on from strip to strip where a row is wider than a strip */
        for (int64_t c0 = 0; c0 < cols; c0 += strip_width) {
            const int64_t n = cols - c0 < strip_width ? cols - c0 : strip_width;
            load_strip(out, r0, height, c0, n, cols, h);
            load_target_strip(targets, s, r0, height, c0, n, cols, t);
            of_elements(parameter, height * n, h, t, value, derivative);
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

/* --- cross-entropy --- */

typedef struct {
    double mass, dot; /* sum t, sum t (z - maximum) */
} target_sums;

INLINE target_sums sum_targets(mf_matrix z, const mf_targets *targets, smoothing s, int64_t r, int64_t cols,
                               double maximum) {
    row_sum mass = {0}, dot = {0};
    for (int64_t c0 = 0; c0 < cols; c0 += 16) {
        real x[16], t[16];
        double weight[16], product[16];
        for (int c = 0; c < 16; c += LANES) {
            vstore(x + c, load_columns(z, r, c0 + c, cols, 0));
            vstore(t + c, target_columns(targets, s, r, c0 + c, cols));
        }
        for (int c = 0; c < 16; c++) {
            weight[c] = t[c];
            product[c] = t[c] != 0 ? (double)t[c] * ((double)x[c] - maximum) : 0; /* also where it is 0 times inf */
        }
        add_columns(&mass, weight, 16);
        add_columns(&dot, product, 16);
    }
    return (target_sums){finish_sum(&mass, NULL, 0), finish_sum(&dot, NULL, 0)};
}

/* -sum t log p = mass * log sum exp(z - max z) - dot; its derivative is mass * p - t. `hard`: targets are plain labels.
 * delta holds the exponentials on the way. */
INLINE void cross_entropy_group(mf_matrix z, const mf_targets *targets, int64_t r0, int64_t height, int64_t cols,
                                double scale, mf_matrix delta, double *row_loss, const int hard) {
    const smoothing s = smooth_over(targets, cols);
    real maximum[GROUP], sum[GROUP], log_sum[GROUP], factor[GROUP], to_p[GROUP];
    target_sums target[GROUP];
    row_maxima(z, r0, height, cols, maximum, 0);
    for (int64_t i = 0; i < height; i++) {
        const double m = (double)maximum[i];
        if (hard) target[i] = (target_sums){1, *at(z, r0 + i, targets->labels[r0 + i]) - m};
        else target[i] = sum_targets(z, targets, s, r0 + i, cols, m);
    }
    row_exponentials(z, delta, r0, height, cols, maximum, sum, 0);
    for (int64_t i = 0; i < height; i += LANES) vstore(log_sum + i, vlog(vload(sum + i)));
    for (int64_t i = 0; i < height; i++) {
        const double weight = row_weight(targets, r0 + i);
        row_loss[r0 + i] = weight * (target[i].mass * (double)log_sum[i] - target[i].dot);
        factor[i] = (real)(weight * scale);
        to_p[i] = factor[i] * (real)target[i].mass / sum[i];
    }
    for (int64_t i = 0; i < height && delta.data; i++) {
        const int64_t r = r0 + i;
        for (int64_t c0 = 0; c0 < cols; c0 += VIRTUAL_LANES)
            UNROLL for (int v = 0; v < VIRTUAL; v++) {
                const int64_t c = c0 + v * LANES;
                vec d = load_columns(delta, r, c, cols, 0) * vset(to_p[i]);
                if (!hard) d = d - vset(factor[i]) * target_columns(targets, s, r, c, cols);
                store_columns(delta, r, c, cols, d);
            }
        if (hard) *at(delta, r, targets->labels[r]) -= factor[i];
    }
}

/* The same for LANES narrow rows whose targets are plain labels. */
INLINE void cross_entropy_side_by_side(mf_matrix z, const mf_targets *targets, int64_t r0, int64_t cols, double scale,
                                       mf_matrix delta, double *row_loss) {
    side_by_side b;
    vec most;
    real label[LANES], z_label[LANES], maximum[LANES], log_sum[LANES], factor[LANES];
    load_rows(z, r0, cols, &b);
    for (int i = 0; i < LANES; i++) {
        const int32_t class = targets->labels[r0 + i];
        label[i] = (real)class;
        z_label[i] = b.column[class][i];
    }
    const vec sum = exponentials_of(&b, cols, &most);
    vstore(maximum, most);
    vstore(log_sum, vlog(sum));
    for (int i = 0; i < LANES; i++) {
        const double weight = row_weight(targets, r0 + i);
        row_loss[r0 + i] = weight * ((double)log_sum[i] - ((double)z_label[i] - (double)maximum[i]));
        factor[i] = (real)(weight * scale);
    }
    if (!delta.data) return;
    const vec to_p = vload(factor) / sum;
    for (int64_t c = 0; c < cols; c++) {
        const vec target = vselect(vequal(vload(label), vset((real)c)), vload(factor), vset(0));
        vstore(b.column[c], vload(b.column[c]) * to_p - target);
    }
    store_rows(&b, delta, r0, cols);
}

static void cross_entropy(double parameter, mf_matrix z, const mf_targets *targets, int64_t rows, int64_t cols,
                          double scale, mf_matrix delta, double *row_loss) {
    (void)parameter;
    const int hard = !targets->dense && targets->smoothing == 0;
    int64_t r = 0;
    for (; hard && fits_side_by_side(z, delta.data ? delta : z, rows - r, cols); r += LANES)
        cross_entropy_side_by_side(z, targets, r, cols, scale, delta, row_loss);
    for (; r < rows; r += GROUP) {
        const int64_t height = rows - r < GROUP ? rows - r : GROUP;
        if (hard) cross_entropy_group(z, targets, r, height, cols, scale, delta, row_loss, 1);
        else cross_entropy_group(z, targets, r, height, cols, scale, delta, row_loss, 0);
    }
}

typedef void row_wise_loss(double parameter, mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols,
                           double scale, mf_matrix delta, double *row_loss);

static void loss(int loss, double parameter, mf_matrix out, const mf_targets *targets, int64_t rows, int64_t cols,
                 double scale, mf_matrix delta, double *row_loss) {
#define LOSS_ROW(id, name, read, how) [MF_##id] = {.how = name},
    static const struct {
        element_loss *by_elements;
        row_wise_loss *by_rows;
    } bodies[MF_LOSSES] = {MF_EACH_LOSS(LOSS_ROW)};
    if (bodies[loss].by_rows)
        bodies[loss].by_rows(parameter, out, targets, rows, cols, scale, delta, row_loss);
    else
        sum_elements(bodies[loss].by_elements, parameter, out, targets, smooth_over(targets, 2), rows, cols, 1, scale,
                     delta, row_loss);
}
