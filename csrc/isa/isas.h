/*
 * The instruction sets, best first, a row each: ISA(name, "the compiler's flags", whether this CPU runs it).
 *
 * The build runs the preprocessor over this file, which leaves the rows of the architecture that it compiles for, and
 * compiles <name>_f32.c and <name>_f64.c with a row's flags. dispatch.c chooses among them.
 */
#if defined(__x86_64__)
ISA(avx512, "-mavx512f -mavx512dq -mavx512bw -mavx512vl -mfma -mprfchw",
    CPU(avx2) && CPU(fma) && CPU(avx512f) && CPU(avx512dq) && CPU(avx512bw) && CPU(avx512vl))
ISA(avx2, "-mavx2 -mfma -mprfchw", CPU(avx2) && CPU(fma))
#define PORTABLE "-Os" /* without FMA, all of its time goes into calls of fma() */
#elif defined(__aarch64__)
ISA(neon, "", 1)
#define PORTABLE ""
#else
#define PORTABLE ""
#endif
ISA(portable, PORTABLE, 1)
#undef PORTABLE
