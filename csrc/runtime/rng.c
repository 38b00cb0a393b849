/* Sequences of random numbers: element i is a function of (seed, purpose, step, i). See rng.h. */
#include "runtime/rng.h"

#include <math.h>

#include "mlpfast.h"

enum { BATCH = 2 * PHILOX_BATCH }; /* 64-bit words of a batch of blocks */

/* Words [first, first + BATCH) of the sequence; first is even, as a block has two. */
static void draw(uint64_t seed, uint32_t purpose, uint64_t step, int64_t first, uint64_t out[BATCH]) {
    uint32_t x[4][PHILOX_BATCH];
    for (int b = 0; b < PHILOX_BATCH; b++) {
        uint64_t block = (uint64_t)first / 2 + (uint64_t)b;
        x[0][b] = (uint32_t)block;
        x[1][b] = (uint32_t)(block >> 32);
        x[2][b] = (uint32_t)step;
        x[3][b] = purpose;
    }
    philox(seed, x);
    for (int b = 0; b < PHILOX_BATCH; b++) {
        out[2 * b] = x[0][b] | (uint64_t)x[1][b] << 32;
        out[2 * b + 1] = x[2][b] | (uint64_t)x[3][b] << 32;
    }
}

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* The upper 53 bits, as a multiple of 2^-53 in [0, 1). */
static double unit(uint64_t word) { return (double)(word >> 11) * 0x1p-53; }

/* Fisher and Yates, forward: position i swaps with one of [i, n), chosen by multiplication and shift. With 64 bits the
 * choices' probabilities differ by less than a factor 1 + n / 2^64. */
void mf_permutation(uint64_t seed, uint32_t purpose, uint64_t step, int64_t n, int64_t *out) {
    uint64_t words[BATCH];
    for (int64_t i = 0; i < n; i++) out[i] = i;
    for (int64_t first = 0; first < n; first += BATCH) {
        draw(seed, purpose, step, first, words);
        for (int64_t i = first; i < smaller(first + BATCH, n); i++) {
            int64_t j = i + (int64_t)((unsigned __int128)words[i - first] * (uint64_t)(n - i) >> 64);
            int64_t swapped = out[i];
            out[i] = out[j];
            out[j] = swapped;
        }
    }
}

void mf_uniform(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out) {
    uint64_t words[BATCH];
    for (int64_t first = 0; first < n; first += BATCH) {
        draw(seed, purpose, step, start + first, words);
        for (int64_t i = first; i < smaller(first + BATCH, n); i++) out[i] = unit(words[i - first]);
    }
}

/* libm's logarithm and sine differ in the last bit between systems and CPUs. These are the same everywhere. */

/* x in (0, 1]: by the series of 2 artanh(s), s = (m - 1) / (m + 1), |s| < 0.172. */
static double logarithm(double x) {
    int exponent;
    double m = frexp(x, &exponent), sum = 0;
    if (m < 0.7071067811865476) m *= 2, exponent--;
    double s = (m - 1) / (m + 1);
    for (int k = 23; k > 0; k -= 2) sum = sum * (s * s) + 1.0 / k;
    return exponent * 0.6931471805599453 + 2 * s * sum;
}

/* Of an angle in [0, 1) turns: by Taylor's series within 1/8 turn of the nearest quarter. */
static void cosine_sine(double turns, double *cosine, double *sine) {
    int quarter = (int)(4 * turns + 0.5);
    double a = 6.283185307179586 * (turns - 0.25 * quarter), c = 1, s = 1;
    for (int k = 18; k > 0; k -= 2) {
        c = 1 - c * (a * a) * (1.0 / (k * (k - 1)));
        s = 1 - s * (a * a) * (1.0 / (k * (k + 1)));
    }
    s *= a;
    *cosine = quarter % 2 == 0 ? c : -s;
    *sine = quarter % 2 == 0 ? s : c;
    if (quarter == 2 || quarter == 3) *cosine = -*cosine, *sine = -*sine;
}

/* Box and Muller (1958): elements 2i and 2i + 1 are made of words 2i and 2i + 1. */
void mf_normal(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out) {
    uint64_t words[BATCH];
    for (int64_t first = 0; first < n; first += BATCH) {
        draw(seed, purpose, step, start + first, words);
        for (int64_t i = first; i < smaller(first + BATCH, n); i += 2) {
            double radius = sqrt(-2 * logarithm(1 - unit(words[i - first]))); /* 1 - u is exact, and never zero */
            double cosine, sine;
            cosine_sine(unit(words[i - first + 1]), &cosine, &sine);
            out[i] = radius * cosine;
            if (i + 1 < n) out[i + 1] = radius * sine;
        }
    }
}
