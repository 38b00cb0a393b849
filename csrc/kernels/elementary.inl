/*
 * The functions that activations and losses are made of, by themselves: for study, and for the test of their accuracy.
 */

INLINE vec elementary_of(const int function, vec x) {
    switch (function) {
    case MF_EXP: return vexp(x);
    case MF_EXPM1: return vexpm1(x);
    case MF_LOG: return vlog(x);
    case MF_LOG1P: return vlog1p(x);
    case MF_TANH_FUNCTION: return vtanh(x);
    case MF_SIGMOID_FUNCTION: return vsigmoid(x);
    default: return verf(x);
    }
}

INLINE void elementary_span(const int function, const real *x, real *y, int64_t n) {
    for (; n >= LANES; n -= LANES, x += LANES, y += LANES) vstore(y, elementary_of(function, vload(x)));
    if (n > 0) vstore_n(y, elementary_of(function, vload_n(x, (int)n)), (int)n);
}

static void elementary(int function, const void *x, void *y, int64_t n) {
    switch (function) {
    case MF_EXP: elementary_span(MF_EXP, x, y, n); break;
    case MF_EXPM1: elementary_span(MF_EXPM1, x, y, n); break;
    case MF_LOG: elementary_span(MF_LOG, x, y, n); break;
    case MF_LOG1P: elementary_span(MF_LOG1P, x, y, n); break;
    case MF_TANH_FUNCTION: elementary_span(MF_TANH_FUNCTION, x, y, n); break;
    case MF_SIGMOID_FUNCTION: elementary_span(MF_SIGMOID_FUNCTION, x, y, n); break;
    default: elementary_span(MF_ERF, x, y, n);
    }
}
