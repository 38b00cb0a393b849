/*
 * Times one kernel of one table on buffers of its own, laid out as the engine lays them out.
 *
 * Compiled at run time against csrc/mlpfast.h; the table comes from the built package. For products the shape is
 * (rows, k) x (k, n); elementwise and row-wise kernels work on (rows, n).
 */
#include "mlpfast.h"
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_BUFFERS 6

typedef struct {
    const mf_kernels *table;
    void *buffers[MAX_BUFFERS];
    int used;
} arena;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int64_t up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }

/* A vector of numbers in (0, 1), with slack behind it; about a fraction of them is zero, here and there. */
static void *vector_with_zeros(arena *a, int64_t n, double zeros) {
    int64_t size = up((n + 64) * a->table->itemsize, 64);
    void *data = a->buffers[a->used++] = aligned_alloc(64, (size_t)size);
    uint32_t x = 12345 + (uint32_t)a->used;
    for (int64_t i = 0; i < size / a->table->itemsize; i++) {
        x = x * 1664525u + 1013904223u;
        double value = ((double)(x >> 8) + 1) / ((1 << 24) + 2);
        if (value < zeros) value = 0;
        if (a->table->dtype == MF_FLOAT32) ((float *)data)[i] = (float)value;
        else ((double *)data)[i] = value;
    }
    return data;
}

static void *vector(arena *a, int64_t n) { return vector_with_zeros(a, n, 0); }

/* A panelled matrix (rows, cols): the left side of a product. */
static mf_matrix left_side(arena *a, int64_t rows, int64_t cols, double zeros) {
    int64_t nr = a->table->nr, padded = up(rows, a->table->mr);
    return (mf_matrix){nr, padded * nr, vector_with_zeros(a, padded * up(cols, nr), zeros)};
}

static mf_matrix panels(arena *a, int64_t rows, int64_t cols) { return left_side(a, rows, cols, 0); }

#define TIME(call)                                                                                                   \
    do {                                                                                                             \
        double begin = now();                                                                                        \
        for (int64_t repeat = 0; repeat < repeats; repeat++) { call; }                                               \
        seconds = now() - begin;                                                                                     \
    } while (0)

/* Seconds of `repeats` calls; negative if there is no such kernel. */
double time_kernel(const mf_kernels *t, const char *kernel, int64_t rows, int64_t k, int64_t n, int activation,
                   int64_t repeats, double zeros) {
    arena a = {t, {0}, 0};
    double seconds = -1;
    if (!strcmp(kernel, "matmul_bias")) {
        mf_matrix x = left_side(&a, rows, k, zeros), w = panels(&a, k + 1, n), h = panels(&a, rows, n), z = {0};
        TIME(t->matmul_bias(x, w, z, h, rows, k, n, activation, 0, 1));
    } else if (!strcmp(kernel, "propagate_delta")) {
        mf_matrix delta = left_side(&a, rows, k, zeros), wt = panels(&a, k, n), saved = panels(&a, rows, n);
        mf_matrix out = panels(&a, rows, n);
        TIME(t->propagate_delta(delta, wt, saved, out, rows, k, n, activation, 0, 1));
    } else if (!strcmp(kernel, "weight_gradient")) {
        mf_matrix x = left_side(&a, rows, k, zeros), delta = panels(&a, rows, n);
        void *g = vector(&a, k * n);
        TIME(t->weight_gradient(x, delta, g, n, rows, 0, k, 0, n, 0, 1, NULL, 0));
    } else if (!strcmp(kernel, "row_forward")) {
        void *x = vector_with_zeros(&a, k, zeros), *w = vector(&a, (k + 1) * n), *h = vector(&a, n);
        TIME(t->row_forward(x, w, (char *)w + k * n * t->itemsize, h, k, n, activation, 0));
    } else if (!strcmp(kernel, "bias_gradient")) {
        mf_matrix delta = panels(&a, rows, n);
        void *g = vector(&a, n);
        TIME(t->bias_gradient(delta, g, rows, 0, n, 0));
    } else if (!strcmp(kernel, "gather")) { /* from a source of 16 times as many rows, in an order that jumps */
        void *source = vector(&a, 16 * rows * n);
        mf_matrix out = panels(&a, rows, n);
        int64_t *index = a.buffers[a.used++] = malloc((size_t)rows * sizeof *index);
        for (int64_t i = 0; i < rows; i++) index[i] = i * 7919 % (16 * rows);
        TIME(t->gather(source, t->dtype, n, index, rows, rows, n, out));
    } else if (!strcmp(kernel, "pack")) {
        void *w = vector(&a, k * n);
        mf_matrix out = panels(&a, k, n);
        TIME(t->pack(w, n, k, n, out));
    } else if (!strcmp(kernel, "pack_transposed")) {
        void *w = vector(&a, k * n);
        mf_matrix out = panels(&a, n, k);
        TIME(t->pack_transposed(w, n, k, n, out));
    } else if (!strcmp(kernel, "activation")) {
        mf_matrix z = panels(&a, rows, n), h = panels(&a, rows, n);
        TIME(t->activation(activation, 1, z, h, rows, n));
    } else if (!strcmp(kernel, "hadamard")) {
        mf_matrix dh = panels(&a, rows, n), saved = panels(&a, rows, n), out = panels(&a, rows, n);
        TIME(t->hadamard(activation, 1, dh, saved, out, rows, n));
    } else if (!strcmp(kernel, "softmax")) {
        mf_matrix z = panels(&a, rows, n), h = panels(&a, rows, n);
        TIME(t->softmax(z, h, rows, n));
    } else if (!strcmp(kernel, "softmax_jvp")) {
        mf_matrix s = panels(&a, rows, n), v = panels(&a, rows, n), out = panels(&a, rows, n);
        TIME(t->softmax_jvp(s, v, out, rows, n));
    } else if (!strcmp(kernel, "cross_entropy")) {
        mf_matrix z = panels(&a, rows, n), delta = panels(&a, rows, n);
        int32_t *labels = a.buffers[a.used++] = malloc((size_t)rows * sizeof *labels);
        double *row_loss = a.buffers[a.used++] = malloc((size_t)rows * sizeof *row_loss);
        for (int64_t i = 0; i < rows; i++) labels[i] = (int32_t)(i % n);
        mf_targets targets = {.labels = labels};
        TIME(t->loss(MF_CROSS_ENTROPY, 0, z, &targets, rows, n, 1.0 / (double)rows, delta, row_loss));
    } else if (!strcmp(kernel, "adam")) {
        void *p = vector(&a, n), *g = vector(&a, n), *m = vector(&a, n), *v = vector(&a, n);
        mf_update rule = {.optimizer = MF_ADAM, .rate = 1e-3, .momentum = 0.9, .decay = 0.999, .epsilon = 1e-8};
        rule.shrink = 1;
        TIME(t->update(&rule, p, g, n, m, v, v, 1, n, n));
    }
    for (int i = 0; i < a.used; i++) free(a.buffers[i]);
    return seconds;
}
