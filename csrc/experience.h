/*
 * What helpers are worth to the callers of the pool, learnt from their jobs. On a machine with room for all threads they
 * always are; where other processes want the processors too, a caller may be faster alone, since helpers that spin between
 * two jobs count as much for the scheduler as the caller, and since a helper that is stopped in a task is waited for.
 */
#ifndef MLPFAST_EXPERIENCE_H
#define MLPFAST_EXPERIENCE_H

#include <stdint.h>

/* Jobs are measured in windows, made of runs: one thread's jobs with hardly a gap between them. */
typedef struct {
    int alone;                /* the choice, for the window at hand: without helpers */
    double speed[2];          /* with helpers and alone: work a nanosecond, averaged over windows; 0: not known */
    int trial;                /* windows left of a trial of the slower way */
    int windows, patience;    /* since the last trial; until the next */
    int64_t took, waited;     /* time of the window's jobs, and of that the callers' wait for helpers */
    double work;              /* of its jobs */
    int64_t elapsed, cpu;     /* time of its runs that are over, and their threads' CPU time */
    const void *owner;        /* thread of the run at hand */
    int64_t begin, begin_cpu; /* of the run: the clock, and the owner's CPU time */
    int64_t latest;           /* end of its latest job */
} mf_experience;

enum { MF_FIRST_PATIENCE = 8 };
#define MF_NO_EXPERIENCE {.patience = MF_FIRST_PATIENCE}

int64_t mf_now(void); /* nanoseconds of a clock that never goes back */
/* Whether a job that this thread starts now should have helpers. */
int mf_wants_helpers(mf_experience *e, int64_t start);
/* Books that job: its work in any unit that fits all jobs, and how long its caller waited for helpers at the end. */
void mf_learn(mf_experience *e, double work, int64_t waited, int64_t start, int64_t end);

#endif
