/*
 * Activations over many numbers, and the Hadamard product with their derivatives. Each has loops of its own, so that
 * the choice is made once for a span of numbers.
 */

/* --- spans of n numbers, n a multiple of LANES; out may be an input --- */

typedef void span_function(real alpha, const real *a, const real *b, real *out, int64_t n);

#define SPANS(id, name, ...)                                                                                           \
    static void activate_span_##name(real alpha, const real *z, const real *unused, real *h, int64_t n) {              \
        (void)unused;                                                                                                  \
        for (int64_t i = 0; i < n; i += LANES) vstore(h + i, activate_##name(alpha, vload(z + i)));                    \
    }                                                                                                                  \
    static void propagate_span_##name(real alpha, const real *dh, const real *saved, real *out, int64_t n) {           \
        for (int64_t i = 0; i < n; i += LANES)                                                                         \
            vstore(out + i, propagate_##name(alpha, vload(dh + i), vload(saved + i)));                                 \
    }
MF_EACH_ELEMENTWISE_ACTIVATION(SPANS)

#define ACTIVATE_ROW(id, name, ...) [MF_##id] = activate_span_##name,
#define PROPAGATE_ROW(id, name, ...) [MF_##id] = propagate_span_##name,
static span_function *const ACTIVATE[MF_ACTIVATIONS] = {MF_EACH_ELEMENTWISE_ACTIVATION(ACTIVATE_ROW)};
static span_function *const PROPAGATE[MF_ACTIVATIONS] = {MF_EACH_ELEMENTWISE_ACTIVATION(PROPAGATE_ROW)};

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
    const int padded = is_padded(a) && is_padded(b) && is_padded(out);
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
