/* Whether helpers pay, learnt from their jobs. See experience.h. */
#include "experience.h"

#include <time.h>

enum { /* nanoseconds */
    WINDOW = 20 * 1000 * 1000, /* time of the jobs by which a speed is measured */
    RUN = 1000 * 1000,         /* a run is over after this time */
    GAP = 100 * 1000,          /* between the jobs of one run, at most */
};

enum { /* windows */
    ALARMS = 2,            /* in which the machine is crowded, before the first trial */
    TRIAL = 8,             /* of the slower way: the system needs the time to find another place for the busy threads */
    LONGEST_PATIENCE = 128 /* between two trials; the time doubles while they show the same */
};

static int64_t clock_time(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

int64_t mf_now(void) { return clock_time(CLOCK_MONOTONIC); }

static void begin_run(mf_experience *e, const void *owner, int64_t time, int64_t cpu) {
    e->owner = owner;
    e->begin = time;
    e->begin_cpu = cpu;
}

int mf_wants_helpers(mf_experience *e, int64_t start) {
    static _Thread_local char me; /* its address tells threads apart */
    if (e->owner != &me || start - e->latest > GAP) begin_run(e, &me, start, clock_time(CLOCK_THREAD_CPUTIME_ID));
    return !e->alone;
}

/* The choice for the next window, given how the last one went. */
static void choose(mf_experience *e, int crowded, double speed) {
    if (!crowded && !e->alone) {
        e->speed[0] = e->speed[1] = 0;
        e->trial = e->windows = 0;
        e->patience = MF_FIRST_PATIENCE;
        return;
    }
    double *mean = &e->speed[e->alone], other = e->speed[!e->alone];
    *mean = *mean == 0 ? speed : *mean + (speed - *mean) / 8;
    if (e->trial > 0) { /* given up where it is clearly slower */
        if (--e->trial > 0 && *mean > 0.7 * other) return;
        e->trial = e->windows = 0;
        e->patience = *mean > other ? MF_FIRST_PATIENCE : 2 * e->patience;
        if (e->patience > LONGEST_PATIENCE) e->patience = LONGEST_PATIENCE;
    } else if (++e->windows >= (other == 0 ? ALARMS : e->patience)) {
        e->trial = TRIAL;
        e->alone = !e->alone;
        return;
    }
    e->alone = e->speed[1] > e->speed[0];
}

void mf_learn(mf_experience *e, double work, int64_t waited, int64_t start, int64_t end) {
    e->work += work;
    e->waited += waited;
    e->took += end - start;
    e->latest = end;
    if (end - e->begin < RUN) return;
    int64_t cpu = clock_time(CLOCK_THREAD_CPUTIME_ID);
    e->elapsed += end - e->begin;
    e->cpu += cpu - e->begin_cpu;
    begin_run(e, e->owner, end, cpu);
    if (e->took < WINDOW) return;
    /* Others had a tenth of the caller's processor, or the helpers' for so long that a third of the time was waited. */
    int crowded = e->cpu * 10 < e->elapsed * 9 || e->waited * 3 > e->took;
    choose(e, crowded, e->work / (double)e->took);
    e->took = e->waited = e->elapsed = e->cpu = 0;
    e->work = 0;
}
