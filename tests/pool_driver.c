/*
 * Runs many jobs of the thread pool, also in a forked child: each task has to run once, by no more threads than asked
 * for. Linked without experience.c, so that helpers take part in every job, whether they pay or not.
 */
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "experience.h"
#include "mlpfast.h"

enum { MOST_TASKS = 3000, THREADS = 9, JOBS = 20000 };

static atomic_int runs[MOST_TASKS];
static atomic_int threads; /* that have run a task of the job */
static int job;            /* counted through */
static int helped;         /* jobs of more than one thread */

void mf_learn(mf_experience *e, double work, int64_t took) { (void)e, (void)work, (void)took; }

static void task(void *context, int64_t i) {
    static _Thread_local int last_job;
    const int length = *(const int *)context * (int)(i % 7);
    if (last_job != job) atomic_fetch_add(&threads, 1);
    last_job = job;
    atomic_fetch_add(&runs[i], 1);
    for (volatile int k = 0; k < length; k++) {}
}

static int run_jobs(int jobs, uint32_t random) {
    for (int left = jobs; left > 0; left--) {
        job++;
        random = random * 1103515245 + 12345;
        const int n_tasks = 1 + (int)(random >> 16) % (job % 10 == 0 ? MOST_TASKS : 40);
        const int n_threads = 1 + (int)(random >> 8) % THREADS;
        int length = (int)(random >> 20) % 3 * 50;
        if (job % 1000 == 0) usleep(1000); /* for the helpers to fall asleep */
        memset(runs, 0, sizeof runs);
        atomic_store(&threads, 0);
        mf_parallel_for(n_tasks, n_threads, task, &length, n_tasks);
        helped += threads > 1;
        if (threads > n_threads) return printf("job %d: %d threads, not %d\n", job, threads, n_threads), 1;
        for (int i = 0; i < n_tasks; i++)
            if (runs[i] != 1) return printf("job %d: task %d of %d ran %d times\n", job, i, n_tasks, runs[i]), 1;
    }
    return 0;
}

int main(void) {
    mf_set_max_threads(THREADS);
    if (run_jobs(JOBS, 1)) return 1;
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) return run_jobs(JOBS / 10, 2);
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) return printf("the child ended with %d\n", status), 1;
    if (run_jobs(JOBS, 3)) return 1;
    printf("%d\n", helped);
    return 0;
}
