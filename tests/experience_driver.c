/*
 * Teaches experience.c with made-up speeds: `speeds[0]` of jobs with helpers, `speeds[1]` of jobs without. Returns 0 if it
 * chooses the faster way for nearly all of the time, also after a change.
 */
#include <stdio.h>

#include "experience.h"

enum { JOB = 1000 * 1000 }; /* nanoseconds */

/* The share of the last half of `milliseconds` that was spent without helpers. */
static double alone(mf_experience *e, int milliseconds, const double speeds[2]) {
    int count = 0;
    for (int i = 0; i < milliseconds; i++) {
        count += e->alone && i >= milliseconds / 2;
        mf_learn(e, JOB * speeds[e->alone], JOB);
    }
    return count / (milliseconds / 2.0);
}

static int expect(const char *what, double share, double least, double most) {
    if (share >= least && share <= most) return 1;
    printf("%s: without helpers for %.3f of the time, expected %.2f to %.2f\n", what, share, least, most);
    return 0;
}

int main(void) {
    const double faster[] = {2, 1}, little_faster[] = {1.4, 1}, hardly_faster[] = {1.1, 1}, slower[] = {0.5, 1};
    mf_experience e = {0};
    int ok = expect("at first, helpers pay", alone(&e, 20000, faster), 0.001, 0.03);
    ok &= expect("they no longer pay", alone(&e, 20000, slower), 0.97, 0.999);
    ok &= expect("hardly", alone(&e, 40000, hardly_faster), 0.90, 0.999);
    ok &= expect("a little", alone(&e, 40000, little_faster), 0.001, 0.10);
    ok &= expect("they pay again", alone(&e, 20000, faster), 0.001, 0.03);
    mf_experience other = {0};
    ok &= expect("from the first, helpers do not pay", alone(&other, 20000, slower), 0.97, 0.999);
    return !ok;
}
