/*
 * What kinds of layers in C have in common, as those of the package have it from core/layers/block.pxd: a block's rows
 * of what the values keep, how a value is finished on the way forward, and its delta on the way back.
 */
#ifndef MF_LAYER_H
#define MF_LAYER_H

#include "mlpfast.h"

/* The block's rows of a matrix, where it exists. */
static inline mf_matrix mf_of_block(mf_matrix m, const mf_block *block) {
    if (m.data != NULL) m.data = (char *)m.data + block->shift;
    return m;
}

/* h of what a layer reads; for one that takes no CSR rows. */
static inline mf_matrix mf_output(const mf_value *value, const mf_block *block) {
    return value->h.data == NULL ? block->x : mf_of_block(value->h, block);
}

/* Where a layer writes z on the way forward, before `mf_finish`. */
static inline mf_matrix mf_place_of_z(const mf_value *value, const mf_block *block) {
    return mf_of_block(value->z.data != NULL ? value->z : value->h, block);
}

/* h = g(z). */
static inline void mf_finish(const mf_value *value, const mf_block *block) {
    const mf_kernels *k = block->kernels;
    const mf_matrix z = mf_place_of_z(value, block), h = mf_of_block(value->h, block);
    if (value->activation == MF_SOFTMAX) k->softmax(z, h, block->rows, value->columns);
    else k->activation(value->activation, value->alpha, z, h, block->rows, value->columns);
}

/* Where a layer writes its part of dL/dh of what it reads, before `mf_add_part`; data is NULL where nobody wants it. */
static inline mf_matrix mf_place_of_part(const mf_value *value, int edge, const mf_block *block) {
    return mf_of_block(edge & MF_ADDS ? value->part : value->delta, block);
}

/* Adds that part to those of other readers; the last of them all makes delta = dL/dh * g' of it. */
static inline void mf_add_part(const mf_value *value, int edge, const mf_block *block) {
    const mf_kernels *k = block->kernels;
    const mf_matrix delta = mf_of_block(value->delta, block);
    const mf_matrix saved = value->saves_z ? mf_of_block(value->z, block) : mf_output(value, block);
    if (edge & MF_ADDS) k->add(delta, mf_of_block(value->part, block), delta, block->rows, value->columns);
    if (edge & MF_MORE) return;
    if (value->activation == MF_SOFTMAX) k->softmax_jvp(saved, delta, delta, block->rows, value->columns);
    else k->hadamard(value->activation, value->alpha, delta, saved, delta, block->rows, value->columns);
}

#endif
