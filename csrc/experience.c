/* Whether helpers pay, learnt by trying. See experience.h. */
#include "experience.h"

enum { WINDOW = 20 * 1000 * 1000 }; /* nanoseconds */

enum { /* windows */
    FIRST_PATIENCE = 2,     /* before the first trial */
    NEW_PATIENCE = 8,       /* after a change */
    TRIAL = 8,              /* the system needs the time to find another place for the busy threads */
    AVERAGED = 8,           /* in a mean, about */
    LONGEST_PATIENCE = 128, /* between two trials; the time doubles while they show the same */
};

/* Helpers that gain less take processors from others for little, and on a busy machine the speeds vary by more than that. */
static const double LEAST_GAIN = 1.25;

static void choose(mf_experience *e, double speed) {
    double *mean = &e->speed[e->alone], other = e->speed[!e->alone];
    int *averaged = &e->averaged[e->alone];
    if (e->patience == 0) e->patience = FIRST_PATIENCE;
    if (*averaged < AVERAGED) ++*averaged;
    *mean += (speed - *mean) / *averaged;
    if (e->trial == 0 && ++e->windows >= e->patience) {
        e->trial = TRIAL;
        e->alone = !e->alone;
        e->averaged[e->alone] = 0;
        return;
    }
    int better = e->alone ? *mean * LEAST_GAIN > other : *mean > other * LEAST_GAIN, tried = e->trial > 0;
    if (tried && --e->trial > 0 && *mean > 0.7 * other) return; /* else it has clearly failed */
    if (tried == better) e->patience = NEW_PATIENCE; /* things have changed */
    else if (tried) e->patience = 2 * e->patience < LONGEST_PATIENCE ? 2 * e->patience : LONGEST_PATIENCE;
    if (tried || !better) e->trial = e->windows = 0;
    if (!better) e->alone = !e->alone;
}

void mf_learn(mf_experience *e, double work, int64_t took) {
    e->work += work;
    e->took += took;
    if (e->took < WINDOW) return;
    choose(e, e->work / (double)e->took);
    e->work = 0;
    e->took = 0;
}
