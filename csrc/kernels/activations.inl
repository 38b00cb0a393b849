/*
 * Activations: for each row of lists.h a body: g(z), dh * g'(saved) and g''(saved), saved being z or h as the row says.
 * NaN comes through. At a kink, g'' is zero.
 */

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

/* Where |x| is large, nothing is left of any second derivative, and what it is multiplied by must not overflow. */
#define CURVE_LIMIT (sizeof(real) == 4 ? REAL(80.0) : REAL(700.0))

/* sigmoid'(s), s being any number, and 1 - 2 sigmoid(s) */
INLINE vec sigmoid_slope(vec s, vec *bend) {
    const vec e = exp_minus(vabs(s)), inverse = 1 / (e + 1);
    *bend = -vcopysign((1 - e) * inverse, s);
    return e * inverse * inverse;
}

/* d^2/dz^2 z sigmoid(s) = sigmoid'(s) (2 s' + z s'' + z s'^2 (1 - 2 sigmoid(s))) */
INLINE vec times_sigmoid_curve(vec z, vec s, vec slope, vec slope_2) {
    vec bend;
    const vec of_sigmoid = sigmoid_slope(s, &bend);
    return of_sigmoid * vfma(z, vfma(slope * slope, bend, slope_2), slope * 2);
}

INLINE vec silu_curve(vec z) {
    const vec limited = clamp(z, CURVE_LIMIT);
    return times_sigmoid_curve(limited, limited, vset(1), vset(0));
}

INLINE vec gelu_tanh_curve(vec z) {
    vec low;
    const vec limited = clamp(z, GELU_TANH_UNDERFLOW), square = limited * limited;
    const vec argument = vcopysign(gelu_tanh_argument(vabs(limited), &low), limited);
    const vec slope = vfma(square, vset(3 * GELU_TANH_SLOPE), vset(GELU_TANH_SLOPE / GELU_TANH_CUBIC));
    return times_sigmoid_curve(limited, argument, slope, limited * (6 * GELU_TANH_SLOPE));
}

/* phi(z) (2 - z^2) */
INLINE vec gelu_curve(vec z) {
    const vec a = vmin(vset(TAIL_UNDERFLOW), vabs(z)), inverse_sqrt_2_pi = vset(REAL(0.3989422804014327));
    return times_gaussian_big(inverse_sqrt_2_pi * vfma(-a, a, vset(2)), a) * (1 / BIG);
}

INLINE vec softplus_curve(vec z) {
    vec bend;
    return sigmoid_slope(z, &bend);
}

/* z / sqrt(1 + (z / a)^2), between -a and a (Holzmueller et al. 2024). From far enough on it is a. */
INLINE vec relative_to(vec z, real a) { return vmin(vset(REAL(1e9)), vmax(vset(REAL(-1e9)), z / vset(a))); }
INLINE vec smooth_clip(vec z, real a) {
    const vec t = relative_to(z, a);
    return vset(a) * (t / vsqrt(vfma(t, t, vset(1))));
}
INLINE vec smooth_clip_derivative(vec z, real a) {
    const vec t = relative_to(z, a), s = vfma(t, t, vset(1));
    return vset(1) / (s * vsqrt(s));
}

INLINE vec smooth_clip_curve(vec z, real a) {
    const vec t = relative_to(z, a), s = vfma(t, t, vset(1));
    return vset(-3 / a) * (t / s) / (s * vsqrt(s));
}

/* z tanh(softplus(z)) (Misra 2019) = z n / (n + 2), n = e^2 + 2e, e = exp(z), which are scaled. */
INLINE vec mish_scaled(vec z, vec limited, vec scale, vec unscale) {
    const vec e = exp_scaled(limited, scale), n = vfma(e, e * unscale, e * 2);
    return z * (n / vfma(n, unscale, vset(2))) * unscale;
}

INLINE vec mish(vec z) {
    const vec most = vset(EXPM1_SATURATION);
    if (__builtin_expect(mask_all(vless(vabs(z), most)), 1)) return mish_scaled(z, z, vset(1), vset(1));
    const vec below = vmax(vset(-TIMES_EXP_UNDERFLOW), z);
    const mask far = vless(z, -most); /* there, by BIG, as in times_sigmoid() */
    return mish_scaled(below, vmin(most, below), vselect(far, vset(BIG), vset(1)),
                       vselect(far, vset(1 / BIG), vset(1)));
}

/* n / (n + 2) + z 4 e (1 + e) / (n + 2)^2 */
INLINE vec mish_derivative(vec z) {
    const vec limited = vmin(vset(EXPM1_SATURATION), vmax(vset(-TIMES_EXP_UNDERFLOW), z));
    const vec e = vexp(limited), n = e * (e + 2), inverse = 1 / (n + 2);
    return vfma(limited * 4 * inverse, (e + 1) * e * inverse, n * inverse);
}

/* With T = n / (n + 2) and T' = 4 e (1 + e) / (n + 2)^2: 2 T' + z T'', T'' = T' (1 - sigmoid(z) - 2 T sigmoid(z)) */
INLINE vec mish_curve(vec z) {
    const vec limited = vmin(vset(EXPM1_SATURATION), vmax(vset(-CURVE_LIMIT), z));
    const vec e = vexp(limited), n = e * (e + 2), inverse = 1 / (n + 2), rest = 1 / (e + 1);
    const vec slope = 4 * inverse * ((e + 1) * e * inverse), bend = vfma(e * rest * -2, n * inverse, rest);
    return slope * vfma(limited, bend, vset(2));
}

/* Klambauer et al. 2017, "Self-normalizing neural networks" */
#define SELU_SCALE REAL(1.0507009873554805)
#define SELU_LIMIT REAL(1.7580993408473769) /* SELU_SCALE * alpha, alpha = 1.67326... */

/* --- the bodies --- */

#define ACTIVATION(name, g, delta, curve)                                                                              \
    INLINE vec activate_##name(real alpha, vec z) {                                                                    \
        (void)alpha;                                                                                                   \
        return g;                                                                                                      \
    }                                                                                                                  \
    INLINE vec propagate_##name(real alpha, vec dh, vec saved) {                                                       \
        (void)alpha, (void)saved;                                                                                      \
        return delta;                                                                                                  \
    }                                                                                                                  \
    INLINE vec curve_##name(real alpha, vec saved) {                                                                   \
        (void)alpha, (void)saved;                                                                                      \
        return curve;                                                                                                  \
    }
#define IF_POSITIVE(x, then, otherwise) vselect(vless(vset(0), x), then, otherwise)

ACTIVATION(identity, z, dh, vset(0))
ACTIVATION(sigmoid, vsigmoid(z), dh * vfma(-saved, saved, saved), vfma(-saved, saved, saved) * (1 - saved * 2))
ACTIVATION(tanh, vtanh(z), dh * vfma(-saved, saved, vset(1)), saved * -2 * vfma(-saved, saved, vset(1)))
ACTIVATION(relu, vmax(vset(0), z), IF_POSITIVE(saved, dh, vset(0)), /* an exact zero even where dh is not finite */
           vset(0))
ACTIVATION(leaky_relu, IF_POSITIVE(z, z, alpha * z), IF_POSITIVE(saved, dh, dh * alpha), vset(0))
ACTIVATION(elu, IF_POSITIVE(z, z, alpha * expm1_minus(z)), IF_POSITIVE(saved, dh, dh * (saved + alpha)),
           vselect(vless(saved, vset(0)), saved + alpha, vset(0)))
ACTIVATION(selu, IF_POSITIVE(z, SELU_SCALE * z, SELU_LIMIT * expm1_minus(z)),
           dh * IF_POSITIVE(saved, vset(SELU_SCALE), saved + SELU_LIMIT),
           vselect(vless(saved, vset(0)), saved + SELU_LIMIT, vset(0)))
ACTIVATION(softplus, vsoftplus(z), dh * vsigmoid(saved), softplus_curve(saved))
ACTIVATION(gelu, gelu(z), dh * gelu_derivative(saved), gelu_curve(saved))
ACTIVATION(gelu_tanh, gelu_tanh(z), dh * gelu_tanh_derivative(saved), gelu_tanh_curve(saved))
ACTIVATION(silu, silu(z), dh * silu_derivative(saved), silu_curve(saved))
ACTIVATION(mish, mish(z), dh * mish_derivative(saved), mish_curve(saved))
ACTIVATION(smooth_clip, smooth_clip(z, alpha), dh * smooth_clip_derivative(saved, alpha),
           smooth_clip_curve(saved, alpha))
ACTIVATION(exponential, vexp(z), dh * saved, saved)
