/*
 * Teaches experience.c with made-up speeds: `speeds[0]` of jobs with helpers, `speeds[1]` of jobs without; and with
 * threads that are stopped every so often. Returns 0 if it chooses the faster way for nearly all of the time, also
 * after a change, and tries the slower one hardly ever where nothing stops the threads.
 */
#include <stdio.h>

#include "runtime/experience.h"

enum { JOB = 1000 * 1000 /* nanoseconds */, FREE = 25, BUSY = 3 /* jobs between two stops */ };

/* The share of some milliseconds, of all or after the first so many, that was spent without helpers. */
static double alone(mf_experience *e, int first, int milliseconds, int between_stops, const double speeds[2]) {
    static int64_t jobs, stops;
    int count = 0;
    for (int i = 0; i < milliseconds; i++) {
        count += e->alone && i >= first;
        stops += ++jobs % between_stops == 0;
        if (mf_book(e, JOB * speeds[e->alone], JOB)) mf_choose(e, stops);
    }
    return count / (double)(milliseconds - first);
}

static int expect(const char *what, double share, double least, double most) {
    if (share >= least && share <= most) return 1;
    printf("%s: without helpers for %.4f of the time, expected %.4f to %.4f\n", what, share, least, most);
    return 0;
}

int main(void) {
    const double faster[] = {2, 1}, little_faster[] = {1.4, 1}, hardly_faster[] = {1.1, 1}, slower[] = {0.5, 1};
    int ok = 1;
    mf_experience busy = {0};
    ok &= expect("busy: at first, helpers pay", alone(&busy, 10000, 20000, BUSY, faster), 0.001, 0.03);
    ok &= expect("busy: they no longer pay", alone(&busy, 10000, 20000, BUSY, slower), 0.97, 0.999);
    ok &= expect("busy: hardly", alone(&busy, 20000, 40000, BUSY, hardly_faster), 0.90, 0.999);
    ok &= expect("busy: a little", alone(&busy, 20000, 40000, BUSY, little_faster), 0.001, 0.10);
    ok &= expect("busy: they pay again", alone(&busy, 10000, 20000, BUSY, faster), 0.001, 0.03);
    mf_experience other = {0};
    ok &= expect("busy: from the first, helpers do not pay", alone(&other, 10000, 20000, BUSY, slower), 0.97, 0.999);
    mf_experience calm = {0};
    ok &= expect("free: helpers pay a little", alone(&calm, 0, 4000, FREE, little_faster), 0.001, 0.02);
    ok &= expect("free: later", alone(&calm, 0, 80000, FREE, little_faster), 0.0001, 0.002);
    ok &= expect("free: hardly", alone(&calm, 4000, 80000, FREE, hardly_faster), 0.0001, 0.002);
    ok &= expect("then busy: they do not pay", alone(&calm, 4000, 20000, BUSY, slower), 0.97, 0.999);
    ok &= expect("then free: they pay", alone(&calm, 4000, 80000, FREE, faster), 0.0001, 0.002);
    return !ok;
}
