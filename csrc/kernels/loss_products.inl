/*
 * Products of each loss's Hessian, by a row's outputs, with a direction d: for each row of lists.h a body,
 * <name>_product. Where a loss has a kink, its second derivative is zero.
 */

/* product[i] = d^2 loss / d out_i^2 d[i]; arrays as those of an element_loss */
#define ELEMENT_PRODUCT(name)                                                                                          \
    static void name##_product(UNUSED const double *numbers, UNUSED const double *each, int64_t n,                     \
                               UNUSED const real *restrict out, UNUSED const real *restrict t,                         \
                               UNUSED const real *restrict d, real *restrict product)

typedef void element_product(const double *numbers, const double *each, int64_t n, const real *restrict out,
                             const real *restrict t, const real *restrict d, real *restrict product);

/* Of a loss made of straight lines. */
#define STRAIGHT(name)                                                                                                 \
    ELEMENT_PRODUCT(name) { memset(product, 0, (size_t)n * sizeof(real)); }

STRAIGHT(mae)
STRAIGHT(quantile)
STRAIGHT(hinge)

ELEMENT_PRODUCT(mse) { memcpy(product, d, (size_t)n * sizeof(real)); }

ELEMENT_PRODUCT(huber) {
    for (int64_t i = 0; i < n; i++) product[i] = fabs((double)out[i] - (double)t[i]) < numbers[0] ? d[i] : 0;
}

ELEMENT_PRODUCT(log_cosh) {
    for (int64_t i = 0; i < n; i += LANES) {
        const vec slope = vtanh(vload(out + i) - vload(t + i));
        vstore(product + i, vload(d + i) * vfma(-slope, slope, vset(1)));
    }
}

/* Mean and log-variance s: (exp(-s), -e exp(-s); -e exp(-s), e^2 exp(-s) / 2), e being mean - y */
ELEMENT_PRODUCT(gaussian_nll) {
    for (int64_t i = 0; i < n; i += LANES) {
        real root[LANES];
        vstore(root, vexp(vload(out + i) * REAL(-0.5)));
        for (int l = 0; l < LANES; l += 2) {
            const double error = (double)out[i + l] - (double)t[i + l], to_unit = root[l + 1];
            const double e = error != 0 ? error * to_unit : 0;
            const double turned = to_unit * d[i + l] - e * d[i + l + 1];
            product[i + l] = (real)(to_unit * turned);
            product[i + l + 1] = (real)(-e * to_unit * d[i + l] + 0.5 * e * e * d[i + l + 1]);
        }
    }
}

ELEMENT_PRODUCT(poisson) {
    for (int64_t i = 0; i < n; i += LANES) vstore(product + i, vload(d + i) * vexp(vload(out + i)));
}

ELEMENT_PRODUCT(gamma_deviance) {
    const vec zero = vset(0), one = vset(1);
    for (int64_t i = 0; i < n; i += LANES) {
        const vec y = vload(t + i), log_y = vlog(vselect(vless(zero, y), y, one));
        vstore(product + i, vload(d + i) * vexp(log_y - vload(out + i)));
    }
}

ELEMENT_PRODUCT(tweedie_deviance) {
    const vec a = vset((real)(numbers[0] - 1)), b = vset((real)(2 - numbers[0])), zero = vset(0);
    for (int64_t i = 0; i < n; i += LANES) {
        const vec y = vload(t + i), x = vload(out + i);
        const vec y_mean_a = vselect(vless(zero, y), y * vexp(x * -a), zero);
        vstore(product + i, vload(d + i) * vfma(b, vexp(x * b), a * y_mean_a));
    }
}

/* sigmoid'(z), times the weights of yes and no */
ELEMENT_PRODUCT(binary_cross_entropy) {
    for (int64_t i = 0; i < n; i += LANES) {
        vec bend, weight = vset(1);
        const vec slope = sigmoid_slope(vload(out + i), &bend), y = vload(t + i);
        if (each) {
            real of_yes[LANES];
            for (int l = 0; l < LANES; l++) of_yes[l] = (real)each[i + l];
            weight = vfma(y, vload(of_yes) - 1, weight);
        }
        vstore(product + i, vload(d + i) * (slope * weight));
    }
}

/* The second derivative of (1 - p)^gamma m, m = -log p, p = sigmoid(x), q = 1 - p:
 * p q^gamma (gamma m (gamma p - q) + q (2 gamma + 1)) */
INLINE vec focal_curve(vec x, vec gamma) {
    const vec zero = vset(0), rest = vlog1pexp(x), m = vmax(zero, -x) + rest;
    const vec power = vexp(-gamma * (vmax(zero, x) + rest)), p = vsigmoid(x), q = vsigmoid(-x);
    return p * power * vfma(gamma * m, vfma(gamma, p, -q), q * vfma(gamma, vset(2), vset(1)));
}

ELEMENT_PRODUCT(binary_focal) {
    const vec gamma = vset((real)numbers[0]), of_yes = vset((real)numbers[1]), of_no = vset((real)numbers[2]);
    for (int64_t i = 0; i < n; i += LANES) {
        const vec x = vload(out + i), y = vload(t + i), yes = y * of_yes, no = (vset(1) - y) * of_no;
        vstore(product + i, vload(d + i) * vfma(yes, focal_curve(x, gamma), no * focal_curve(-x, gamma)));
    }
}

ELEMENT_PRODUCT(squared_hinge) {
    for (int64_t i = 0; i < n; i++) {
        const double y = t[i] > 0 ? 1 : -1;
        product[i] = 1 - y * (double)out[i] > 0 ? 2 * d[i] : 0;
    }
}

/* result = weight_r * scale * product, strip by strip, as sum_elements */
static void multiply_elements(element_product *of_elements, const mf_loss_options *options, mf_matrix out,
                              const mf_targets *targets, smoothing s, int64_t rows, int64_t cols, double scale,
                              mf_matrix d, mf_matrix result) {
    real h[STRIP + LANES], t[STRIP + LANES], direction[STRIP + LANES], product[STRIP + LANES];
    double each[STRIP + LANES];
    const int64_t strip_width = cols < STRIP ? cols : STRIP, strip_height = STRIP / strip_width;
    for (int64_t r0 = 0; r0 < rows; r0 += strip_height) {
        const int64_t height = rows - r0 < strip_height ? rows - r0 : strip_height;
        for (int64_t c0 = 0; c0 < cols; c0 += strip_width) {
            const int64_t n = cols - c0 < strip_width ? cols - c0 : strip_width;
            load_strip(out, r0, height, c0, n, cols, h);
            load_strip(d, r0, height, c0, n, cols, direction);
            load_target_strip(targets, s, r0, height, c0, n, cols, t);
            if (options->of_outputs) load_number_strip(options->of_outputs, height, c0, n, each);
            of_elements(options->numbers, options->of_outputs ? each : NULL, height * n, h, t, direction, product);
            for (int64_t i = 0; i < height; i++) {
                const real factor = (real)(row_weight(targets, r0 + i) * scale);
                if (cols == 1) *at(result, r0 + i, 0) = factor * product[i];
                else store_delta(result, r0 + i, c0, n, cols, product + i * n, factor);
            }
        }
    }
}

/* --- losses that couple a row's outputs; result may not be `out` --- */

#define ROW_PRODUCT(name)                                                                                              \
    static void name##_product(UNUSED const mf_loss_options *options, mf_matrix out, const mf_targets *targets,        \
                               int64_t rows, int64_t cols, double scale, mf_matrix d, mf_matrix result)

typedef void row_wise_product(const mf_loss_options *options, mf_matrix out, const mf_targets *targets, int64_t rows,
                              int64_t cols, double scale, mf_matrix d, mf_matrix result);

/* mass * p * (d - <d, p>) */
ROW_PRODUCT(cross_entropy) {
    const int hard = !targets->dense && targets->smoothing == 0;
    const smoothing s = smooth_over(targets, cols);
    softmax(out, result, rows, cols);
    softmax_jvp(result, d, result, rows, cols);
    for (int64_t r = 0; r < rows; r++) {
        const double mass = hard ? 1 : sum_targets(out, targets, s, r, cols, 0).mass;
        const vec factor = vset((real)(row_weight(targets, r) * scale * mass));
        for (int64_t c = 0; c < cols; c += LANES)
            store_columns(result, r, c, cols, factor * load_columns(result, r, c, cols, 0));
    }
}

ROW_PRODUCT(kl_divergence) { cross_entropy_product(options, out, targets, rows, cols, scale, d, result); }

/* Not inlined at each of the places below that unroll: the code would be ten times as long. */
static __attribute__((noinline)) void focal_columns_at(const mf_loss_options *options, mf_matrix z,
                                                       const mf_targets *targets, int64_t r, int64_t c, int64_t cols,
                                                       real maximum, real log_sum, focal_columns *found) {
    *found = focal_at(options, z, targets, r, c, cols, maximum, log_sum);
}

/* With e = d - <d, p>, dp = p e: of pull_j - p_j sum pull, bend_j e_j - p_j e_j sum pull - p_j sum bend e. */
ROW_PRODUCT(focal) {
    for (int64_t r = 0; r < rows; r++) {
        real maximum[GROUP], sum[GROUP], log_sum[GROUP];
        row_maxima(out, r, 1, cols, maximum, 0);
        row_exponentials(out, (mf_matrix){0}, r, 1, cols, maximum, sum, 0);
        vstore(log_sum, vlog(vload(sum)));
        vec lanes[3][VIRTUAL], dot = vset(0), pull = vset(0), bent = vset(0);
        for (int pass = 0; pass < 2; pass++) {
            UNROLL for (int k = 0; k < 3; k++) UNROLL for (int i = 0; i < VIRTUAL; i++) lanes[k][i] = vset(0);
            for (int64_t c0 = 0; c0 < cols; c0 += VIRTUAL_LANES)
                UNROLL for (int i = 0; i < VIRTUAL; i++) {
                    const int64_t c = c0 + i * LANES;
                    if (c >= cols) break;
                    focal_columns f;
                    focal_columns_at(options, out, targets, r, c, cols, maximum[0], log_sum[0], &f);
                    const vec direction = load_columns(d, r, c, cols, 0);
                    lanes[0][i] = vfma(direction, f.p, lanes[0][i]);
                    lanes[1][i] = lanes[1][i] + f.pull;
                    lanes[2][i] = vfma(f.bend, direction - dot, lanes[2][i]);
                }
            if (pass == 0) dot = fold_lanes(SUM, lanes[0]), pull = fold_lanes(SUM, lanes[1]);
            else bent = fold_lanes(SUM, lanes[2]);
        }
        const vec factor = vset((real)(row_weight(targets, r) * scale));
        for (int64_t c = 0; c < cols; c += LANES) {
            focal_columns f;
            focal_columns_at(options, out, targets, r, c, cols, maximum[0], log_sum[0], &f);
            const vec e = load_columns(d, r, c, cols, 0) - dot;
            store_columns(result, r, c, cols, factor * vfma(f.bend, e, -(f.p * vfma(pull, e, bent))));
        }
    }
}

ROW_PRODUCT(ordinal) {
    mf_targets above = *targets;
    above.ordered = 1;
    multiply_elements(binary_cross_entropy_product, options, out, &above, (smoothing){1, 0}, rows, cols, scale, d,
                      result);
}

/* --- all losses --- */

static void loss_product(int loss, const mf_loss_options *options, mf_matrix out, const mf_targets *targets,
                         int64_t rows, int64_t cols, double scale, mf_matrix d, mf_matrix result) {
#define LOSS_PRODUCT_ROW(id, name, read, how) [MF_##id] = {.how = name##_product},
    static const struct {
        element_product *by_elements;
        row_wise_product *by_rows;
    } bodies[MF_LOSSES] = {MF_EACH_LOSS(LOSS_PRODUCT_ROW)};
    if (bodies[loss].by_rows)
        bodies[loss].by_rows(options, out, targets, rows, cols, scale, d, result);
    else
        multiply_elements(bodies[loss].by_elements, options, out, targets, smooth_over(targets, 2), rows, cols, scale,
                          d, result);
}
