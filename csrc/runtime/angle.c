/*
 * The remainder of a large angle, after Payne and Hanek, "Radian reduction for trigonometric functions" (SIGNUM
 * Newsletter, 1983): x 2/pi modulo 4 from the bits of 2/pi alone that count, in whole numbers.
 */
#include "runtime/angle.h"

#include <math.h>
#include <string.h>

enum { MANTISSA_BITS = 52, EXPONENT_BIAS = 1023, ZEROS = 64 /* before the first bit of 2/pi */ };

/* 2/pi, as many bits as the largest double needs, the highest first. */
static const uint32_t TWO_OVER_PI[] = {
    0x00000000, 0x00000000, 0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab,
    0xdebbc561, 0xb7246e3a, 0x424dd2e0, 0x06492eea, 0x09d1921c, 0xfe1deb1c, 0xb129a73e, 0xe88235f5, 0x2ebb4484,
    0xe99c7026, 0xb45f7e41, 0x3991d639, 0x835339f4, 0x9c845f8b, 0xbdf9283b, 0x1ff897ff, 0xde05980f, 0xef2f118b,
    0x5a0a6d1f, 0x6d367ecf, 0x27cb09b7, 0x4f463f66, 0x9e5fea2d, 0x7527bac7, 0xebe5f17b, 0x3d0739f7, 0x8a5292ea,
    0x6bfb5fb1, 0x1f8d5d08, 0x56033046, 0xfc7b6bab,
};

/* 64 of its bits, `bit` and on, counted from the beginning of the table. */
static uint64_t bits_from(int bit) {
    const uint32_t *word = TWO_OVER_PI + bit / 32;
    const uint64_t pair = (uint64_t)word[0] << 32 | word[1];
    return bit % 32 ? pair << bit % 32 | word[2] >> (32 - bit % 32) : pair;
}

int mf_angle_remainder(double x, double *high, double *low) {
    static const double half_pi = 0x1.921fb54442d18p+0, rest_of_half_pi = 0x1.1a62633145c07p-54;
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    /* x = mantissa 2^exponent. Bits of 2/pi that make multiples of 4 are left out; the first of these is bit
     * `exponent - 1` after the point. */
    const uint64_t mantissa = (bits & (((uint64_t)1 << MANTISSA_BITS) - 1)) | (uint64_t)1 << MANTISSA_BITS;
    const int exponent = (int)(bits >> MANTISSA_BITS) - EXPONENT_BIAS - MANTISSA_BITS, first = ZEROS + exponent - 2;
    /* x 2/pi modulo 4 in 192 bits, two of them before the point */
    const unsigned __int128 low_product = (unsigned __int128)mantissa * bits_from(first + 128);
    const unsigned __int128 middle_product =
        (unsigned __int128)mantissa * bits_from(first + 64) + (uint64_t)(low_product >> 64);
    const uint64_t top = mantissa * bits_from(first) + (uint64_t)(middle_product >> 64);
    const uint64_t middle = (uint64_t)middle_product, bottom = (uint64_t)low_product;
    /* The fraction, and where it is above 1/2, one quadrant more and what is left to it. */
    uint64_t fraction[3] = {top << 2 | middle >> 62, middle << 2 | bottom >> 62, bottom << 2};
    const int beyond = (int)(fraction[0] >> 63);
    for (int i = 0; i < 3; i++) fraction[i] = beyond ? ~fraction[i] : fraction[i];
    int zeros = 0;
    for (; zeros < 128 && !(fraction[0] >> 63); zeros++) {
        fraction[0] = fraction[0] << 1 | fraction[1] >> 63;
        fraction[1] = fraction[1] << 1 | fraction[2] >> 63;
        fraction[2] <<= 1;
    }
    const double leading = ldexp((double)(fraction[0] >> 11), -53 - zeros);
    const double trailing = ldexp((double)(fraction[0] << 53 | fraction[1] >> 11), -117 - zeros);
    const double product = leading * half_pi;
    const double rest = fma(leading, half_pi, -product) + leading * rest_of_half_pi + trailing * half_pi;
    const double sum = product + rest, sign = beyond ? -1 : 1;
    *high = sign * sum;
    *low = sign * (product - sum + rest);
    return ((int)(top >> 62) + beyond) & 3;
}
