/*
 * Dropout (Srivastava et al. 2014): the masks of many columns at once, by the counters that runtime/rng.h tells.
 */
#include "runtime/rng.h"

typedef uint64_t wide __attribute__((vector_size(MF_VECTOR_BYTES)));

/* The products of the lower halves of a's lanes with b. */
INLINE wide multiply_lower(wide a, uint32_t b) {
#if defined(MF_ISA_AVX512)
    return (wide)_mm512_mul_epu32((__m512i)a, _mm512_set1_epi64(b));
#elif defined(MF_ISA_AVX2)
    return (wide)_mm256_mul_epu32((__m256i)a, _mm256_set1_epi64x(b));
#else
    wide product;
    for (int i = 0; i < MF_VECTOR_BYTES / 8; i++) product[i] = (uint64_t)(uint32_t)a[i] * b;
    return product;
#endif
}

enum { PHILOX_SETS = sizeof(uint64_t) / sizeof(real) };

/* The upper halves of a's lanes as lower halves, beside anything: by the port that multiplies nothing. */
INLINE wide upper(wide a) {
#if defined(MF_ISA_AVX512)
    return (wide)_mm512_shuffle_epi32((__m512i)a, _MM_PERM_DDBB);
#else
    return a >> 32;
#endif
}

/* philox() of rng.h for LANES blocks whose counters differ in word 0 only, `first` and on. word[i] is word i of each
 * block. The lower half of a wide lane holds a block's word, the upper half anything; for float32, even blocks go in
 * one set of wide vectors, odd blocks in another. `even` is 0, PHILOX_SETS, 2 PHILOX_SETS ... */
INLINE void philox_lanes(uint64_t seed, wide even, uint32_t first, uint32_t row, uint32_t step, uint32_t purpose,
                         uvec word[4]) {
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    wide x[PHILOX_SETS][4];
    UNROLL for (int s = 0; s < PHILOX_SETS; s++) {
        x[s][0] = even + (first + (uint64_t)s);
        x[s][1] = row + (wide){0};
        x[s][2] = step + (wide){0};
        x[s][3] = purpose + (wide){0};
    }
    UNROLL for (int round = 0; round < PHILOX_ROUNDS; round++) {
        UNROLL for (int s = 0; s < PHILOX_SETS; s++) {
            const wide product0 = multiply_lower(x[s][0], 0xD2511F53u), product1 = multiply_lower(x[s][2], 0xCD9E8D57u);
            x[s][0] = upper(product1) ^ x[s][1] ^ key0;
            x[s][1] = product1;
            x[s][2] = upper(product0) ^ x[s][3] ^ key1;
            x[s][3] = product0;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
    UNROLL for (int i = 0; i < 4; i++) {
        const wide lower = x[0][i] & UINT32_MAX;
        word[i] = (uvec)(PHILOX_SETS == 2 ? lower | x[PHILOX_SETS - 1][i] << 32 : lower);
    }
}

/* Element (r, c) takes word c / 16 % 4 of the block whose counter is (16 (c / 64) + c % 16, first_row + r, step,
 * purpose and stream): LANES blocks are the masks of four runs of LANES columns. It is dropped where the word is below
 * 2^32 rate. */
static void dropout(mf_matrix x, mf_matrix out, int64_t first_row, int64_t rows, int64_t cols, double rate,
                    uint64_t seed, uint32_t stream, uint64_t step) {
    const uint32_t purpose = MF_RNG_DROPOUT | stream << 8;
    const double dropped = rate * 0x1p32 + 0.5;
    const uword threshold = dropped < 0x1p32 ? (uint32_t)dropped : UINT32_MAX;
    const real scale = (real)(1 / (1 - rate));
    const int64_t end = is_padded(x) && is_padded(out) ? round_up(cols, LANES) : cols;
    wide even;
    for (int i = 0; i < LANES / PHILOX_SETS; i++) even[i] = (uint64_t)i * PHILOX_SETS;
    for (int64_t r = 0; r < rows; r++) {
        for (int64_t first = 0; first / 16 * 64 + first % 16 < end; first += LANES) {
            uvec word[4];
            philox_lanes(seed, even, (uint32_t)first, (uint32_t)(first_row + r), (uint32_t)step, purpose, word);
            int64_t c = first / 16 * 64 + first % 16;
            for (int i = 0; i < 4 && c < end; i++, c += 16) {
                const real *from = at(x, r, c);
                real *to = at(out, r, c);
                const uvec kept = (uvec)(word[i] >= threshold);
                if (end - c >= LANES) vstore(to, (vec)(kept & (uvec)(vload(from) * scale)));
                else vstore_n(to, (vec)(kept & (uvec)(vload_n(from, (int)(end - c)) * scale)), (int)(end - c));
            }
        }
    }
}

static void rectified_span(real scale, const real *dh, const real *h, real *out, int64_t n) {
    for (int64_t i = 0; i < n; i += LANES)
        vstore(out + i, vselect(vless(vset(0), vload(h + i)), scale * vload(dh + i), vset(0)));
}

static void dropout_back(mf_matrix dh, mf_matrix h, mf_matrix out, int64_t rows, int64_t cols, double rate) {
    each_element(rectified_span, (real)(1 / (1 - rate)), dh, h, out, rows, cols);
}
