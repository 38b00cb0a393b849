/*
 * Who may use what one thread at a time may use: a trainer, with the memory that its steps work in.
 *
 * The holder has it for as long as it likes, and does pieces of work in between; who holds nothing may still do one
 * piece of work. Whoever comes second is refused, never made to wait, and leaves no trace: both facts are in one word.
 *
 * Above them stands how often this process descends from another by fork. What a child has inherited is nobody's: only
 * the forking thread lives on in it, and what that one did is not the child's affair.
 */
#include <pthread.h>
#include <stdatomic.h>

#include "mlpfast.h"

/* A word: 16 bits of forks, then 24 bits each for the number of the holder and of the worker; 0 is nobody. */
enum { BITS = 24, WORKER = 0, HOLDER = BITS, FORKS = 2 * BITS };
#define MOST_THREADS (((uint64_t)1 << BITS) - 1) /* then their numbers begin anew */

static _Atomic uint64_t forks;

static void count_fork(void) { atomic_fetch_add(&forks, 1); }

static void watch_forks(void) { pthread_atfork(NULL, NULL, count_fork); }

static uint64_t this_thread(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    static _Atomic uint64_t threads;
    static _Thread_local uint64_t number;
    if (number == 0) {
        pthread_once(&once, watch_forks);
        number = atomic_fetch_add(&threads, 1) % MOST_THREADS + 1;
    }
    return number;
}

static uint64_t thread_at(uint64_t word, int place) { return word >> place & MOST_THREADS; }

/* Puts `self` in its place in the word, or takes it out, if `may` agrees with what is there. Returns whether it did. */
static int change(mf_owner *owner, int place, int enters, int (*may)(uint64_t word, uint64_t self)) {
    const uint64_t self = this_thread(), nobody = atomic_load_explicit(&forks, memory_order_relaxed) << FORKS;
    uint64_t word = __atomic_load_n(&owner->word, __ATOMIC_RELAXED), now, next;
    do {
        now = word >> FORKS == nobody >> FORKS ? word : nobody;
        if (!may(now, self)) return 0;
        next = (now & ~(MOST_THREADS << place)) | (enters ? self << place : 0);
    } while (!__atomic_compare_exchange_n(&owner->word, &word, next, 1, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return 1;
}

static int others_are_out(uint64_t word, uint64_t self) {
    const uint64_t holder = thread_at(word, HOLDER), worker = thread_at(word, WORKER);
    return (holder == 0 || holder == self) && (worker == 0 || worker == self);
}

static int may_work(uint64_t word, uint64_t self) { return others_are_out(word, self) && thread_at(word, WORKER) == 0; }
static int is_holder(uint64_t word, uint64_t self) { return thread_at(word, HOLDER) == self; }
static int is_worker(uint64_t word, uint64_t self) { return thread_at(word, WORKER) == self; }
static int may_begin_to_hold(uint64_t word, uint64_t self) {
    return others_are_out(word, self) && thread_at(word, HOLDER) == 0;
}

int mf_own(mf_owner *owner) {
    if (change(owner, HOLDER, 1, is_holder)) return owner->depth++, 1;
    if (!change(owner, HOLDER, 1, may_begin_to_hold)) return 0;
    owner->depth = 1;
    return 1;
}

void mf_disown(mf_owner *owner) {
    if (change(owner, HOLDER, 1, is_holder) && --owner->depth == 0) change(owner, HOLDER, 0, is_holder);
}

int mf_begin_work(mf_owner *owner) { return change(owner, WORKER, 1, may_work); }

void mf_end_work(mf_owner *owner) { change(owner, WORKER, 0, is_worker); }
