/*
 * What helpers are worth to the callers of the pool, learnt by trying. They mostly are worth a lot; but where other
 * processes want the processors too, helpers that spin between two jobs count as much for the scheduler as the caller,
 * a helper that is stopped in a task is waited for, and where processors are far apart, small jobs wait for memory.
 * None of this can be told from inside a job: only the speeds with and without helpers tell. But where nothing stops
 * the threads of the process, the machine has room for them, and trials may be rare and short.
 */
#ifndef MLPFAST_EXPERIENCE_H
#define MLPFAST_EXPERIENCE_H

#include <stdint.h>

/* Jobs are measured in windows. Every now and then some windows try the slower way. At first it is all zero. */
typedef struct {
    int alone;            /* the choice, for the window at hand: without helpers */
    double speed[2];      /* with helpers and alone: mean work a nanosecond of the latest windows; 0: not known */
    int averaged[2];      /* windows in that mean */
    int trial;            /* windows left of a trial */
    int waited, patience; /* since the last trial; until the next */
    int calm;             /* hardly anything stopped the threads in the last window with helpers */
    int64_t stops;        /* at the end of the last window */
    int64_t took;         /* time of the window's jobs, in nanoseconds */
    double work;          /* of its jobs, in any unit that fits all */
} mf_experience;

/* Books a job that could have had helpers: returns whether that ends the window, and mf_choose is due. */
int mf_book(mf_experience *e, double work, int64_t took);

/* Chooses for the next window. stops: how often, so far, the system stopped a thread of ours to run another's. */
void mf_choose(mf_experience *e, int64_t stops);

#endif
