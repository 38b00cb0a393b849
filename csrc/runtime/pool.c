/*
 * The thread pool: one job at a time, cut into tasks.
 *
 * Each thread that may take part has a share of the tasks: task i of a job of n is the same thread's in every such job
 * (as long as no job of more threads comes between), so what it read and wrote is in its core's cache. It takes its
 * tasks from the front; having run out of them, it takes from the back of the others' shares.
 *
 * A job is published by storing one word, `ticket`: its number, and how many helpers may still join. A share holds the
 * number of its job too, so a helper that comes late finds nothing to take. A job lives until its last task is done:
 * whoever has taken one may read the job's fields at leisure, and the caller waits for tasks that were begun, never for
 * a thread to begin.
 *
 * Helpers spin for a short time after a job, since the next one mostly follows at once, and then sleep. They are
 * detached and block signals: they neither keep the process from exiting nor take the main thread's Ctrl-C.
 *
 * On a busy machine helpers can cost more than they give: the scheduler may stop one in the middle of a task, for which
 * the caller waits, or give it the time that the caller would have had. So the pool measures what they are worth, and
 * does without them where the caller is faster alone; jobs of other sizes have another experience, since small jobs
 * suffer most and the speeds of a small network and a large one do not compare.
 */
#if defined(__linux__)
#define _GNU_SOURCE 1 /* SCHED_BATCH */
#endif
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "runtime/experience.h"
#include "mlpfast.h"

enum { STACK_BYTES = 1 << 20, MAGNITUDES = 64 };

enum { /* nanoseconds */
    HELPER_SPIN = 50 * 1000,  /* for the next job, before sleeping */
    CALLER_SPIN = 200 * 1000, /* for the last tasks, before sleeping */
};

/* The ticket: the job's number in the upper bits, seats in the lower 16. */
#define SEATS 0xFFFF

/* The tasks of a share that nobody has taken: the lowest 24 bits of the job's number, then, of 20 bits each, the number
 * after the last one's and the first one's. */
enum { TASK_BITS = 20 };
#define MOST_TASKS (((int64_t)1 << TASK_BITS) - 1)

#define CACHE_LINE _Alignas(128) /* two lines of 64 bytes, which x86 prefetches together; one line of Apple's */

static struct {
    /* The job. The plain fields belong to the caller that owns `busy`, and are constant while tasks are left. */
    CACHE_LINE _Atomic uint64_t ticket;
    mf_task task;
    void *context;
    _Atomic uint64_t float_mode;
    atomic_int shares;

    CACHE_LINE _Atomic int64_t unfinished; /* tasks of the job that are not done, taken or not */

    CACHE_LINE atomic_int busy; /* owned by a caller: the fields of this group are its own */
    int helpers, most_helpers;  /* threads that exist; that can exist, as far as we know */
    int fork_handler;           /* is registered */
    mf_experience experience[MAGNITUDES]; /* of helpers, by the binary magnitude of a job's work */

    CACHE_LINE pthread_mutex_t mutex; /* for sleeping only */
    pthread_cond_t work, finished;
    atomic_int sleeping_helpers, sleeping_caller;
} pool = {
    .most_helpers = MF_MAX_THREADS - 1,
    .mutex = PTHREAD_MUTEX_INITIALIZER,
    .work = PTHREAD_COND_INITIALIZER,
    .finished = PTHREAD_COND_INITIALIZER,
};

static struct {
    CACHE_LINE _Atomic uint64_t left;
} shares[MF_MAX_THREADS];

/* --- waiting --- */

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * (int64_t)1000000000 + t.tv_nsec;
}

/* Tells the core that this is a spin loop. */
static inline void relax(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb" ::: "memory"); /* `yield` does nothing on most cores */
#endif
}

static int has_seats(void) { return (atomic_load(&pool.ticket) & SEATS) != 0; }

static int is_finished(void) { return atomic_load(&pool.unfinished) == 0; }

/* Returns whether the condition came true within the time. A polite spinner lets others have the core meanwhile. */
static inline int spin(int (*condition)(void), int64_t nanoseconds, int polite) {
    int64_t deadline = 0;
    for (unsigned i = 1;; i++) {
        if (condition()) return 1;
        relax();
        if (i % 64 != 0) continue;
        int64_t time = now();
        if (deadline == 0) deadline = time + nanoseconds;
        if (time > deadline) return 0;
        if (polite) sched_yield();
    }
}

/* Wakes one sleeping helper, which wakes the next if there is room: the caller pays for one system call at most.
 * A helper holds the mutex from its last look at the ticket until it sleeps; having held it, we can't be missed. */
static void wake_helper(void) {
    pthread_mutex_lock(&pool.mutex);
    pthread_mutex_unlock(&pool.mutex);
    pthread_cond_signal(&pool.work);
}

static void sleep_until_work(void) {
    pthread_mutex_lock(&pool.mutex);
    atomic_fetch_add(&pool.sleeping_helpers, 1);
    while (!has_seats()) pthread_cond_wait(&pool.work, &pool.mutex);
    atomic_fetch_sub(&pool.sleeping_helpers, 1);
    pthread_mutex_unlock(&pool.mutex);
}

static void sleep_until_finished(void) {
    pthread_mutex_lock(&pool.mutex);
    atomic_store(&pool.sleeping_caller, 1);
    while (!is_finished()) pthread_cond_wait(&pool.finished, &pool.mutex);
    atomic_store(&pool.sleeping_caller, 0);
    pthread_mutex_unlock(&pool.mutex);
}

/* --- tasks --- */

/* Takes a seat: returns the job's number, or 0. */
static uint64_t join(void) {
    uint64_t ticket = atomic_load_explicit(&pool.ticket, memory_order_relaxed);
    do {
        if ((ticket & SEATS) == 0) return 0;
    } while (!atomic_compare_exchange_weak_explicit(&pool.ticket, &ticket, ticket - 1, memory_order_acquire,
                                                    memory_order_relaxed));
    return ticket >> 16;
}

static uint64_t share_of(uint64_t job, uint64_t first, uint64_t end) {
    return job << 2 * TASK_BITS | end << TASK_BITS | first;
}

static void deal(uint64_t job, int64_t n_tasks, int n_shares) {
    for (int s = 0; s < n_shares; s++) {
        const int64_t first = n_tasks * s / n_shares, end = n_tasks * (s + 1) / n_shares;
        atomic_store_explicit(&shares[s].left, share_of(job, (uint64_t)first, (uint64_t)end), memory_order_release);
    }
}

/* Takes a task of share s, the first or the last: returns its number, or -1. */
static int64_t take(uint64_t job, int s, int is_first) {
    uint64_t left = atomic_load_explicit(&shares[s].left, memory_order_relaxed), rest;
    uint64_t first, end;
    do {
        first = left & MOST_TASKS;
        end = left >> TASK_BITS & MOST_TASKS;
        if (first == end || share_of(job, first, end) != left) return -1;
        rest = is_first ? share_of(job, first + 1, end) : share_of(job, first, end - 1);
    } while (!atomic_compare_exchange_weak_explicit(&shares[s].left, &left, rest, memory_order_acquire,
                                                    memory_order_relaxed));
    return (int64_t)(is_first ? first : end - 1);
}

/* Runs tasks of thread `number`'s share, then of the others', until none is left to take. Returns how many it ran. */
static int64_t run_tasks(uint64_t job, int number) {
    const int n_shares = atomic_load_explicit(&pool.shares, memory_order_relaxed);
    const int own = number == 0 ? 0 : 1 + (number - 1) % (n_shares - 1); /* the caller has the first to itself */
    int64_t done = 0, task;
    for (int i = 0; i < n_shares; i++) {
        const int s = (own + i) % n_shares;
        for (; (task = take(job, s, s == own)) >= 0; done++) pool.task(pool.context, task);
    }
    return done;
}

static void *helper(void *number) {
#if defined(__linux__)
    /* A batch thread that wakes up does not take the core from another: it would be the caller's, like as not. */
    int policy;
    struct sched_param priority;
    if (pthread_getschedparam(pthread_self(), &policy, &priority) == 0 && policy == SCHED_OTHER)
        pthread_setschedparam(pthread_self(), SCHED_BATCH, &priority);
#endif
    for (;;) {
        int slept = !spin(has_seats, HELPER_SPIN, 1);
        if (slept) sleep_until_work();
        const uint64_t job = join();
        if (job == 0) continue;
        if (slept && has_seats() && atomic_load(&pool.sleeping_helpers) > 0) wake_helper();
        mf_set_float_mode(atomic_load_explicit(&pool.float_mode, memory_order_relaxed));
        int64_t done = run_tasks(job, (int)(intptr_t)number);
        if (done > 0 && atomic_fetch_sub(&pool.unfinished, done) == done && atomic_load(&pool.sleeping_caller)) {
            pthread_mutex_lock(&pool.mutex);
            pthread_cond_signal(&pool.finished);
            pthread_mutex_unlock(&pool.mutex);
        }
    }
    return NULL;
}

/* --- the caller, who owns `busy` in this section --- */

/* A forked child has no helpers, and whatever the parent's threads were doing will not go on in it. */
static void reset_in_child(void) {
    atomic_fetch_and(&pool.ticket, ~(uint64_t)SEATS); /* jobs are counted on: `shares` may have the parent's last */
    atomic_store(&pool.unfinished, 0);
    pool.helpers = 0;
    pool.most_helpers = MF_MAX_THREADS - 1;
    memset(pool.experience, 0, sizeof pool.experience);
    pthread_mutex_init(&pool.mutex, NULL);
    pthread_cond_init(&pool.work, NULL);
    pthread_cond_init(&pool.finished, NULL);
    atomic_store(&pool.sleeping_helpers, 0);
    atomic_store(&pool.sleeping_caller, 0);
    atomic_store(&pool.busy, 0);
}

static int start_helper(void) {
    pthread_t thread;
    pthread_attr_t attributes;
    sigset_t blocked, callers;
    sigfillset(&blocked);
    /* A thread's own faults stay deliverable, for Python's faulthandler to report. */
    sigdelset(&blocked, SIGSEGV);
    sigdelset(&blocked, SIGBUS);
    sigdelset(&blocked, SIGFPE);
    sigdelset(&blocked, SIGILL);
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_sigmask(SIG_SETMASK, &blocked, &callers);
    int status = pthread_create(&thread, &attributes, helper, (void *)(intptr_t)(pool.helpers + 1));
    pthread_sigmask(SIG_SETMASK, &callers, NULL);
    pthread_attr_destroy(&attributes);
    return status;
}

/* Returns how many helpers there are, having tried to have `wanted`. */
static int start_helpers(int wanted) {
    if (!pool.fork_handler) pool.fork_handler = pthread_atfork(NULL, NULL, reset_in_child) == 0;
    while (pool.helpers < wanted && pool.helpers < pool.most_helpers) {
        if (start_helper() == 0)
            pool.helpers++;
        else
            pool.most_helpers = pool.helpers; /* the system has no more threads for us */
    }
    return pool.helpers;
}

static void run_job(int64_t n_tasks, int seats, mf_task task, void *context) {
    const uint64_t job = (atomic_load_explicit(&pool.ticket, memory_order_relaxed) >> 16) + 1;
    pool.task = task;
    pool.context = context;
    atomic_store_explicit(&pool.float_mode, mf_float_mode(), memory_order_relaxed);
    atomic_store_explicit(&pool.shares, seats + 1, memory_order_relaxed);
    atomic_store_explicit(&pool.unfinished, n_tasks, memory_order_relaxed);
    deal(job, n_tasks, seats + 1);
    atomic_store(&pool.ticket, job << 16 | (uint64_t)seats);
    int sleeping = atomic_load(&pool.sleeping_helpers);
    if (sleeping > 0 && pool.helpers - sleeping < seats) wake_helper();
    int64_t done = run_tasks(job, 0);
    if (has_seats()) atomic_store(&pool.ticket, job << 16); /* there is nothing left to join for */
    if (atomic_fetch_sub(&pool.unfinished, done) != done && !spin(is_finished, CALLER_SPIN, 0)) sleep_until_finished();
}

static void run_alone(int64_t n_tasks, mf_task task, void *context) {
    for (int64_t i = 0; i < n_tasks; i++) task(context, i);
}

static int magnitude(double work) {
    int exponent = 0;
    frexp(work, &exponent);
    return exponent < 0 ? 0 : exponent < MAGNITUDES ? exponent : MAGNITUDES - 1;
}

/* How often a thread of this process had to make way for another. */
static int64_t stops(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_nivcsw : 0;
}

void mf_parallel_for(int64_t n_tasks, int n_threads, mf_task task, void *context, double work) {
    int most = mf_max_threads();
    int64_t seats = n_threads < most ? n_threads : most;
    seats = (n_tasks < seats ? n_tasks : seats) - 1;
    /* Another caller's job, or the job whose task we are in, is not waited for. */
    if (seats > 0 && n_tasks <= MOST_TASKS && !atomic_exchange(&pool.busy, 1)) {
        mf_experience *experience = &pool.experience[magnitude(work)];
        int64_t start = now();
        int helped = start_helpers((int)seats) > 0;
        if (helped && !experience->alone) run_job(n_tasks, (int)seats, task, context);
        else run_alone(n_tasks, task, context);
        if (helped && mf_book(experience, work, now() - start)) mf_choose(experience, stops());
        atomic_store_explicit(&pool.busy, 0, memory_order_release);
        return;
    }
    run_alone(n_tasks, task, context);
}
