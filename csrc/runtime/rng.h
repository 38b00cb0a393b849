/*
 * Philox4x32-10, the counter-based generator of Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011): a block of four random words is a function of a key and a counter, so that any element can be
 * computed by anyone, in any order.
 *
 * Who uses which counter:
 *
 *     word          sequences (rng.c)              dropout masks (dropout.inl)
 *     key[0..1]     seed, low and high 32 bits     the same
 *     counter[0]    block, low 32 bits             16 (c / 64) + c % 16 for column c
 *     counter[1]    block, high 32 bits            row
 *     counter[2]    step                           step
 *     counter[3]    purpose | stream << 8          MF_RNG_DROPOUT | stream << 8
 *
 * Steps and rows count modulo 2^32; purposes are below 256, streams below 2^24: those of the order of rows are the
 * chunks that these come in. Column c of a row takes word c / 16 % 4 of its block, so that 16 blocks are, word by word,
 * the masks of 64 columns in order.
 */
#ifndef MLPFAST_RNG_H
#define MLPFAST_RNG_H

#include <stdint.h>

/* Blocks are computed in batches, word by word, so that the compiler turns the inner loop into vector instructions. */
enum { PHILOX_ROUNDS = 10, PHILOX_BATCH = 32 };

/* x (4, PHILOX_BATCH): IN counters, OUT random words; x[i][b] is word i of block b. */
static inline __attribute__((always_inline, unused)) void philox(uint64_t seed, uint32_t (*x)[PHILOX_BATCH]) {
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        for (int b = 0; b < PHILOX_BATCH; b++) {
            uint64_t product0 = (uint64_t)0xD2511F53u * x[0][b], product1 = (uint64_t)0xCD9E8D57u * x[2][b];
            x[0][b] = (uint32_t)(product1 >> 32) ^ x[1][b] ^ key0;
            x[1][b] = (uint32_t)product1;
            x[2][b] = (uint32_t)(product0 >> 32) ^ x[3][b] ^ key1;
            x[3][b] = (uint32_t)product0;
        }
        key0 += 0x9E3779B9u;
        key1 += 0xBB67AE85u;
    }
}

#endif
