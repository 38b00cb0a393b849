/*
 * How many threads a process may use: the processors that it may run on, its control group's quota, what the
 * environment says, what was set.
 */
#if defined(__linux__)
#define _GNU_SOURCE 1 /* sched_getaffinity */
#endif
#include <limits.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mlpfast.h"

#if defined(__linux__)
static int cpus_by_affinity(void) {
    int cpus = MF_MAX_THREADS;
    /* The kernel refuses a set that is smaller than its own. */
    for (int size = 1024; size <= 1 << 20; size *= 4) {
        cpu_set_t *set = CPU_ALLOC(size);
        if (set == NULL) break;
        int known = sched_getaffinity(0, CPU_ALLOC_SIZE(size), set) == 0;
        if (known) cpus = CPU_COUNT_S(CPU_ALLOC_SIZE(size), set);
        CPU_FREE(set);
        if (known) break;
    }
    return cpus;
}

/* Returns how many of the two numbers stand at the beginning of directory/file. */
static int read_numbers(const char *directory, const char *file, long *a, long *b) {
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/%s", directory, file) >= (int)sizeof path) return 0;
    FILE *stream = fopen(path, "r");
    if (stream == NULL) return 0;
    int n = fscanf(stream, "%ld %ld", a, b);
    fclose(stream);
    return n;
}

/* The quota of one control group, in CPUs, rounded up. */
static int cpus_of_group(const char *directory) {
    long quota = -1, period = 0, nothing;
    if (read_numbers(directory, "cpu.max", &quota, &period) < 2 && /* version 2; "max 100000" is no limit */
        read_numbers(directory, "cpu.cfs_quota_us", &quota, &nothing) == 1)
        read_numbers(directory, "cpu.cfs_period_us", &period, &nothing);
    if (quota <= 0 || period <= 0 || quota / period >= MF_MAX_THREADS) return MF_MAX_THREADS;
    return (int)((quota + period - 1) / period);
}

/* The smallest quota of our control group and those that it is in. */
static int cpus_by_quota(void) {
    int cpus = MF_MAX_THREADS;
    char line[PATH_MAX], directory[PATH_MAX + 32];
    FILE *groups = fopen("/proc/self/cgroup", "r"); /* lines of id:controllers:path; version 2 names no controllers */
    if (groups == NULL) return cpus;
    while (fgets(line, sizeof line, groups) != NULL) {
        char *controllers = strchr(line, ':'), *path = controllers != NULL ? strchr(controllers + 1, ':') : NULL;
        if (path == NULL) continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        int version2 = *++controllers == '\0', cpu = 0;
        for (char *rest, *c = strtok_r(controllers, ",", &rest); c != NULL; c = strtok_r(NULL, ",", &rest))
            cpu |= strcmp(c, "cpu") == 0;
        if (!version2 && !cpu) continue;
        /* In a container the path may be the host's; the walk ends at the mount point, which is the container's. */
        for (;;) {
            snprintf(directory, sizeof directory, "/sys/fs/cgroup%s%s", version2 ? "" : "/cpu", path);
            int quota = cpus_of_group(directory);
            if (quota < cpus) cpus = quota;
            char *last = strrchr(path, '/');
            if (last == NULL) break;
            *last = '\0';
        }
    }
    fclose(groups);
    return cpus;
}
#endif

/* A positive number in the environment, or 0. */
static long number_of(const char *variable) {
    const char *text = getenv(variable);
    char *end;
    long n = text != NULL ? strtol(text, &end, 10) : 0;
    return n > 0 && *end == '\0' ? n : 0;
}

static int default_threads(void) {
    long n = number_of("MLPFAST_NUM_THREADS"), limit = number_of("OMP_NUM_THREADS");
    if (n == 0) {
        n = sysconf(_SC_NPROCESSORS_ONLN);
#if defined(__linux__)
        int affinity = cpus_by_affinity(), quota = cpus_by_quota();
        n = affinity < quota ? affinity : quota;
#endif
        if (limit > 0 && limit < n) n = limit; /* joblib, dask and ray tell their workers' share by it */
    }
    return n < 1 ? 1 : n > MF_MAX_THREADS ? MF_MAX_THREADS : (int)n;
}

static atomic_int most_threads; /* as set; 0: the default */

int mf_max_threads(void) {
    static atomic_int by_default; /* threads that race to find it out find the same */
    int n = atomic_load_explicit(&most_threads, memory_order_relaxed);
    if (n == 0) n = atomic_load_explicit(&by_default, memory_order_relaxed);
    if (n == 0) atomic_store_explicit(&by_default, n = default_threads(), memory_order_relaxed);
    return n;
}

void mf_set_max_threads(int n) {
    atomic_store_explicit(&most_threads, n < 0 ? 0 : n > MF_MAX_THREADS ? MF_MAX_THREADS : n, memory_order_relaxed);
}
