/*
 * Which kernel table to use: the first ISA of the list in isa/isas.h that this CPU and operating system can run, or the
 * one that MLPFAST_ISA names. This file and all others of the runtime are compiled for the baseline CPU.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "mlpfast.h"

/* The builtin reads CPUID and also XGETBV: whether the operating system saves the wider registers. Not asked for is
 * PREFETCHW, which the kernels for x86 use: where it is missing, 64-bit processors take it for a no-op. */
#define CPU(feature) __builtin_cpu_supports(#feature)

#define ISA(name, flags, runs)                                                                                         \
    extern const mf_kernels mf_kernels_##name##_f32, mf_kernels_##name##_f64;                                          \
    static int runs_##name(void) { return runs; }
#include "isa/isas.h"
#undef ISA

static const struct isa {
    const char *name;
    int (*runs_here)(void);
    const mf_kernels *f32, *f64;
} isas[] = {
#define ISA(name, flags, runs) {#name, runs_##name, &mf_kernels_##name##_f32, &mf_kernels_##name##_f64},
#include "isa/isas.h"
#undef ISA
};
enum { ISAS = sizeof isas / sizeof isas[0] };

/* The best one that runs here; or the one of that name, if it runs here. */
static const struct isa *find(const char *name) {
    for (int i = 0; i < ISAS; i++)
        if ((name == NULL || strcmp(name, isas[i].name) == 0) && isas[i].runs_here()) return &isas[i];
    return NULL;
}

static const mf_kernels *table(const struct isa *isa, int dtype) {
    if (isa == NULL) return NULL;
    return dtype == MF_FLOAT32 ? isa->f32 : dtype == MF_FLOAT64 ? isa->f64 : NULL;
}

const mf_kernels *mf_table(int dtype) {
    /* Threads that race here choose the same, so one atomic pointer is enough. */
    static _Atomic(const struct isa *) chosen;
    const struct isa *isa = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (isa == NULL) {
        const char *name = getenv("MLPFAST_ISA");
        isa = find(name != NULL && *name != '\0' ? name : NULL);
        atomic_store_explicit(&chosen, isa, memory_order_relaxed);
    }
    return table(isa, dtype);
}

const mf_kernels *mf_table_of(const char *isa, int dtype) { return isa == NULL ? NULL : table(find(isa), dtype); }

int mf_available_isas(const char **names, int size) {
    int n = 0;
    for (int i = 0; i < ISAS && n < size; i++)
        if (isas[i].runs_here()) names[n++] = isas[i].name;
    return n;
}
