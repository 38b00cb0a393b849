/*
 * The machine's roof: chains of fused multiply-adds that touch nothing but registers, plain reads and copies, and a
 * cache line that two threads hand to and fro.
 *
 * Compiled at run time, once for each ISA, with -O2 -ffp-contract=fast and the ISA's flags: the vectors are as wide as
 * its registers, and a * b + c becomes one instruction where it has one (else a product and a sum).
 */
#include <stdint.h>
#include <string.h>

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX2__)
#define BYTES 32
#else
#define BYTES 16
#endif

/* Independent chains: more than latency x issue width (4 x 2 on the cores of today), and registers enough for them. */
#define CHAINS 12
#define UNROLL _Pragma("GCC unroll 16")

typedef float vec_f32 __attribute__((vector_size(BYTES)));
typedef double vec_f64 __attribute__((vector_size(BYTES)));
typedef uint64_t vec_u64 __attribute__((vector_size(BYTES)));

/* CHAINS multiply-adds, n times. They converge to 1, so that no operand is special. The flops are returned. */
#define DEFINE_FMA(type, vec)                                                                                        \
    double fma_##type(int64_t n, type *sink) {                                                                       \
        vec chain[CHAINS], a = (type)0.75 - (vec){0}, b = (type)0.25 - (vec){0};                                     \
        UNROLL for (int j = 0; j < CHAINS; j++) chain[j] = (type)(0.5 + 0.01 * j) - (vec){0};                        \
        for (int64_t i = 0; i < n; i++) {                                                                            \
            UNROLL for (int j = 0; j < CHAINS; j++) chain[j] = chain[j] * a + b;                                     \
            __asm__ volatile("" : : : "memory");                                                                     \
        }                                                                                                            \
        type total = 0;                                                                                              \
        UNROLL for (int j = 0; j < CHAINS; j++) total += chain[j][0];                                                \
        *sink = total;                                                                                               \
        return 2.0 * CHAINS * (double)(BYTES / sizeof(type)) * (double)n;                                            \
    }
typedef float f32;
typedef double f64;
DEFINE_FMA(f32, vec_f32)
DEFINE_FMA(f64, vec_f64)

/* Reads `size` bytes (a multiple of 8 * BYTES, aligned to BYTES) n times. */
uint64_t read_bytes(const void *data, int64_t size, int64_t n) {
    const vec_u64 *p = data;
    vec_u64 total[8] = {{0}};
    for (int64_t repeat = 0; repeat < n; repeat++) {
        for (int64_t i = 0; i < size / BYTES; i += 8) {
            UNROLL for (int j = 0; j < 8; j++) total[j] |= p[i + j];
        }
        __asm__ volatile("" : : : "memory");
    }
    UNROLL for (int j = 1; j < 8; j++) total[0] |= total[j];
    return total[0][0];
}

void copy_bytes(void *out, const void *in, int64_t size, int64_t n) {
    for (int64_t repeat = 0; repeat < n; repeat++) {
        memcpy(out, in, (size_t)size);
        __asm__ volatile("" : : : "memory");
    }
}

/* Takes every other turn from `first` on, before `end`: waits for the turn and gives the line to the other thread. */
void take_turns(int64_t *turn, int64_t first, int64_t end) {
    for (int64_t mine = first; mine < end; mine += 2) {
        while (__atomic_load_n(turn, __ATOMIC_ACQUIRE) != mine) {}
        __atomic_store_n(turn, mine + 1, __ATOMIC_RELEASE);
    }
}

/* Whether this processor has the ISA that the file was compiled for. */
int supported(void) {
#if defined(__AVX512F__)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
#elif defined(__AVX2__)
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#else
    return 1;
#endif
}
