/*
 * Losses that couple a row's outputs, those of classes; and the table of all.
 */

#define ROW_LOSS(name, out)                                                                                            \
    static void name(UNUSED const mf_loss_options *options, mf_matrix out, const mf_targets *targets, int64_t rows,    \
                     int64_t cols, double scale, mf_matrix delta, double *row_loss)

typedef void row_wise_loss(const mf_loss_options *options, mf_matrix out, const mf_targets *targets, int64_t rows,
                           int64_t cols, double scale, mf_matrix delta, double *row_loss);

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

ROW_LOSS(cross_entropy, z) {
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

/* The cross-entropy without that of the targets themselves, sum t log t, which a plain label does not have. */
ROW_LOSS(kl_divergence, z) {
    cross_entropy(options, z, targets, rows, cols, scale, delta, row_loss);
    for (int64_t r = 0; r < rows && targets->dense; r++) {
        row_sum entropy = {0};
        for (int64_t c0 = 0; c0 < cols; c0 += 16) {
            real t[16], log_t[16];
            double term[16];
            for (int c = 0; c < 16; c += LANES) {
                const vec x = target_columns(targets, (smoothing){1, 0}, r, c0 + c, cols);
                vstore(t + c, x);
                vstore(log_t + c, vlog(vselect(vless(vset(0), x), x, vset(1))));
            }
            for (int c = 0; c < 16; c++) term[c] = (double)t[c] * (double)log_t[c];
            add_columns(&entropy, term, 16);
        }
        row_loss[r] += row_weight(targets, r) * finish_sum(&entropy, NULL, 0);
    }
}

/* --- the focal loss: -sum w t (1 - p)^gamma log p, w = of_outputs --- */

typedef struct {
    vec p, value, pull; /* pull = dloss/dp p */
    vec bend;           /* p times the derivative of pull by p */
} focal_columns;

/* bend = w t gamma p q^(gamma - 1) (2 - m + (gamma - 1) p m / q), m = -log p, q = 1 - p */
INLINE focal_columns focal_at(const mf_loss_options *options, mf_matrix z, const mf_targets *targets, int64_t r,
                              int64_t c, int64_t cols, real maximum, real log_sum) {
    const vec zero = vset(0), one = vset(1), gamma = vset((real)options->numbers[0]);
    const vec minus_log_p = vmax(zero, vset(log_sum) - (load_columns(z, r, c, cols, 0) - vset(maximum)));
    const vec p = exp_or_zero(-minus_log_p), rest = -vexpm1(-minus_log_p);
    const mask some = vless(zero, rest); /* else p rounds to 1: rest / -log p is 1, rest^gamma 0, if gamma is not */
    const vec safe = vselect(some, rest, one), power = vexp(gamma * vlog(safe));
    const vec factor = options->numbers[0] > 0 ? vselect(some, power, zero) : one;
    vec t = target_columns(targets, (smoothing){1, 0}, r, c, cols);
    if (options->of_outputs) {
        real weight[LANES];
        for (int l = 0; l < LANES; l++) weight[l] = c + l < cols ? (real)options->of_outputs[c + l] : 0;
        t = t * vload(weight);
    }
    const mask counts = vless(zero, t);
    const vec slope = vfma(gamma * p, vselect(some, minus_log_p / rest, one), one);
    const vec bend = gamma * p * (power / safe) * vfma(gamma - 1, p * minus_log_p / safe, vset(2) - minus_log_p);
    return (focal_columns){p, vselect(counts, t * factor * minus_log_p, zero),
                           vselect(counts, -t * factor * slope, zero),
                           vselect(counts, vselect(some, t * bend, zero), zero)};
}

/* dloss/dz_j = pull_j - p_j sum pull. Outputs are read twice, since delta may be where they are. */
ROW_LOSS(focal, z) {
    for (int64_t r0 = 0; r0 < rows; r0 += GROUP) {
        const int64_t height = rows - r0 < GROUP ? rows - r0 : GROUP;
        real maximum[GROUP], sum[GROUP], log_sum[GROUP];
        row_maxima(z, r0, height, cols, maximum, 0);
        row_exponentials(z, (mf_matrix){0}, r0, height, cols, maximum, sum, 0);
        for (int64_t i = 0; i < height; i += LANES) vstore(log_sum + i, vlog(vload(sum + i)));
        for (int64_t i = 0; i < height; i++) {
            const int64_t r = r0 + i;
            const double weight = row_weight(targets, r);
            row_sum value = {0}, pull = {0};
            for (int64_t c0 = 0; c0 < cols; c0 += 16) {
                real of_value[16], of_pull[16];
                double wide_value[16], wide_pull[16];
                for (int c = 0; c < 16; c += LANES) {
                    const focal_columns at = focal_at(options, z, targets, r, c0 + c, cols, maximum[i], log_sum[i]);
                    vstore(of_value + c, at.value);
                    vstore(of_pull + c, at.pull);
                }
                for (int c = 0; c < 16; c++) wide_value[c] = of_value[c], wide_pull[c] = of_pull[c];
                add_columns(&value, wide_value, 16);
                add_columns(&pull, wide_pull, 16);
            }
            row_loss[r] = weight * finish_sum(&value, NULL, 0);
            const vec factor = vset((real)(weight * scale)), all = vset((real)finish_sum(&pull, NULL, 0));
            for (int64_t c = 0; c < cols && delta.data; c += LANES) {
                const focal_columns at = focal_at(options, z, targets, r, c, cols, maximum[i], log_sum[i]);
                store_columns(delta, r, c, cols, factor * (at.pull - at.p * all));
            }
        }
    }
}

/* --- ordered classes: of each output, whether the label is above it --- */

ROW_LOSS(ordinal, z) {
    mf_targets above = *targets;
    above.ordered = 1;
    sum_elements(binary_cross_entropy, options, z, &above, (smoothing){1, 0}, rows, cols, 1, scale, delta, row_loss);
}

/* --- all losses --- */

static void loss(int loss, const mf_loss_options *options, mf_matrix out, const mf_targets *targets, int64_t rows,
                 int64_t cols, double scale, mf_matrix delta, double *row_loss) {
#define LOSS_ROW(id, name, read, how) [MF_##id] = {.how = name},
    static const struct {
        element_loss *by_elements;
        row_wise_loss *by_rows;
    } bodies[MF_LOSSES] = {MF_EACH_LOSS(LOSS_ROW)};
    if (bodies[loss].by_rows)
        bodies[loss].by_rows(options, out, targets, rows, cols, scale, delta, row_loss);
    else
        sum_elements(bodies[loss].by_elements, options, out, targets, smooth_over(targets, 2), rows, cols, 1, scale,
                     delta, row_loss);
}
