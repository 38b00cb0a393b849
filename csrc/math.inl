/*
 * Elementary functions of vectors: at most 2 ulp over the whole range, the same bits on every ISA. Infinities, NaN,
 * denormal arguments and denormal results come out as those of libm do.
 *
 * Each function is a range reduction and one polynomial, without a branch. Numbers are rounded to
 * integers by adding MAGIC: the low bits of the sum's representation hold the integer.
 *
 * All coefficients are minimax fits of the relative error, found by the Remez exchange algorithm in 60-digit arithmetic
 * and rounded one at a time, lowest order first, the others being fitted again each time. The bounds beside the tables are
 * those of the fit. Tables begin with the highest order, as Horner's rule reads them.
 */

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

static const real ERF[] = { /* erf(x) / x - 1 of x^2, |x| <= 3/4 */
#if defined(MF_F32)         /* 2^-29.2 of erf */
    -0.000673758332f, 0.00511315698f, -0.0268343352f, 0.11283379f, -0.3761262f, 0.128379166f,
#else /* 2^-56.3 */
    1.3325081969076682e-8,  -1.6464824148686978e-7, 1.6493908999631899e-6,  -1.4928417814709227e-5,
    0.00012055460105054786, -0.00085483304589437027, 0.0052239776806408652, -0.026866170650166211,
    0.11283791670978353,    -0.3761263890318417,     0.12837916709551259,
#endif
};

/* (1 - Phi(x)) exp(x^2 / 2) (x + TAIL_SHIFT) of (x - TAIL_SHIFT) / (x + TAIL_SHIFT), 0 <= x <= TAIL_UNDERFLOW */
static const real TAIL[] = {
#if defined(MF_F32) /* 2^-25.7 */
    -0.000115486182f, 0.000212086888f, 0.00157217181f, -0.003537104f, -0.00753113022f,
    0.0604102388f,    -0.18652229f,    0.38713631f,    -0.607896626f, 0.755285144f,
#else /* 2^-55.1 */
    -2.6882128540746067e-9,  -5.9141528162170454e-9,  2.303128270858345e-8,    5.0906619008176358e-8,
    -1.7738315096584111e-7,  -2.6843643486165244e-7,  1.4834518556745885e-6,   4.4668577870042517e-7,
    -1.2118589566045955e-5,  1.6319899430527897e-5,   7.1414724984552132e-5,   -0.00032452264749190595,
    0.00026960403089517618,  0.0024429826768126877,   -0.0139235105698442,     0.045097580814416713,
    -0.1097030899584051,     0.21787243285799188,     -0.36704906529363041,    0.53559648906249391,
    -0.68518342057433801,    0.77376963427640677,
#endif
};

/* The polynomial with these coefficients, highest order first. */
#define POLYNOMIAL(coefficients, x) horner(coefficients, sizeof(coefficients) / sizeof(real), x)

INLINE vec horner(const real *coefficients, int n, vec x) {
    vec sum = vset(coefficients[0]);
    UNROLL for (int i = 1; i < n; i++) sum = vfma(sum, x, vset(coefficients[i]));
    return sum;
}

/* --- exponentials --- */

/* x = k ln 2 + r, |r| <= ln 2 / 2. Also gives k as it is added to the bits of a float in order to multiply by 2^k. */
INLINE vec exp_reduce(vec x, vec *k, uvec *exponent) {
    const vec t = vfma(x, vset(REAL(1.4426950408889634)), vset(MAGIC));
    *k = t - MAGIC;
    *exponent = (uvec)t << MANTISSA_BITS;
    return vfma(*k, vset(-LN2_HIGH), x); /* exact; the rest, k LN2_LOW, is the caller's */
}

/* 2^k times `scale`, a power of two. */
INLINE vec exp2_scaled(uvec exponent, vec scale) { return (vec)((uvec)scale + exponent); }

/* exp(r), |r| <= ln 2 / 2 */
INLINE vec exp_expand(vec r) { return vfma(vfma(POLYNOMIAL(EXP, r), r, vset(1)), r, vset(1)); }

/* scale * exp(x); the product 2^k scale must neither overflow nor be denormal. */
INLINE vec exp_scaled(vec x, vec scale) {
    vec k;
    uvec exponent;
    const vec high = exp_reduce(x, &k, &exponent);
    return exp_expand(vfma(k, vset(-LN2_LOW), high)) * exp2_scaled(exponent, scale);
}

/* The same of x + x_low, |x_low| < ulp(x). */
INLINE vec exp_scaled_sum(vec x, vec x_low, vec scale) {
    vec k;
    uvec exponent;
    const vec high = exp_reduce(x, &k, &exponent);
    return exp_expand(high + vfma(k, vset(-LN2_LOW), x_low)) * exp2_scaled(exponent, scale);
}

INLINE vec vexp(vec x) {
    const vec limited = vmin(vset(EXP_OVERFLOW), vmax(vset(-EXP_UNDERFLOW), x));
    /* BIG for negative x, 1 / BIG for others, and the inverse: these differ in the leading bit of the exponent only. */
    const uvec flip = ((uvec)x & (uvec)vset(REAL(-0.0))) >> 1;
    const vec scale = (vec)((uvec)vset(1 / BIG) ^ flip), unscale = (vec)((uvec)vset(BIG) ^ flip);
    return exp_scaled(limited, scale) * unscale;
}

/* exp(-x), x >= 0 */
INLINE vec exp_minus(vec x) { return exp_scaled(-vmin(vset(EXP_UNDERFLOW), x), vset(BIG)) * (1 / BIG); }

/* scale * (exp(x) - 1), scale a power of two, |x| such that scale * exp(x) neither overflows nor is denormal. */
INLINE vec expm1_scaled(vec x, real scale) {
    vec k;
    uvec exponent;
    const vec high = exp_reduce(x, &k, &exponent), low = k * LN2_LOW, r = high - low;
    const vec power = exp2_scaled(exponent, vset(scale));
    return vfma(power, high + vfma(r * r, POLYNOMIAL(EXP, r), -low), power - scale);
}

INLINE vec vexpm1(vec x) {
    const vec limited = vmin(vset(EXP_OVERFLOW), vmax(vset(-EXPM1_SATURATION), x));
    const vec result = expm1_scaled(limited, REAL(0.5)) * 2; /* halved, as 2^k may be just out of range */
    return vselect(vless(vabs(x), vset(1 / MAGIC)), x, result);
}

/* m / (2 - m), m = 1 - exp(-2 |x|), by a step that leaves little of the quotient's rounding error: with h = m / 2,
 * h / (1 - h) = h + h (h / (1 - h)). */
INLINE vec vtanh(vec x) {
    const vec h = -expm1_scaled(vmax(vset(-EXPM1_SATURATION), vabs(x) * -2), REAL(0.5));
    return vcopysign(vfma(h, h / (1 - h), h), x);
}

/* With e = exp(-|x|): 1 / (1 + e) = 1 - e / (1 + e), or e / (1 + e) = e - e (e / (1 + e)), as vtanh() does it. */
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

/* `result`, a logarithm of x + offset, where that argument is positive and finite. */
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

/* --- the normal distribution --- */

#if defined(MF_F32)
#define TAIL_UNDERFLOW REAL(14.5) /* x (1 - Phi(x)) of anything above is zero */
#define TAIL_SHIFT REAL(4.0)
#else
#define TAIL_UNDERFLOW 38.7
#define TAIL_SHIFT 5.5
#endif

/* BIG * exp(-x^2 / 2), 0 <= x <= TAIL_UNDERFLOW */
INLINE vec gaussian_big(vec x) {
    const vec minus_half = x * REAL(-0.5), high = x * minus_half, low = vfma(x, minus_half, -high);
    return exp_scaled_sum(high, low, vset(BIG));
}

/* (1 - Phi(x)) exp(x^2 / 2), 0 <= x <= TAIL_UNDERFLOW */
INLINE vec tail(vec x) {
    const vec inverse = 1 / (x + TAIL_SHIFT);
    return inverse * POLYNOMIAL(TAIL, vfma(inverse, vset(-2 * TAIL_SHIFT), vset(1)));
}

/* x times the same */
INLINE vec tail_times_x(vec x) {
    const vec ratio = x / (x + TAIL_SHIFT);
    return ratio * POLYNOMIAL(TAIL, vfma(ratio, vset(2), vset(-1)));
}

INLINE vec verf(vec x) {
    const vec magnitude = vabs(x), a = vmin(vset(TAIL_UNDERFLOW), magnitude * REAL(1.4142135623730951));
    const vec large = vfma(gaussian_big(a) * (-2 / BIG), tail(a), vset(1));
    const vec small = vfma(magnitude, POLYNOMIAL(ERF, x * x), magnitude);
    return vcopysign(vselect(vless(magnitude, vset(REAL(0.75))), small, large), x);
}
