/*
 * The floating-point mode of a thread: whether denormal numbers are kept or flushed to zero.
 */
#include "mlpfast.h"

#if defined(__x86_64__)
#include <xmmintrin.h>

enum { FLUSH_RESULTS = 1 << 15, FLUSH_OPERANDS = 1 << 6 };

uint64_t mf_float_mode(void) { return _mm_getcsr(); }
void mf_set_float_mode(uint64_t mode) { _mm_setcsr((unsigned)mode); }

#elif defined(__aarch64__)

enum { FLUSH_RESULTS = 1 << 24, FLUSH_OPERANDS = 0 }; /* one bit for both */

uint64_t mf_float_mode(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
void mf_set_float_mode(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }

#else

enum { FLUSH_RESULTS = 0, FLUSH_OPERANDS = 0 };

uint64_t mf_float_mode(void) { return 0; }
void mf_set_float_mode(uint64_t mode) { (void)mode; }

#endif

uint64_t mf_flush_denormals(void) {
    const uint64_t mode = mf_float_mode();
    mf_set_float_mode(mode | FLUSH_RESULTS | FLUSH_OPERANDS);
    return mode;
}
