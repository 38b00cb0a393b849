/*
 * Elementary functions of vectors: at most 2 ulp over the whole range, the same bits on every ISA. Infinities, NaN,
 * denormal arguments and denormal results come out as those of libm do.
 *
 * Each function is a range reduction and one polynomial, without a branch (but for angles beyond MANY_TURNS). Numbers
 * are rounded to integers by adding MAGIC: the low bits of the sum's representation hold the integer.
 *
 * All coefficients are minimax fits of the relative error, found by the Remez exchange algorithm in 60-digit arithmetic
 * and rounded one at a time, lowest order first, the others being fitted again each time (float64's TAIL: all at once).
 * The bounds beside the tables are those of the rounded fit. Tables begin with the highest order, as Horner's rule
 * reads them.
 */
#include "runtime/angle.h"

#if defined(MF_F32)
#define MANTISSA_BITS 23
#define EXPONENT_BIAS 127
#define SMALLEST_NORMAL 0x1p-126f
#define INTEGERS 0x1p23f /* floats of [INTEGERS, 2 INTEGERS) are integers, whose low bits the mantissa holds */
#define BIG 0x1p64f /* where a power of two may be out of range, it is taken in two steps, the second of which is BIG */
#define EXP_UNDERFLOW 104.0f /* exp(-x) and more so x * exp(-x) of anything above are zero */
#define TIMES_EXP_UNDERFLOW 110.0f
#define EXP_OVERFLOW 89.0f
#define EXPM1_SATURATION 20.0f /* expm1(-x) = -1 and tanh(x) = 1 of anything above */
#define LN2_HIGH 0x1.62e4p-1f  /* k * LN2_HIGH is exact for every exponent k */
#define LN2_LOW 0x1.7f7d1cp-20f
#define HALF_PI_HIGH 0x1.921fb6p+0f
#define HALF_PI_MIDDLE -0x1.777a5cp-25f
#define HALF_PI_LOW -0x1.ee59dap-50f
#define MANY_TURNS 0x1p16f /* angles of anything above are reduced by themselves */
#else
#define MANTISSA_BITS 52
#define EXPONENT_BIAS 1023
#define SMALLEST_NORMAL 0x1p-1022
#define INTEGERS 0x1p52
#define BIG 0x1p512
#define EXP_UNDERFLOW 746.0
#define TIMES_EXP_UNDERFLOW 754.0
#define EXP_OVERFLOW 710.0
#define EXPM1_SATURATION 40.0
#define LN2_HIGH 0x1.62e42feep-1
#define LN2_LOW 0x1.a39ef35793c76p-33
#define HALF_PI_HIGH 0x1.921fb54442d18p+0
#define HALF_PI_MIDDLE 0x1.1a62633145c07p-54
#define HALF_PI_LOW -0x1.f1976b7ed8fbcp-110
#define MANY_TURNS 0x1p20
#endif
#define MAGIC (REAL(1.5) * INTEGERS)

static const real EXP[] = { /* (exp(x) - 1 - x) / x^2, |x| <= ln 2 / 2 */
#if defined(MF_F32)         /* 2^-28.0 of exp */
    0.00138264452f, 0.00836904347f, 0.0416681357f, 0.166665167f, 0.49999994f,
#else /* 2^-57.9 */
    2.5019941837257621e-8, 2.7630751365129639e-7, 2.7557530904043208e-6, 2.4801491754375574e-5, 0.00019841269560198923,
    0.0013888888944857088, 0.0083333333334737747, 0.041666666666525798,  0.16666666666666438,   0.50000000000000111,
#endif
};

static const real LOG[] = {
#if defined(MF_F32) /* (log(1 + x) - x) / x^2, sqrt(1/2) <= 1 + x <= sqrt(2): 2^-26.3 of the logarithm */
    -0.0748907551f, 0.128665f,    -0.132761151f, 0.141902283f,  -0.166069821f,
    0.200016573f,   -0.250016272f, 0.333333254f, -0.499999881f,
#else /* (2 atanh(x) - 2 x) / x^3 of x^2, the same range for (1 + x) / (1 - x): 2^-59.5 */
    0.14798613940930819, 0.15313802026351839, 0.18183573314759868, 0.22222198414884592,
    0.28571428743779431, 0.39999999999409142, 0.66666666666667351,
#endif
};

static const real LOG1P_UNIT[] = { /* the same for 0 <= x <= 1, and for 1 <= (1 + x) / (1 - x) <= 2 */
#if defined(MF_F32)                /* 2^-27.3 */
    -0.00328159356f, 0.0200583935f, -0.0574249178f, 0.106594875f,  -0.153445736f,
    0.196921021f,    -0.24958019f,  0.333304644f,   -0.499999315f,
#else /* 2^-59.4 */
    0.17015148643883543, 0.08342135487961598, 0.1210557629792207,  0.13301043935191464, 0.15386554097035574,
    0.18181744221240115, 0.22222223960651577, 0.28571428548010996, 0.40000000000155911, 0.66666666666666308,
#endif
};

static const real SIN[] = { /* (sin(x) / x - 1) / x^2 of x^2, |x| <= 0.788 */
#if defined(MF_F32)         /* 2^-27.8 of sin */
    -0.000195078843f, 0.00833210628f, -0.166666538f,
#else /* 2^-57.9 */
    1.5895228998078304e-10,  -2.505073118498699e-8, 2.7557313520641847e-6,
    -0.00019841269829317106, 0.0083333333333218077, -0.1666666666666663,
#endif
};

static const real COS[] = { /* (cos(x) - 1 + x^2 / 2) / x^4 of x^2, the same range */
#if defined(MF_F32)         /* 2^-32.9 of cos */
    2.44318708e-5f, -0.00138873071f, 0.0416666456f,
#else /* 2^-63.8 */
    -1.135733686820474e-11, 2.0875678087111124e-9,  -2.7557314015134375e-7,
    2.480158728829541e-5,   -0.0013888888888872186, 0.041666666666666588,
#endif
};

static const real ERF[] = { /* erf(x) / x - 1 of x^2, |x| <= 1 */
#if defined(MF_F32)         /* 2^-29.2 of erf */
    7.83604264e-5f, -0.000800393464f, 0.00518755894f, -0.0268534254f, 0.112835787f, -0.37612626f, 0.128379166f,
#else /* 2^-56.0 */
    -7.6105921526644602e-10, 1.3617832736156789e-8, -1.6184175213363181e-7, 1.6444165374209019e-6,
    -1.492446620835334e-5,   0.00012055280501625826, -0.0008548325484692774, 0.0052239775967273536,
    -0.026866170641958551,   0.11283791670936949,    -0.37612638903183343,   0.12837916709551256,
#endif
};

/* (1 - Phi(x)) exp(x^2 / 2) (x + 4) of (x - 4) / (x + 4), 0 <= x <= 14.5 or 38.7 */
static const real TAIL[] = {
#if defined(MF_F32) /* 2^-25.7 */
    -0.000115486182f, 0.000212086888f, 0.00157217181f, -0.003537104f, -0.00753113022f,
    0.0604102388f,    -0.18652229f,    0.38713631f,    -0.607896626f, 0.755285144f,
#else /* 2^-54.3 */
    -6.727868530770053e-10,  -2.4201761779715428e-09, 1.7623165912991511e-09,  1.9241817172885568e-08,
    1.3449738731422167e-08,  -8.480129696392341e-08,  -1.550288564370504e-07,  2.712505716520936e-07,
    1.0215278373323566e-06,  -6.293809939303224e-07,  -5.920135226836791e-06,  7.165501376526602e-07,
    3.51446684363191e-05,    -1.9082308242106505e-06, -0.0002310949308561374,  0.00013334430827742502,
    0.0016308184570008163,   -0.0034796923670309577,  -0.00754018896668472,    0.06039657489092014,
    -0.1865218579596586,     0.3871374007422148,      -0.6078966419718921,     0.7552851304157515,
#endif
};

#define POLYNOMIAL(coefficients, x) polynomial(coefficients, sizeof(coefficients) / sizeof(real), x)

/* Coefficients of every `step`-th power of x, highest first, by Horner's rule. */
INLINE vec horner(const real *coefficients, int n, int step, vec x) {
    vec sum = vset(coefficients[0]);
    UNROLL for (int i = step; i < n; i += step) sum = vfma(sum, x, vset(coefficients[i]));
    return sum;
}

/* The even and the odd powers of a long polynomial are summed side by side, since latency binds more than throughput;
 * all but the lowest two, whose rounding errors count most. */
INLINE vec polynomial(const real *coefficients, int n, vec x) {
    if (n < 10) return horner(coefficients, n, 1, x);
    const vec x2 = x * x, first = horner(coefficients, n - 2, 2, x2), second = horner(coefficients + 1, n - 3, 2, x2);
    const vec upper = n % 2 ? vfma(second, x, first) : vfma(first, x, second);
    return vfma(vfma(upper, x, vset(coefficients[n - 2])), x, vset(coefficients[n - 1]));
}

/* --- exponentials --- */

/* x = k ln 2 + r, |r| <= ln 2 / 2. Returns r + k LN2_LOW, which is exact, so that the caller rounds r only once.
 * `exponent` is what is added to the bits of a float to multiply it by 2^k. */
INLINE vec exp_reduce(vec x, vec *k, uvec *exponent) {
    const vec t = vfma(x, vset(REAL(1.4426950408889634)), vset(MAGIC));
    *k = t - MAGIC;
    *exponent = (uvec)t << MANTISSA_BITS;
    return vfma(*k, vset(-LN2_HIGH), x);
}

/* 2^k times `scale`, a power of two. */
INLINE vec exp2_scaled(uvec exponent, vec scale) { return (vec)((uvec)scale + exponent); }

/* (exp(r) - 1) / r, |r| <= ln 2 / 2 */
INLINE vec exp_expand(vec r) { return vfma(POLYNOMIAL(EXP, r), r, vset(1)); }

/* scale * exp(x); the product 2^k scale must neither overflow nor be denormal. */
INLINE vec exp_scaled(vec x, vec scale) {
    vec k;
    uvec exponent;
    const vec high = exp_reduce(x, &k, &exponent), r = vfma(k, vset(-LN2_LOW), high);
    return vfma(exp_expand(r), r, vset(1)) * exp2_scaled(exponent, scale);
}

/* factor * scale * exp(x + x_low), |x_low| < ulp(x) */
INLINE vec times_exp_scaled(vec factor, vec x, vec x_low, vec scale) {
    vec k;
    uvec exponent;
    const vec high = exp_reduce(x, &k, &exponent), r = high + vfma(k, vset(-LN2_LOW), x_low);
    return vfma(factor, exp_expand(r) * r, factor) * exp2_scaled(exponent, scale);
}

INLINE vec vexp(vec x) {
    const vec limited = vmin(vset(EXP_OVERFLOW), vmax(vset(-EXP_UNDERFLOW), x));
    /* BIG for negative x, 1 / BIG for others, and the inverse: these differ in the leading bit of the exponent only. */
    const uvec flip = ((uvec)x & (uvec)vset(REAL(-0.0))) >> 1;
    const vec scale = (vec)((uvec)vset(1 / BIG) ^ flip), unscale = (vec)((uvec)vset(BIG) ^ flip);
    return exp_scaled(limited, scale) * unscale;
}

/* exp of x <= 0, but 0 where that would be denormal or nearly so: a processor takes a hundred cycles for a denormal,
 * and the lanes beyond a narrow row's last column, exp(-inf), are in every row. So 2^k is in range, without vexp()'s
 * two steps. */
INLINE vec exp_or_zero(vec x) {
    const vec zero = vset(0);
    const mask tiny = vless(x, vset(sizeof(real) == 4 ? REAL(-87.0) : REAL(-708.0)));
    return vselect(tiny, zero, exp_scaled(vselect(tiny, zero, x), vset(1)));
}

/* exp(-x), x >= 0 */
INLINE vec exp_minus(vec x) { return exp_scaled(-vmin(vset(EXP_UNDERFLOW), x), vset(BIG)) * (1 / BIG); }

/* scale * (exp(x) - 1), scale a power of two, |x| such that scale * exp(x) neither overflows nor is denormal. */
INLINE vec expm1_scaled(vec x, real scale) {
    vec k;
    uvec exponent;
    const vec high = exp_reduce(x, &k, &exponent), low = k * LN2_LOW, r = high - low;
    const vec power = exp2_scaled(exponent, vset(scale));
    const vec rest = vfma(r * r, POLYNOMIAL(EXP, r), -low); /* exp(r) - 1 = high + rest */
    return vfma(power, rest, vfma(power, high, power - scale));
}

INLINE vec vexpm1(vec x) {
    const vec limited = vmin(vset(EXP_OVERFLOW), vmax(vset(-EXPM1_SATURATION), x));
    const vec result = expm1_scaled(limited, REAL(0.5)) * 2; /* halved, as 2^k may be just out of range */
    return vselect(vless(vabs(x), vset(1 / MAGIC)), x, result);
}

/* The same of x <= 0; of others it means nothing. */
INLINE vec expm1_minus(vec x) {
    const vec result = expm1_scaled(vmax(vset(-EXPM1_SATURATION), x), 1);
    return vselect(vless(vset(-1 / MAGIC), x), x, result);
}

/* t / (t + 2), t = expm1(2 |x|); where t is small, in the form h - h (t / (t + 2)), h = t / 2, which leaves little of
 * the rounding errors of the quotient. */
INLINE vec vtanh(vec x) {
    const vec t = expm1_scaled(vmin(vset(EXPM1_SATURATION), vabs(x) * 2), 1), h = t * REAL(0.5), ratio = t / (t + 2);
    return vcopysign(vselect(vless(t, vset(1)), vfma(-h, ratio, h), ratio), x);
}

/* With e = exp(-|x|): 1 / (1 + e) = 1 - e / (1 + e), or e / (1 + e) = e - e (e / (1 + e)): as in vtanh(). */
INLINE vec vsigmoid(vec x) {
    const vec e = exp_minus(vabs(x)), numerator = vselect(vless(x, vset(0)), e, vset(1));
    return vfma(-numerator, e / (e + 1), numerator);
}

/* z * sigmoid(s), s having the sign of z, given z and BIG exp(-|s|) for negative z limited to where that is zero.
 * Precise also where the sigmoid would be denormal. */
INLINE vec times_sigmoid(vec z, vec e_big) {
    const mask negative = vless(z, vset(0));
    const vec e = e_big * (1 / BIG), numerator = vselect(negative, e_big, vset(1));
    return vfma(-numerator, e / (e + 1), numerator) * z * vselect(negative, vset(1 / BIG), vset(1));
}

/* --- logarithms --- */

/* x = 2^k (1 + f), sqrt(1/2) <= 1 + f < sqrt(2); x positive and normal. Returns f. */
INLINE vec log_reduce(vec x, vec *k) {
    const uvec root = (uvec)vset(REAL(0.70710678118654752));
    const uvec shifted = (uvec)x + ((uvec)vset(1) - root), biased = shifted >> MANTISSA_BITS;
    *k = (vec)((uvec)vset(INTEGERS) | biased) - (INTEGERS + EXPONENT_BIAS);
    return (vec)(shifted - (biased << MANTISSA_BITS) + root) - 1;
}

/* log(1 + f) + k ln 2 */
INLINE vec log_expand(vec f, vec k) {
#if defined(MF_F32)
    return vfma(k, vset(LN2_HIGH), f + vfma(f * f, POLYNOMIAL(LOG, f), k * LN2_LOW));
#else
    const vec half = f * f * 0.5, s = f / (f + 2), s2 = s * s;
    const vec rest = vfma(s, vfma(s2, POLYNOMIAL(LOG, s2), half), k * LN2_LOW);
    return vfma(k, vset(LN2_HIGH), f - (half - rest));
#endif
}

/* `result`, the logarithm of x - pole, where that is positive and finite. */
INLINE vec log_or_special(vec x, real pole, vec result) {
    const vec edge = vselect(vequal(x, vset(pole)), vset(-INFINITY), vselect(vless(x, vset(pole)), vset(NAN), x));
    return vselect(mask_and(vless(vset(pole), x), vless(x, vset(INFINITY))), result, edge);
}

INLINE vec vlog(vec x) {
    const mask denormal = vless(x, vset(SMALLEST_NORMAL));
    vec k;
    const vec f = log_reduce(vselect(denormal, x * INTEGERS, x), &k);
    return log_or_special(x, 0, log_expand(f, vselect(denormal, k - MANTISSA_BITS, k)));
}

INLINE vec vlog1p(vec x) {
    /* sum + error = 1 + x exactly (Knuth's two-sum) */
    const vec sum = x + 1, rounded = sum - 1, error = (1 - (sum - rounded)) + (x - rounded);
    vec k;
    const vec f = log_reduce(sum, &k);
    /* 2^-k; any small number does where k is large, as the error no longer counts */
    const vec unscale = (vec)((uvec)vset(1) - ((uvec)(vmin(k, vset(64)) + MAGIC) << MANTISSA_BITS));
    const vec result = log_expand(vfma(error, unscale, f), k);
    return log_or_special(x, -1, vcopysign(result, x));
}

/* log(1 + exp(-|x|)): softplus(x) = max(x, 0) + this, log(sigmoid(x)) = min(x, 0) - this. */
INLINE vec vlog1pexp(vec x) {
    const vec e = exp_minus(vabs(x));
#if defined(MF_F32)
    return vfma(e * e, POLYNOMIAL(LOG1P_UNIT, e), e);
#else
    const vec half = e * e * 0.5, s = e / (e + 2), s2 = s * s;
    return e - (half - s * vfma(s2, POLYNOMIAL(LOG1P_UNIT, s2), half));
#endif
}

INLINE vec vsoftplus(vec x) { return vmax(vset(0), x) + vlog1pexp(x); }

/* --- sine and cosine --- */

enum { MOST_ANGLES = 2 }; /* together */

typedef struct {
    vec rest, low; /* angle = quadrant pi/2 + rest + low, |rest| <= pi/4 and a little, |low| a rounding error of it */
    uvec quadrant; /* of which the lowest two bits count */
} reduced_angle;

/* By whole numbers, the lanes of x that are not below MANY_TURNS; NaN for infinity. */
static __attribute__((noinline)) void reduce_many_turns(const vec *x, reduced_angle *angle) {
    for (int i = 0; i < LANES; i++) {
        double high = 0, low = 0;
        if ((*x)[i] < MANY_TURNS) continue;
        if (!isfinite((*x)[i])) {
            angle->rest[i] = NAN;
            continue;
        }
        angle->quadrant[i] = (uword)mf_angle_remainder((double)(*x)[i], &high, &low);
        angle->rest[i] = (real)high;
        angle->low[i] = (real)(high - (double)angle->rest[i] + low);
    }
}

/* Of some angles, x >= 0. */
INLINE void reduce_angles(const int n, const vec *x, reduced_angle *angles) {
    mask few_turns = vless(x[0], vset(MANY_TURNS));
    UNROLL for (int i = 0; i < n; i++) {
        const vec t = vfma(x[i], vset(REAL(0.63661977236758134)), vset(MAGIC)), k = t - MAGIC;
        /* `high` is exact, and a multiple of ulp(middle): so rest + (high - rest - middle) is exact as well (Dekker's
         * fast sum), however much cancels. */
        const vec high = vfma(k, vset(-HALF_PI_HIGH), x[i]), middle = k * HALF_PI_MIDDLE, rest = high - middle;
        const vec low = high - rest - middle - vfma(k, vset(HALF_PI_LOW), vfma(k, vset(HALF_PI_MIDDLE), -middle));
        angles[i] = (reduced_angle){rest, low, (uvec)t};
        few_turns = mask_and(few_turns, vless(x[i], vset(MANY_TURNS)));
    }
    if (__builtin_expect(mask_all(few_turns), 1)) return;
    for (int i = 0; i < n; i++) {
        const vec angle = x[i];
        reduced_angle reduced = angles[i];
        reduce_many_turns(&angle, &reduced);
        angles[i] = reduced;
    }
}

INLINE void sines_and_cosines(const int n, const vec *x, vec *sines, vec *cosines) {
    enum { TO_SIGN = 8 * sizeof(real) - 2 }; /* from bit 1 */
    const uvec sign = ~(~(uvec){0} >> 1);
    vec magnitudes[MOST_ANGLES];
    reduced_angle angles[MOST_ANGLES];
    UNROLL for (int i = 0; i < n; i++) magnitudes[i] = vabs(x[i]);
    reduce_angles(n, magnitudes, angles);
    UNROLL for (int i = 0; i < n; i++) {
        const vec r = angles[i].rest, r2 = r * r, s = r + vfma(r * r2, POLYNOMIAL(SIN, r2), angles[i].low);
        const vec c = vfma(r2 * r2, POLYNOMIAL(COS, r2), vfma(r2, vset(REAL(-0.5)), vset(1)));
        const uvec quadrant = angles[i].quadrant;
        const mask odd = has_bits(quadrant, 1);
        sines[i] = (vec)((uvec)vselect(odd, c, s) ^ (quadrant << TO_SIGN & sign) ^ ((uvec)x[i] & sign));
        cosines[i] = (vec)((uvec)vselect(odd, s, c) ^ ((quadrant + 1) << TO_SIGN & sign));
    }
}

INLINE vec vsin(vec x) {
    vec sine, cosine;
    sines_and_cosines(1, &x, &sine, &cosine);
    return sine;
}

INLINE vec vcos(vec x) {
    vec sine, cosine;
    sines_and_cosines(1, &x, &sine, &cosine);
    return cosine;
}

/* --- the normal distribution --- */

#define TAIL_UNDERFLOW (sizeof(real) == 4 ? REAL(14.5) : REAL(38.7)) /* x (1 - Phi(x)) of anything above is zero */
#define TAIL_SHIFT REAL(4.0)

/* factor * BIG * exp(-x^2 / 2), 0 <= x <= TAIL_UNDERFLOW */
INLINE vec times_gaussian_big(vec factor, vec x) {
    const vec minus_half = x * REAL(-0.5), high = x * minus_half, low = vfma(x, minus_half, -high);
    return times_exp_scaled(factor, high, low, vset(BIG));
}

/* (1 - Phi(x)) exp(x^2 / 2), 0 <= x <= TAIL_UNDERFLOW */
INLINE vec tail(vec x) {
    const vec inverse = 1 / (x + TAIL_SHIFT);
    return inverse * POLYNOMIAL(TAIL, vfma(inverse, vset(-2 * TAIL_SHIFT), vset(1)));
}

/* x times the same. x / (x + shift) of small x is taken as h - h (x / (x + shift)), h = x / shift, as in vtanh();
 * elsewhere the errors of the quotient and of the polynomial partly cancel. */
INLINE vec tail_times_x(vec x) {
    const vec quotient = x / (x + TAIL_SHIFT), h = x * (1 / TAIL_SHIFT);
    const vec ratio = vselect(vless(x, vset(TAIL_SHIFT / 8)), vfma(-h, quotient, h), quotient);
    return ratio * POLYNOMIAL(TAIL, vfma(quotient, vset(2), vset(-1)));
}

INLINE vec verf(vec x) {
    const vec magnitude = vabs(x), a = vmin(vset(TAIL_UNDERFLOW), magnitude * REAL(1.4142135623730951));
    const vec large = vfma(times_gaussian_big(tail(a), a), vset(-2 / BIG), vset(1));
    const vec small = vfma(magnitude, POLYNOMIAL(ERF, x * x), magnitude);
    return vcopysign(vselect(vless(magnitude, vset(1)), small, large), x);
}
