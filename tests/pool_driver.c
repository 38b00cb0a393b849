/*
 * Runs jobs of the thread pool, also in a forked child, and returns 0 if all of this holds: each task runs once, by no
 * more threads than asked for; sleeping threads wake up; threads keep their tasks from job to job. Linked without
 * experience.c, so that helpers take part in every job, whether they pay or not.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/experience.h"
#include "mlpfast.h"

#ifdef FEWER_JOBS /* under a sanitizer */
enum { JOBS = 1000 };
#else
enum { JOBS = 20000 };
#endif
enum { MOST_TASKS = 3000, THREADS = 9, PATIENCE = 60 /* seconds, for all */ };

static atomic_int runs[MOST_TASKS];
static int runner[MOST_TASKS]; /* which thread ran the task */
static atomic_int threads;     /* that have run a task of the job */
static int job;                /* counted through */

int mf_book(mf_experience *e, double work, int64_t took) { return (void)e, (void)work, (void)took, 0; }
void mf_choose(mf_experience *e, int64_t stops) { (void)e, (void)stops; }

/* How long task i takes: context(i) steps of a loop, or microseconds of sleep. */
typedef struct {
    int (*steps)(int64_t i), (*sleep)(int64_t i);
} length;

static int nothing(int64_t i) { return (void)i, 0; }
static int up_to_600(int64_t i) { return (int)(i % 7) * 100; }
static int first_shorter(int64_t i) { return i == 0 ? 1000 : 3000; }
static int equal(int64_t i) { return (void)i, 2000; }

static void task(void *context, int64_t i) {
    static _Thread_local int last_job, self;
    static atomic_int selves;
    const length *l = context;
    if (self == 0) self = atomic_fetch_add(&selves, 1) + 1;
    if (last_job != job) atomic_fetch_add(&threads, 1);
    last_job = job;
    runner[i] = self;
    atomic_fetch_add(&runs[i], 1);
    for (volatile int k = l->steps(i); k > 0; k--) {}
    if (l->sleep(i) > 0) usleep((useconds_t)l->sleep(i));
}

/* Returns how many threads took part, or 0 for a failure. */
static int run(int n_tasks, int n_threads, length l) {
    job++;
    memset(runs, 0, sizeof runs);
    atomic_store(&threads, 0);
    mf_parallel_for(n_tasks, n_threads, task, &l, n_tasks);
    for (int i = 0; i < n_tasks; i++)
        if (runs[i] != 1) return printf("job %d: task %d of %d ran %d times\n", job, i, n_tasks, runs[i]), 0;
    if (threads > n_threads) return printf("job %d: %d threads, not %d\n", job, threads, n_threads), 0;
    return threads;
}

static int many_jobs(int jobs, uint32_t random) {
    while (jobs-- > 0) {
        random = random * 1103515245 + 12345;
        const int n_tasks = 1 + (int)(random >> 16) % (jobs % 10 == 0 ? MOST_TASKS : 40);
        if (run(n_tasks, 1 + (int)(random >> 8) % THREADS, (length){up_to_600, nothing}) == 0) return 0;
    }
    return 1;
}

/* The helpers have fallen asleep before each job, and so does the caller, whose task is the shorter one. */
static int sleepers_wake(void) {
    int helped = 0;
    for (int i = 0; i < 20; i++) {
        usleep(2000);
        helped += run(2, 2, (length){nothing, first_shorter}) == 2;
    }
    return helped > 0 || (printf("no helper came\n"), 0); /* on a busy machine many come too late */
}

/* Where each thread has one task, it is mostly that of the job before; on a busy machine, more often than by chance. */
static int tasks_stay(void) {
    int before[THREADS] = {0}, kept = 0;
    for (int i = 0; i < 20; i++) {
        if (run(THREADS, THREADS, (length){nothing, equal}) == 0) return 0;
        for (int t = 0; t < THREADS; t++) kept += i > 0 && runner[t] == before[t];
        memcpy(before, runner, sizeof before);
    }
    return kept >= 19 * THREADS / 4 || (printf("%d of %d tasks stayed\n", kept, 19 * THREADS), 0);
}

static int all(int jobs) { return many_jobs(jobs, 1) && sleepers_wake() && tasks_stay() && many_jobs(jobs, 2); }

int main(void) {
    alarm(PATIENCE);
    mf_set_max_threads(THREADS);
    if (!all(JOBS)) return 1;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        alarm(PATIENCE); /* is not inherited */
        return !all(JOBS / 10);
    }
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) return printf("the child ended with %d\n", status), 1;
    return !many_jobs(JOBS, 3);
}
