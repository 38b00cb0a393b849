/*
 * Activations, and the Hadamard product with their derivatives.
 *
 * An activation is one row of ACTIVATIONS, a case of activate() and a case of propagate(). Both are compiled into a
 * loop of their own for each row, so that the choice is made once for a span of numbers.
 */
#define ACTIVATIONS(row)                                                                                               \
    row(IDENTITY) row(SIGMOID) row(TANH) row(RELU) row(LEAKY_RELU) row(ELU) row(SELU) row(SOFTPLUS) row(GELU)          \
    row(GELU_TANH) row(SILU) row(MISH) row(EXPONENTIAL)

INLINE vec clamp(vec x, real limit) { return vmin(vset(limit), vmax(vset(-limit), x)); }

/* --- the activations that take more than a line. A factor z is clamped where exp(-|z|) is, lest it be inf * 0. --- */

/* z Phi(z) (Hendrycks and Gimpel 2016) = max(z, 0) - |z| (1 - Phi(|z|)): precise for negative z too */
INLINE vec gelu(vec z) {
    const vec a = vmin(vset(TAIL_UNDERFLOW), vabs(z));
    return vfma(times_gaussian_big(tail_times_x(a), a), vset(-1 / BIG), vmax(vset(0), z));
}

/* Phi(z) + z phi(z), which is 1 less the same of -z */
INLINE vec gelu_derivative(vec z) {
    const vec a = vmin(vset(TAIL_UNDERFLOW), vabs(z)), inverse_sqrt_2_pi = vset(REAL(0.3989422804014327));
    const vec of_minus_a = times_gaussian_big(vfma(-inverse_sqrt_2_pi, a, tail(a)), a) * (1 / BIG);
    return vselect(vless(z, vset(0)), of_minus_a, 1 - of_minus_a);
}

/* gelu_tanh(z) = z/2 (1 + tanh u) = z sigmoid(2u), 2u = 2 sqrt(2/pi) (z + 0.044715 z^3) = SLOPE z (1/0.044715 + z^2).
 * The exponential would magnify a relative error of 2u by 2u: hence the constants and 2u in two parts. */
#define GELU_TANH_CUBIC REAL(0.044715)
#if defined(MF_F32)
#define GELU_TANH_OFFSET 22.3638535f /* its lowest bits are zero, so that OFFSET - (OFFSET + z^2) is exact */
#define GELU_TANH_OFFSET_LOW 6.54764654e-6f
#define GELU_TANH_SLOPE 0.0713548139f
#define GELU_TANH_SLOPE_LOW 2.39883247e-9f
#define GELU_TANH_UNDERFLOW 11.0f
#else
#define GELU_TANH_OFFSET 22.363860002236379
#define GELU_TANH_OFFSET_LOW 7.0680847336708611e-15
#define GELU_TANH_SLOPE 0.071354816272600249
#define GELU_TANH_SLOPE_LOW -6.175149918155315e-19
#define GELU_TANH_UNDERFLOW 22.0
#endif

/* 2u of a >= 0 */
INLINE vec gelu_tanh_argument(vec a, vec *low) {
    const vec offset = vset(GELU_TANH_OFFSET), slope = vset(GELU_TANH_SLOPE);
    const vec sum = vfma(a, a, offset), sum_low = vfma(a, a, offset - sum) + GELU_TANH_OFFSET_LOW;
    const vec scaled = slope * a, scaled_low = vfma(slope, a, -scaled) + a * GELU_TANH_SLOPE_LOW;
    const vec product = scaled * sum;
    *low = vfma(scaled, sum, -product) + vfma(scaled, sum_low, scaled_low * sum);
    return product;
}

INLINE vec gelu_tanh(vec z) {
    vec low;
    const vec argument = gelu_tanh_argument(vmin(vset(GELU_TANH_UNDERFLOW), vabs(z)), &low);
    return times_sigmoid(vmax(vset(-GELU_TANH_UNDERFLOW), z), times_exp_scaled(vset(1), -argument, -low, vset(BIG)));
}

INLINE vec silu(vec z) {
    const vec e_big = exp_scaled(-vmin(vset(TIMES_EXP_UNDERFLOW), vabs(z)), vset(BIG));
    return times_sigmoid(vmax(vset(-TIMES_EXP_UNDERFLOW), z), e_big);
}

/* d/dz z sigmoid(s) = sigmoid(s) + z s' sigmoid(s) sigmoid(-s), s having the sign of z; x = |s| */
INLINE vec times_sigmoid_derivative(vec z, vec x, vec slope) {
    const vec e = exp_minus(x), larger = 1 / (e + 1), smaller = e * larger;
    return vfma(z * slope, smaller * larger, vselect(vless(z, vset(0)), smaller, larger));
}

INLINE vec gelu_tanh_derivative(vec z) {
    vec low;
    const vec limited = clamp(z, GELU_TANH_UNDERFLOW), argument = gelu_tanh_argument(vabs(limited), &low);
    const vec slope = vfma(limited * limited, vset(3 * GELU_TANH_SLOPE), vset(GELU_TANH_SLOPE / GELU_TANH_CUBIC));
    return times_sigmoid_derivative(limited, argument, slope);
}

INLINE vec silu_derivative(vec z) {
    const vec limited = clamp(z, TIMES_EXP_UNDERFLOW);
    return times_sigmoid_derivative(limited, vabs(limited), vset(1));
}

/* z tanh(softplus(z)) (Misra 2019) = z n / (n + 2), n = e^2 + 2e, e = exp(z) */
INLINE vec mish(vec z) {
    const vec below = vmax(vset(-TIMES_EXP_UNDERFLOW), z), limited = vmin(vset(EXPM1_SATURATION), below);
    const mask negative = vless(z, vset(0)); /* there e and n are scaled by BIG, as in times_sigmoid() */
    const vec scale = vselect(negative, vset(BIG), vset(1)), unscale = vselect(negative, vset(1 / BIG), vset(1));
    const vec e = exp_scaled(limited, scale), n = vfma(e, e * unscale, e * 2);
    return below * (n / vfma(n, unscale, vset(2))) * unscale;
}

/* n / (n + 2) + z 4 e (1 + e) / (n + 2)^2 */
INLINE vec mish_derivative(vec z) {
    const vec limited = vmin(vset(EXPM1_SATURATION), vmax(vset(-TIMES_EXP_UNDERFLOW), z));
    const vec e = vexp(limited), n = e * (e + 2), inverse = 1 / (n + 2);
    return vfma(limited * 4 * inverse, (e + 1) * e * inverse, n * inverse);
}

/* Klambauer et al. 2017, "Self-normalizing neural networks" */
#define SELU_SCALE REAL(1.0507009873554805)
#define SELU_LIMIT REAL(1.7580993408473769) /* SELU_SCALE * alpha, alpha = 1.67326... */

/* --- the two switches --- */

/* g(z). NaN comes through. */
INLINE vec activate(const int activation, real alpha, vec z) {
    const mask positive = vless(vset(0), z);
    switch (activation) {
    case MF_SIGMOID: return vsigmoid(z);
    case MF_TANH: return vtanh(z);
    case MF_RELU: return vmax(vset(0), z);
    case MF_LEAKY_RELU: return vselect(positive, z, alpha * z);
    case MF_ELU: return vselect(positive, z, alpha * vexpm1(z));
    case MF_SELU: return vselect(positive, SELU_SCALE * z, SELU_LIMIT * vexpm1(z));
    case MF_SOFTPLUS: return vsoftplus(z);
    case MF_GELU: return gelu(z);
    case MF_GELU_TANH: return gelu_tanh(z);
    case MF_SILU: return silu(z);
    case MF_MISH: return mish(z);
    case MF_EXPONENTIAL: return vexp(z);
    default: return z;
    }
}

/* dh * g'(saved), saved being z or h as mf_saves_z() tells. relu's zero is exact even where dh is not finite. */
INLINE vec propagate(const int activation, real alpha, vec dh, vec saved) {
    const mask positive = vless(vset(0), saved);
    switch (activation) {
    case MF_SIGMOID: return dh * vfma(-saved, saved, saved);
    case MF_TANH: return dh * vfma(-saved, saved, vset(1));
    case MF_RELU: return vselect(positive, dh, vset(0));
    case MF_LEAKY_RELU: return vselect(positive, dh, dh * alpha);
    case MF_ELU: return vselect(positive, dh, dh * (saved + alpha));
    case MF_SELU: return dh * vselect(positive, vset(SELU_SCALE), saved + SELU_LIMIT);
    case MF_SOFTPLUS: return dh * vsigmoid(saved);
    case MF_GELU: return dh * gelu_derivative(saved);
    case MF_GELU_TANH: return dh * gelu_tanh_derivative(saved);
    case MF_SILU: return dh * silu_derivative(saved);
    case MF_MISH: return dh * mish_derivative(saved);
    case MF_EXPONENTIAL: return dh * saved;
    default: return dh;
    }
}

/* --- spans of n numbers, n a multiple of LANES; out may be an input --- */

typedef void span_function(real alpha, const real *a, const real *b, real *out, int64_t n);

#define SPANS(NAME)                                                                                                    \
    static void activate_##NAME(real alpha, const real *z, const real *unused, real *h, int64_t n) {                   \
        (void)unused;                                                                                                  \
        for (int64_t i = 0; i < n; i += LANES) vstore(h + i, activate(MF_##NAME, alpha, vload(z + i)));                \
    }                                                                                                                  \
    static void propagate_##NAME(real alpha, const real *dh, const real *saved, real *out, int64_t n) {                \
        for (int64_t i = 0; i < n; i += LANES)                                                                         \
            vstore(out + i, propagate(MF_##NAME, alpha, vload(dh + i), vload(saved + i)));                             \
    }
ACTIVATIONS(SPANS)

#define ACTIVATE_ROW(NAME) [MF_##NAME] = activate_##NAME,
#define PROPAGATE_ROW(NAME) [MF_##NAME] = propagate_##NAME,
static span_function *const ACTIVATE[MF_ACTIVATIONS] = {ACTIVATIONS(ACTIVATE_ROW)};
static span_function *const PROPAGATE[MF_ACTIVATIONS] = {ACTIVATIONS(PROPAGATE_ROW)};

static void activate_span(int activation, double alpha, const real *z, real *h, int64_t n) {
    ACTIVATE[activation]((real)alpha, z, NULL, h, n);
}

static void hadamard_span(int activation, double alpha, const real *dh, const real *saved, real *out, int64_t n) {
    PROPAGATE[activation]((real)alpha, dh, saved, out, n);
}

/* --- matrices --- */

INLINE int64_t round_up(int64_t n, int64_t step) { return (n + step - 1) / step * step; }

/* A span of any length; the odd end goes through a buffer, so that nothing beyond it is touched. */
static void any_span(span_function *f, real alpha, const real *a, const real *b, real *out, int64_t n) {
    const int64_t whole = n / LANES * LANES;
    f(alpha, a, b, out, whole);
    if (whole == n) return;
    const int rest = (int)(n - whole);
    real end[2][LANES];
    vstore(end[0], vload_n(a + whole, rest));
    vstore(end[1], vload_n(b + whole, rest));
    f(alpha, end[0], end[1], end[0], LANES);
    vstore_n(out + whole, vload(end[0]), rest);
}

/* out = f(a, b) element by element, in the longest spans that are contiguous in all three. */
static void each_element(span_function *f, real alpha, mf_matrix a, mf_matrix b, mf_matrix out, int64_t rows,
                         int64_t cols) {
    const int padded = a.padded && b.padded && out.padded;
    const int row_major = a.panel_stride == NR && b.panel_stride == NR && out.panel_stride == NR;
    const int64_t end = padded ? round_up(cols, LANES) : cols, panel = row_major ? end : NR;
    for (int64_t c = 0; c < end; c += panel) {
        const int64_t width = end - c < panel ? end - c : panel;
        const int contiguous = a.row_stride == width && b.row_stride == width && out.row_stride == width;
        const int64_t spans = contiguous ? 1 : rows, length = contiguous ? rows * width : width;
        for (int64_t r = 0; r < spans; r++) any_span(f, alpha, at(a, r, c), at(b, r, c), at(out, r, c), length);
    }
}

static void activation(int activation, double alpha, mf_matrix z, mf_matrix h, int64_t rows, int64_t cols) {
    each_element(ACTIVATE[activation], (real)alpha, z, z, h, rows, cols);
}

static void hadamard(int activation, double alpha, mf_matrix dh, mf_matrix saved, mf_matrix out, int64_t rows,
                     int64_t cols) {
    each_element(PROPAGATE[activation], (real)alpha, dh, saved, out, rows, cols);
}
