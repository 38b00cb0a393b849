/* Whether helpers pay, learnt by trying. See experience.h. */
#include "runtime/experience.h"

enum { /* nanoseconds */
    WINDOW = 20 * 1000 * 1000,
    CALM = 8 * 1000 * 1000, /* or more between two stops: on a free machine it is 20 ms, beside other work 2 to 4 */
};

enum { /* windows */
    TRIAL = 8,    /* at most: the system needs the time to find another place for the busy threads */
    AVERAGED = 8, /* in a mean, about */
};

enum { /* waiting for a trial: a calm window with helpers counts 1 */
    HASTE = 16,                     /* any other window */
    FIRST_PATIENCE = 2 * HASTE,     /* before the first trial */
    NEW_PATIENCE = 8 * HASTE,       /* after a change */
    LONGEST_PATIENCE = 128 * HASTE, /* the time doubles while trials show the same */
};

/* Helpers that gain less are not worth it: on a busy machine they take others' processors, and speeds vary as much. */
static const double LEAST_GAIN = 1.25, LEAST_CALM_GAIN = 1.05;

int mf_book(mf_experience *e, double work, int64_t took) {
    e->work += work;
    e->took += took;
    return e->took >= WINDOW;
}

void mf_choose(mf_experience *e, int64_t stops) {
    const double speed = e->work / (double)e->took, other = e->speed[!e->alone];
    double *mean = &e->speed[e->alone];
    int *averaged = &e->averaged[e->alone];
    /* Before the first window nobody counted. */
    if (!e->alone) e->calm = e->patience > 0 && (stops - e->stops) * CALM <= e->took;
    e->stops = stops;
    e->work = 0;
    e->took = 0;
    if (e->patience == 0) e->patience = FIRST_PATIENCE;
    if (*averaged < AVERAGED) ++*averaged;
    *mean += (speed - *mean) / *averaged;
    if (e->trial == 0 && (e->waited += !e->alone && e->calm ? 1 : HASTE) >= e->patience) {
        e->trial = TRIAL;
        e->alone = !e->alone;
        e->averaged[e->alone] = 0;
        return;
    }
    const double gain = e->calm ? LEAST_CALM_GAIN : LEAST_GAIN;
    int better = e->alone ? *mean * gain > other : *mean > other * gain, tried = e->trial > 0;
    int failed = e->calm ? !better : *mean <= 0.7 * other; /* clearly */
    if (tried && --e->trial > 0 && !failed) return;
    if (tried == better) e->patience = NEW_PATIENCE; /* things have changed */
    else if (tried) e->patience = 2 * e->patience < LONGEST_PATIENCE ? 2 * e->patience : LONGEST_PATIENCE;
    if (tried || !better) e->trial = e->waited = 0;
    if (!better) e->alone = !e->alone;
}
