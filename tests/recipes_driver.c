/*
 * What test_recipes.py adds to a copy of the kernels, called through their table. Compiled against that copy.
 */
#include "mlpfast.h"

static mf_matrix row_major(const mf_kernels *k, void *data, int64_t columns) {
    return (mf_matrix){.row_stride = columns, .panel_stride = k->nr, .data = data};
}

/* h = g(z), delta = dh * g'(z) and curve += dh * g''(z) * dh, from what the list says that they are computed from; n
 * numbers each */
void softsign(const char *isa, int dtype, int64_t n, void *z, void *dh, void *h, void *delta, void *curve) {
    const mf_kernels *k = mf_table_of(isa, dtype);
    const mf_activation_row *row = &mf_activations[MF_SOFTSIGN];
    const mf_matrix saved = row_major(k, row->saves_z ? z : h, n);
    k->activation(MF_SOFTSIGN, row->alpha, row_major(k, z, n), row_major(k, h, n), 1, n);
    k->hadamard(MF_SOFTSIGN, row->alpha, row_major(k, dh, n), saved, row_major(k, delta, n), 1, n);
    k->curve(MF_SOFTSIGN, row->alpha, row_major(k, dh, n), saved, row_major(k, dh, n), row_major(k, curve, n), 1, n);
}

void pseudo_huber(const char *isa, int dtype, int64_t rows, int64_t columns, double parameter, void *h, void *t,
                  void *delta, double *values, void *product) {
    const mf_kernels *k = mf_table_of(isa, dtype);
    const mf_targets targets = {.dense = t};
    const mf_loss_options options = {.numbers = {parameter}};
    k->loss(MF_PSEUDO_HUBER, &options, row_major(k, h, columns), &targets, rows, columns, 1,
            row_major(k, delta, columns), values);
    k->loss_product(MF_PSEUDO_HUBER, &options, row_major(k, h, columns), &targets, rows, columns, 1,
                    row_major(k, t, columns), row_major(k, product, columns));
}

void relative_error(const char *isa, int dtype, int64_t rows, int64_t columns, void *h, void *t, double *values) {
    const mf_kernels *k = mf_table_of(isa, dtype);
    const mf_targets targets = {.dense = t};
    k->metric(MF_RELATIVE_ERROR, 0, 0, row_major(k, h, columns), &targets, rows, columns, values);
}

void signum(const char *isa, int dtype, int64_t n, double rate, double momentum, double l2, double shrink, void *p,
            void *g, void *mean) {
    const mf_update rule = {.optimizer = MF_SIGNUM, .rate = rate, .momentum = momentum, .l2 = l2, .shrink = shrink};
    mf_table_of(isa, dtype)->update(&rule, p, g, n, mean, NULL, NULL, 1, n, n);
}
