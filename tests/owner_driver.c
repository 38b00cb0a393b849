/*
 * Many threads want one owner, as its holder or for a piece of work. Returns 0 if all of this holds: never two at work,
 * and nobody else while one holds it; a thread at work is refused from within; the holder may own it again, and work; a
 * forked child finds it free, whoever had it. What the owner guards is plain memory: a thread sanitizer sees mistakes.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mlpfast.h"

enum { THREADS = 4, TURNS = 20000 };

static mf_owner owner;
static int32_t flags;
static long work, at_work, holder = -1; /* guarded by the owner */
static atomic_long refused, failed;

static void expect(int holds, const char *what) {
    if (holds) return;
    atomic_fetch_add(&failed, 1);
    printf("expected %s\n", what);
}

static int do_work(long self) {
    if (!mf_begin_work(&owner)) return 0;
    expect(at_work++ == 0, "nobody else at work");
    expect(holder == -1 || holder == self, "no other holder");
    expect(!mf_begin_work(&owner), "to be refused from within");
    work++;
    at_work--;
    mf_end_work(&owner);
    return 1;
}

static void *run(void *number) {
    const long self = (long)number;
    for (long done = 0; done < TURNS; done++) {
        mf_raise(&flags, 1 << self);
        if (done % 3 == 0) {
            if (!mf_own(&owner)) {
                atomic_fetch_add(&refused, 1);
                continue;
            }
            expect(holder == -1, "no other holder");
            holder = self;
            expect(mf_own(&owner), "to own it again");
            mf_disown(&owner);
            expect(do_work(self), "to work as its holder");
            expect(holder == self, "to be its holder still");
            holder = -1;
            mf_disown(&owner);
        } else if (!do_work(self)) {
            atomic_fetch_add(&refused, 1);
        }
    }
    return NULL;
}

/* In a child, forked while `owner` is taken. */
static int is_free_in_child(void) {
    const pid_t child = fork();
    if (child == 0) _exit(!(mf_begin_work(&owner) && (mf_end_work(&owner), mf_own(&owner)) && mf_begin_work(&owner)));
    int status;
    return waitpid(child, &status, 0) == child && status == 0;
}

static void *take_all(void *taken) {
    *(int *)taken = mf_own(&owner) && mf_begin_work(&owner);
    return NULL;
}

int main(void) {
    pthread_t threads[THREADS], other;
    for (long i = 0; i < THREADS; i++) pthread_create(&threads[i], NULL, run, (void *)i);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    expect(mf_raised(&flags) == (1 << THREADS) - 1, "everybody's flag");
    expect(work > 0, "work to be done");
    int taken = 0;
    pthread_create(&other, NULL, take_all, &taken);
    pthread_join(other, NULL); /* and it never gives it back */
    expect(taken, "it to be free in the end");
    expect(!mf_begin_work(&owner) && !mf_own(&owner), "another thread's to be refused");
    expect(is_free_in_child(), "it to be free in a forked child");
    expect(!mf_begin_work(&owner), "the parent's to stay as it is");
    return failed != 0;
}
