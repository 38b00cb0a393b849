/*
 * The functions that activations and losses are made of, by themselves: for study, and for the test of their accuracy.
 */

typedef void elementary_span(const real *x, real *y, int64_t n);

#define ELEMENTARY_SPAN(id, name)                                                                                      \
    static void name##_span(const real *x, real *y, int64_t n) {                                                       \
        for (; n >= LANES; n -= LANES, x += LANES, y += LANES) vstore(y, v##name(vload(x)));                           \
        if (n > 0) vstore_n(y, v##name(vload_n(x, (int)n)), (int)n);                                                   \
    }
MF_EACH_FUNCTION(ELEMENTARY_SPAN)

static void elementary(int function, const void *x, void *y, int64_t n) {
#define ELEMENTARY_ROW(id, name) [MF_##id##_FUNCTION] = name##_span,
    static elementary_span *const spans[MF_FUNCTIONS] = {MF_EACH_FUNCTION(ELEMENTARY_ROW)};
    spans[function](x, y, n);
}
