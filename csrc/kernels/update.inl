/*
 * The optimizers: one pass over parameters, gradient and state. All constants of the step come resolved in mf_update.
 */

/* Vectors of a span, the last one partial: n < LANES elements of it are read and written. */
INLINE vec load(const real *x, int n) { return n == LANES ? vload(x) : vload_n(x, n); }
INLINE void store(real *x, vec v, int n) {
    if (n == LANES) vstore(x, v);
    else vstore_n(x, v, n);
}

/* magnitude * sign(x), where sign(0) = 0. */
INLINE vec with_sign(vec magnitude, vec x) {
    const vec zero = vset(0);
    return vselect(vequal(x, zero), zero, vcopysign(magnitude, x));
}

/* dl/dp with the penalties' gradient: g + l2 p + l1 sign(p). */
INLINE vec penalised(vec g, vec p, vec l1, vec l2) { return vfma(l2, p, g + with_sign(l1, p)); }

/* NaN stays. */
INLINE vec clipped(vec g, vec most) { return vselect(vless(most, vabs(g)), vcopysign(most, g), g); }

/* v <- mu v - rate d;  p <- p + v, or, looking ahead (Nesterov 1983, Sutskever et al. 2013), p + mu v - rate d. */
INLINE vec momentum_step(vec p, vec d, real *velocity, vec mu, vec rate, int nesterov, int n) {
    const vec step = rate * d, v = vfma(mu, load(velocity, n), -step);
    store(velocity, v, n);
    return nesterov ? p + vfma(mu, v, -step) : p + v;
}

/* --- the bodies, for each row of lists.h: p after a step by gradient g. state[0:3] are its slots. --- */

INLINE vec sgd(const mf_update *u, vec p, vec g, real *const *state, int n) {
    const vec rate = vset((real)u->rate);
    if (u->momentum == 0) return vfma(-rate, g, p);
    return momentum_step(p, g, state[0], vset((real)u->momentum), rate, u->nesterov, n);
}

/* Tieleman and Hinton 2012, lecture 6e. */
INLINE vec rmsprop(const mf_update *u, vec p, vec g, real *const *state, int n) {
    real *const mean_square = state[0];
    const vec rate = vset((real)u->rate), old = load(mean_square, n);
    const vec s = vfma(vset((real)(1 - u->decay)), g * g - old, old);
    const vec direction = g / (vsqrt(s) + vset((real)u->epsilon));
    store(mean_square, s, n);
    if (u->momentum == 0) return vfma(-rate, direction, p);
    return momentum_step(p, direction, state[1], vset((real)u->momentum), rate, 0, n);
}

/* Kingma and Ba 2015, algorithm 1, with the bias corrections folded into rate and epsilon; Reddi et al. 2018. */
INLINE vec adam(const mf_update *u, vec p, vec g, real *const *state, int n) {
    real *const first = state[0], *const second = state[1], *const maximum = state[2];
    const vec m0 = load(first, n), v0 = load(second, n);
    const vec m = vfma(vset((real)(1 - u->momentum)), g - m0, m0);
    vec v = vfma(vset((real)(1 - u->decay)), g * g - v0, v0);
    store(first, m, n);
    store(second, v, n);
    if (u->amsgrad) {
        v = vmax(load(maximum, n), v);
        store(maximum, v, n);
    }
    return vfma(-vset((real)u->rate), m / (vsqrt(v) + vset((real)u->epsilon)), p);
}

/* Duchi, Hazan and Singer 2011. */
INLINE vec adagrad(const mf_update *u, vec p, vec g, real *const *state, int n) {
    real *const sum = state[0];
    const vec s = vfma(g, g, load(sum, n));
    store(sum, s, n);
    return vfma(-vset((real)u->rate), g / (vsqrt(s) + vset((real)u->epsilon)), p);
}

/* Dozat 2016, with rate and epsilon as Adam's. */
INLINE vec nadam(const mf_update *u, vec p, vec g, real *const *state, int n) {
    real *const first = state[0], *const second = state[1];
    const vec m0 = load(first, n), v0 = load(second, n);
    const vec m = vfma(vset((real)(1 - u->momentum)), g - m0, m0);
    const vec v = vfma(vset((real)(1 - u->decay)), g * g - v0, v0);
    store(first, m, n);
    store(second, v, n);
    const vec direction = vfma(vset((real)u->ahead), m, g);
    return vfma(-vset((real)u->rate), direction / (vsqrt(v) + vset((real)u->epsilon)), p);
}

/* Chen et al. 2023. */
INLINE vec lion(const mf_update *u, vec p, vec g, real *const *state, int n) {
    real *const mean = state[0];
    const vec m = load(mean, n), change = g - m;
    store(mean, vfma(vset((real)(1 - u->decay)), change, m), n);
    return p - with_sign(vset((real)u->rate), vfma(vset((real)(1 - u->momentum)), change, m));
}

/* Defazio et al. 2024: p lies between what steps and its average. */
INLINE vec schedule_free(const mf_update *u, vec p, vec g, real *const *state, int n) {
    real *const stepping = state[0], *const second = state[1], *const average = state[2];
    const vec z0 = load(stepping, n), v0 = load(second, n), x0 = load(average, n);
    const vec v = vfma(vset((real)(1 - u->decay)), g * g - v0, v0);
    const vec shrunk = vfma(-vset((real)(1 - u->shrink)), p, z0);
    const vec z = vfma(-vset((real)u->rate), g / (vsqrt(v) + vset((real)u->epsilon)), shrunk);
    const vec x = vfma(vset((real)u->share), z - x0, x0);
    store(stepping, z, n);
    store(second, v, n);
    store(average, x, n);
    return vfma(vset((real)u->momentum), x - z, z);
}

/* --- spans, rows, tiles --- */

/* What a rule does to gradients before the optimizer sees them; each has its own loop. */
enum { WITH_L2, WITH_L1, CLIPPED, GRADIENTS };

INLINE void update_vector(const mf_update *u, const int optimizer, const int kind, real *p, const real *g, real *s0,
                          real *s1, real *s2, const int n) {
    const vec l1 = vset((real)u->l1), l2 = vset((real)u->l2);
    const vec old = load(p, n), d = load(g, n);
    const vec shrunk = optimizer == MF_SCHEDULE_FREE ? old : vset((real)u->shrink) * old; /* that shrinks another */
    vec gradient = kind == WITH_L2 ? vfma(l2, old, d) : penalised(d, old, l1, l2);
    if (kind == CLIPPED) gradient = clipped(vset((real)u->factor) * gradient, vset((real)u->most));
    real *const state[] = {s0, s1, s2};
#define IF_CHOSEN(id, name) optimizer == MF_##id ? name(u, shrunk, gradient, state, n):
    store(p, MF_EACH_OPTIMIZER(IF_CHOSEN) old, n);
}

INLINE void update_span(const mf_update *u, const int optimizer, const int kind, real *p, const real *g, real *s0,
                        real *s1, real *s2, int64_t size) {
    int64_t i = 0;
    for (; i + LANES <= size; i += LANES)
        update_vector(u, optimizer, kind, p + i, g + i, s0 + i, s1 + i, s2 + i, LANES);
    if (i < size) update_vector(u, optimizer, kind, p + i, g + i, s0 + i, s1 + i, s2 + i, (int)(size - i));
}

/* The rule is a copy, so that the compiler knows that no store changes it. */
INLINE void update_rows(const mf_update u, const int optimizer, const int kind, real *p, const real *g, real *s0,
                        real *s1, real *s2, int64_t rows, int64_t cols, int64_t ld, int64_t ld_g) {
    for (int64_t r = 0; r < rows; r++, p += ld, g += ld_g, s0 += ld, s1 += ld, s2 += ld)
        update_span(&u, optimizer, kind, p, g, s0, s1, s2, cols);
}

static void update(const mf_update *u, void *p, const void *g, int64_t ld_g, void *s0, void *s1, void *s2, int64_t rows,
                   int64_t cols, int64_t ld) {
    if (cols == ld && cols == ld_g) cols *= rows, rows = 1;
#define CASE(id, kind)                                                                                                 \
    case MF_##id * GRADIENTS + kind: update_rows(*u, MF_##id, kind, p, g, s0, s1, s2, rows, cols, ld, ld_g); break;
#define CASES(id, name) CASE(id, WITH_L2) CASE(id, WITH_L1) CASE(id, CLIPPED)
    switch (u->optimizer * GRADIENTS + (u->clips ? CLIPPED : u->l1 != 0 ? WITH_L1 : WITH_L2)) {
        MF_EACH_OPTIMIZER(CASES)
    }
}

static void add_penalty(double l1, double l2, const void *p, void *g, int64_t size) {
    for (int64_t i = 0; i < size; i += LANES) {
        const int n = size - i < LANES ? (int)(size - i) : LANES;
        real *out = (real *)g + i;
        store(out, penalised(load(out, n), load((const real *)p + i, n), vset((real)l1), vset((real)l2)), n);
    }
}

static double penalty(double l1, double l2, const void *parameters, int64_t size) {
    enum { CHAINS = 32 }; /* sums in float64, of every 32nd element: enough to hide an addition's latency */
    const real *p = parameters;
    double absolute[CHAINS] = {0}, square[CHAINS] = {0};
    int64_t i = 0;
    if (l1 != 0)
        for (; i < size; i++) absolute[i % CHAINS] += fabs((double)p[i]);
    for (i = 0; l2 != 0 && i + CHAINS <= size; i += CHAINS)
        for (int c = 0; c < CHAINS; c++) square[c] += (double)p[i + c] * (double)p[i + c];
    for (int c = 0; l2 != 0 && i + c < size; c++) square[c] += (double)p[i + c] * (double)p[i + c];
    for (int s = CHAINS / 2; s > 0; s /= 2)
        for (int c = 0; c < s; c++) {
            absolute[c] += absolute[c + s];
            square[c] += square[c + s];
        }
    return l1 * absolute[0] + 0.5 * l2 * square[0];
}

/* Srebro and Shraibman 2005. A column's sum runs over the rows in order. */
static void limit_columns(double most, void *parameters, int64_t rows, int64_t cols, int64_t ld) {
    enum { WIDE = 64 };
    for (int64_t j = 0; j < cols; j += WIDE) {
        const int n = cols - j < WIDE ? (int)(cols - j) : WIDE;
        real *p = (real *)parameters + j, factor[WIDE];
        double square[WIDE] = {0};
        for (int64_t i = 0; i < rows; i++)
            for (int c = 0; c < n; c++) square[c] += (double)p[i * ld + c] * (double)p[i * ld + c];
        for (int c = 0; c < n; c++) factor[c] = square[c] > most * most ? (real)(most / sqrt(square[c])) : 1;
        for (int64_t i = 0; i < rows; i++)
            for (int c = 0; c < n; c++) p[i * ld + c] *= factor[c];
    }
}

static void average(double share, const void *parameters, void *mean, int64_t rows, int64_t cols, int64_t ld) {
    const vec s = vset((real)share);
    if (cols == ld) cols *= rows, rows = 1;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < cols; i += LANES) {
            const int n = cols - i < LANES ? (int)(cols - i) : LANES;
            const real *p = (const real *)parameters + r * ld + i;
            real *m = (real *)mean + r * ld + i;
            const vec old = load(m, n);
            store(m, vfma(s, load(p, n) - old, old), n);
        }
}

static int all_finite(const void *p, int64_t size) {
    enum { CHAINS = 8 }; /* hide the latency of an FMA */
    const real *x = p;
    vec sum[CHAINS] = {0};
    int64_t i = 0;
    for (; i + CHAINS * LANES <= size; i += CHAINS * LANES)
        UNROLL for (int c = 0; c < CHAINS; c++) sum[c] = check(vload(x + i + c * LANES), sum[c]);
    for (; i + LANES <= size; i += LANES) sum[0] = check(vload(x + i), sum[0]);
    if (i < size) sum[0] = check(vload_n(x + i, (int)(size - i)), sum[0]);
    UNROLL for (int c = 1; c < CHAINS; c++) sum[0] += sum[c];
    return mask_all(vequal(sum[0], vset(0)));
}
