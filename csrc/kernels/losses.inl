/*
 * Losses of one output against its target: value and derivative. strips.inl brings outputs and targets; losses that
 * couple a row's outputs stand in class_losses.inl.
 *
 * numbers: the loss's own. each: a number for each output, or NULL. Arrays may be read and written up to the next
 * multiple of LANES.
 */

#define UNUSED __attribute__((unused))
#define ELEMENT_LOSS(name, out)                                                                                        \
    static void name(UNUSED const double *numbers, UNUSED const double *each, int64_t n, const real *restrict out,     \
                     const real *restrict t, double *restrict value, UNUSED real *restrict derivative)

typedef void element_loss(const double *numbers, const double *each, int64_t n, const real *restrict out,
                          const real *restrict t, double *restrict value, real *restrict derivative);

ELEMENT_LOSS(mse, h) {
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i];
        value[i] = 0.5 * error * error;
        derivative[i] = (real)error;
    }
}

ELEMENT_LOSS(mae, h) {
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i];
        value[i] = fabs(error);
        derivative[i] = error > 0 ? REAL(1.0) : error < 0 ? REAL(-1.0) : REAL(0.0);
    }
}

ELEMENT_LOSS(huber, h) {
    const double delta = numbers[0];
    for (int64_t i = 0; i < n; i++) {
        const double error = (double)h[i] - (double)t[i], magnitude = fabs(error);
        value[i] = magnitude > delta ? delta * (magnitude - 0.5 * delta) : 0.5 * error * error;
        derivative[i] = (real)(error > delta ? delta : error < -delta ? -delta : error);
    }
}

/* The pinball loss: q for what is missing, 1 - q for what is too much; q is one for all, or each output's. */
ELEMENT_LOSS(quantile, h) {
    for (int64_t i = 0; i < n; i++) {
        const double q = each ? each[i] : numbers[0], error = (double)h[i] - (double)t[i];
        value[i] = error > 0 ? (1 - q) * error : -q * error;
        derivative[i] = error > 0 ? (real)(1 - q) : error < 0 ? (real)-q : REAL(0.0);
    }
}

/* log cosh e. For |e| < 1, -1/2 log(1 - tanh^2 e), which keeps the digits of small errors. */
ELEMENT_LOSS(log_cosh, h) {
    for (int64_t i = 0; i < n; i += LANES) {
        const vec error = vload(h + i) - vload(t + i), magnitude = vabs(error), slope = vtanh(error);
        real small[LANES], rest[LANES];
        vstore(small, vlog1p(-slope * slope));
        vstore(rest, vlog1pexp(magnitude * 2));
        vstore(derivative + i, slope);
        for (int l = 0; l < LANES; l++) {
            const double e = fabs((double)h[i + l] - (double)t[i + l]);
            value[i + l] = e < 1 ? -0.5 * small[l] : e - 0.69314718055994531 + rest[l];
        }
    }
}

/* Mean and log-variance s side by side, for one target: ((h - y)^2 exp(-s) + s) / 2. exp(-s / 2) overflows at twice the
 * s at which exp(-s) does; an exact mean costs nothing however small the variance. */
ELEMENT_LOSS(gaussian_nll, z) {
    for (int64_t i = 0; i < n; i += LANES) {
        real root[LANES];
        vstore(root, vexp(vload(z + i) * REAL(-0.5)));
        for (int l = 0; l < LANES; l += 2) {
            const double error = (double)z[i + l] - (double)t[i + l], s = z[i + l + 1], to_unit = root[l + 1];
            const double e = error != 0 ? error * to_unit : 0;
            value[i + l] = 0.5 * (e * e + s);
            value[i + l + 1] = 0;
            derivative[i + l] = error != 0 ? (real)(e * to_unit) : REAL(0.0);
            derivative[i + l + 1] = (real)(0.5 * (1 - e * e));
        }
    }
}

/* --- counts, rates and sizes: functions of z, the logarithm of the mean --- */

ELEMENT_LOSS(poisson, z) {
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

/* exp(d) - 1 - d, d = log(y / mean) = log y - z. Only the loss's own size overflows. */
ELEMENT_LOSS(gamma_deviance, z) {
    const vec zero = vset(0), one = vset(1);
    for (int64_t i = 0; i < n; i += LANES) {
        const vec y = vload(t + i), d = vlog(vselect(vless(zero, y), y, one)) - vload(z + i), rest = vexpm1(d);
        real of_d[LANES], distance[LANES];
        vstore(of_d, rest);
        vstore(distance, d);
        vstore(derivative + i, -rest);
        for (int l = 0; l < LANES; l++) value[i + l] = (double)of_d[l] - (double)distance[l];
    }
}

/* mean^b / b + y mean^-a / a - y^b / (a b), a = power - 1 and b = 2 - power, both between 0 and 1 */
ELEMENT_LOSS(tweedie_deviance, z) {
    const double a = numbers[0] - 1, b = 2 - numbers[0];
    const vec zero = vset(0), one = vset(1);
    for (int64_t i = 0; i < n; i += LANES) {
        const vec y = vload(t + i), x = vload(z + i), log_y = vlog(vselect(vless(zero, y), y, one));
        const vec mean_b = vexp(x * vset((real)b));
        const vec y_mean_a = vselect(vless(zero, y), y * vexp(x * vset((real)-a)), zero); /* never 0 times infinity */
        real terms[3][LANES];
        vstore(terms[0], mean_b);
        vstore(terms[1], y_mean_a);
        vstore(terms[2], vselect(vless(zero, y), vexp(log_y * vset((real)b)), zero));
        vstore(derivative + i, mean_b - y_mean_a);
        for (int l = 0; l < LANES; l++) value[i + l] = terms[0][l] / b + terms[1][l] / a - terms[2][l] / (a * b);
    }
}

/* --- yes or no: functions of z, the logit or the score --- */

/* w t log(1 + exp(-z)) + (1 - t) log(1 + exp(z)), w = each */
ELEMENT_LOSS(weighted_cross_entropy, z) {
    for (int64_t i = 0; i < n; i += LANES) {
        const vec x = vload(z + i), y = vload(t + i);
        real rest[LANES], weight[LANES];
        for (int l = 0; l < LANES; l++) weight[l] = (real)each[i + l];
        vstore(rest, vlog1pexp(x));
        vstore(derivative + i, (vset(1) - y) * vsigmoid(x) - vload(weight) * y * vsigmoid(-x));
        for (int l = 0; l < LANES; l++) {
            const double logit = z[i + l], yes = each[i + l] * (double)t[i + l], no = 1 - (double)t[i + l];
            value[i + l] = yes * ((logit < 0 ? -logit : 0) + rest[l]) + no * ((logit > 0 ? logit : 0) + rest[l]);
        }
    }
}

/* max(z, 0) - z t + log(1 + exp(-|z|)), in which nothing can overflow; its derivative is sigmoid(z) - t. */
ELEMENT_LOSS(binary_cross_entropy, z) {
    if (each) {
        weighted_cross_entropy(numbers, each, n, z, t, value, derivative);
        return;
    }
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

/* -(1 - p)^gamma log p, p = sigmoid(x), and its derivative: of log p and log(1 - p), in which nothing can overflow. */
INLINE vec focal_of(vec x, vec gamma, vec *slope) {
    const vec zero = vset(0), rest = vlog1pexp(x), minus_log_p = vmax(zero, -x) + rest;
    const vec factor = vexp(-gamma * (vmax(zero, x) + rest));
    *slope = -factor * (gamma * vsigmoid(x) * minus_log_p + vsigmoid(-x));
    return factor * minus_log_p;
}

/* numbers: gamma, the weight of yes, that of no */
ELEMENT_LOSS(binary_focal, z) {
    const vec gamma = vset((real)numbers[0]), of_yes = vset((real)numbers[1]), of_no = vset((real)numbers[2]);
    for (int64_t i = 0; i < n; i += LANES) {
        const vec x = vload(z + i), y = vload(t + i), yes = y * of_yes, no = (vset(1) - y) * of_no;
        vec slope_yes, slope_no;
        const vec sum = yes * focal_of(x, gamma, &slope_yes) + no * focal_of(-x, gamma, &slope_no);
        real both[LANES];
        vstore(both, sum);
        vstore(derivative + i, yes * slope_yes - no * slope_no);
        for (int l = 0; l < LANES; l++) value[i + l] = both[l];
    }
}

/* max(0, 1 - y z), y = 1 for targets above 0, else -1 */
ELEMENT_LOSS(hinge, z) {
    for (int64_t i = 0; i < n; i++) {
        const double y = t[i] > 0 ? 1 : -1, missing = 1 - y * (double)z[i];
        value[i] = missing > 0 ? missing : 0;
        derivative[i] = missing > 0 ? (real)-y : REAL(0.0);
    }
}

ELEMENT_LOSS(squared_hinge, z) {
    for (int64_t i = 0; i < n; i++) {
        const double y = t[i] > 0 ? 1 : -1, margin = 1 - y * (double)z[i], missing = margin > 0 ? margin : 0;
        value[i] = missing * missing;
        derivative[i] = (real)(-2 * y * missing);
    }
}
