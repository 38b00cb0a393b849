/*
 * A layer of somebody else's: h = g(x + b), a vector of shifts. Compiled by layer_checks.py, it reaches the package as
 * a PyCapsule. The sum over rows runs in their order, so its bits depend neither on threads nor on the instruction set.
 */
#include <signal.h>

#include "layer.h"

/* For tests of interruption: the call of one of these functions that sends its thread a SIGALRM, counted from 1. */
int toy_alarm;

static void count_call(void) {
    if (toy_alarm > 0 && --toy_alarm == 0) raise(SIGALRM);
}

#define AT(type, m, r, c)                                                                                              \
    (((type *)(m).data)[(r) * (m).row_stride + (c) / nr * (m).panel_stride + (c) % nr])

#define DEFINE(type)                                                                                                   \
    static void add_##type(mf_matrix x, const type *b, mf_matrix z, int64_t rows, int64_t columns, int64_t nr) {       \
        for (int64_t r = 0; r < rows; r++)                                                                             \
            for (int64_t c = 0; c < columns; c++) AT(type, z, r, c) = AT(type, x, r, c) + b[c];                        \
    }                                                                                                                  \
    static void sum_##type(mf_matrix delta, const mf_tile *tile, type *g, int64_t rows, int accumulate, int64_t nr) {  \
        for (int64_t c = 0; c < tile->nj; c++) {                                                                       \
            type sum = accumulate ? g[c] : 0;                                                                          \
            for (int64_t r = 0; r < rows; r++) sum += AT(type, delta, r, tile->j0 + c);                                \
            g[c] = sum;                                                                                                \
        }                                                                                                              \
    }
DEFINE(float)
DEFINE(double)

static void forward(const mf_layer *layer, const mf_block *block) {
    const mf_matrix x = mf_output(layer->reads, block), z = mf_place_of_z(layer->makes, block);
    const int64_t columns = layer->makes->columns, nr = block->kernels->nr;
    count_call();
    if (block->kernels->dtype == MF_FLOAT32) add_float(x, layer->tensors[0], z, block->rows, columns, nr);
    else add_double(x, layer->tensors[0], z, block->rows, columns, nr);
    mf_finish(layer->makes, block);
}

static void backward(const mf_layer *layer, const mf_block *block) {
    const mf_matrix delta = mf_of_block(layer->makes->delta, block);
    const mf_matrix part = mf_place_of_part(layer->reads, layer->edge, block);
    count_call();
    if (part.data == NULL) return;
    block->kernels->activation(MF_IDENTITY, 0, delta, part, block->rows, layer->reads->columns); /* dz/dx = 1 */
    mf_add_part(layer->reads, layer->edge, block);
}

static void gradient(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next, void *g,
                     int64_t ld, int accumulate, int updates, mf_soon *soon, int64_t count) {
    (void)next, (void)ld, (void)updates, (void)soon, (void)count;
    const int64_t nr = chunk->kernels->nr;
    count_call();
    if (chunk->kernels->dtype == MF_FLOAT32) sum_float(layer->makes->delta, tile, g, chunk->rows, accumulate, nr);
    else sum_double(layer->makes->delta, tile, g, chunk->rows, accumulate, nr);
}

const mf_layer_kind toy_layer = {
    .version = MF_LAYER_KIND_VERSION, .name = "shift", .forward = forward, .backward = backward, .gradient = gradient};
