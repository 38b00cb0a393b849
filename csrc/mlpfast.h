/*
 * The contract between the C kernels and everything above them.
 *
 * The kernels know nothing of Python, of models or of threads: they see matrices of one dtype, on one instruction set.
 * Each (ISA, dtype) pair fills one mf_kernels table; dispatch.c chooses a table once, and its users carry the pointer.
 * `void *` stands for a pointer to the table's dtype (float or double). All strides and sizes count elements.
 */
#ifndef MLPFAST_H
#define MLPFAST_H

#include <stddef.h>
#include <stdint.h>

#include "lists.h"

enum mf_dtype { MF_FLOAT32, MF_FLOAT64, MF_UINT8, MF_INT16 /* these two only as a source of mf_kernels.gather */ };

/* What a kernel found wrong with the caller's data; flags, so that they can be joined. */
enum mf_status { MF_OK = 0, MF_NOT_FINITE = 1, MF_OUT_OF_RANGE = 2, MF_BAD_CODE = 4 /* of a category */ };

/* The ids of lists.h, each kind's number of them at its end. */
#define MF_ID(id, ...) MF_##id,
#define MF_FUNCTION_ID(id, ...) MF_##id##_FUNCTION,
enum mf_activation { MF_EACH_ACTIVATION(MF_ID) MF_ACTIVATIONS };
enum mf_loss { MF_EACH_LOSS(MF_ID) MF_LOSSES };
enum mf_metric { MF_EACH_METRIC(MF_ID) MF_METRICS };
enum mf_optimizer { MF_EACH_OPTIMIZER(MF_ID) MF_OPTIMIZERS };
enum mf_elementary { MF_EACH_FUNCTION(MF_FUNCTION_ID) MF_FUNCTIONS };

/*
 * A matrix in column panels of the table's `nr` columns:
 *     element (r, c) = data[r * row_stride + (c / nr) * panel_stride + c % nr]
 * A plain row-major array with leading dimension ld has row_stride = ld, panel_stride = nr. A panelled buffer has
 * row_stride = nr and a larger panel_stride, and is padded: every panel is nr wide and the rows up to the next multiple
 * of `mr` exist, so that kernels may read and write (garbage) beyond the last column and row. An unpadded matrix is
 * touched only inside, save for matmul_bias's h_in.
 *
 * `data` is last: it alone is set where a matrix is passed on from another row, and compilers copy pairs as vectors,
 * which would have to wait for it.
 */
typedef struct {
    ptrdiff_t row_stride, panel_stride;
    void *data;
} mf_matrix;

/* CSR rows: row i has values[offsets[i]:offsets[i + 1]] in columns[...]. They are the caller's, who may change them at
 * any time: whoever reads an offset or a column looks at it. */
typedef struct {
    const void *values; /* (stored,) of any mf_dtype */
    const void *columns; /* (stored,) */
    const void *offsets; /* (rows + 1,) */
    int64_t stored;
    int32_t dtype;   /* of values */
    int32_t index64; /* columns and offsets are int64, else int32 */
} mf_csr;

/* The stored entries of some rows by bands of columns; those of a band are in the order of the rows. */
typedef struct {
    int64_t width;             /* columns of a band */
    int64_t *starts;           /* (bands + 1,): place of each band's first entry, and of what follows the last */
    int64_t *ends;             /* (bands,), while they are filled: of what follows a band's latest entry */
    int32_t *rows, *columns;   /* of each entry; columns are the band's own */
    void *values;              /* of the table's dtype */
} mf_bands;

/* Columns of the rows that are read, each of which becomes `width` columns of another matrix: those of the first one
 * from column `first` on, then those of the second, and so on. */
typedef struct {
    const int32_t *columns; /* (n,); or NULL for the first n */
    int64_t n, first, width;
} mf_columns;

/* As the category that a code of none is taken for: such a code is MF_BAD_CODE; or it has no category. */
enum { MF_BAD_IF_UNKNOWN = -1, MF_NONE_IF_UNKNOWN = -2 };

enum { MF_MOST_UNITS = 256, MF_MOST_BINS = 256 }; /* of a column's linear map; of its scale */

/* What a row's output is compared with. `rows` maps a batch's row to a row of `dense` and `weights`. */
typedef struct {
    const void *dense;     /* (n, outputs / each) row-major, of the table's dtype; or NULL */
    const int32_t *labels; /* (rows of the batch,) class indices; used where dense is NULL */
    const double *weights; /* (n,) sample weights; or NULL for ones */
    const int64_t *rows;   /* (rows of the batch,); or NULL for the identity */
    double smoothing;      /* label smoothing of the cross-entropies: t <- (1 - s) t + s / classes (binary: / 2) */
    int32_t each;          /* outputs that a target has, side by side, such as quantiles; 0 stands for 1 */
    int32_t ordered;       /* of classes in an order: output c says whether the label is above c */
} mf_targets;

/* What a loss takes beside outputs and targets. */
typedef struct {
    double numbers[3];        /* its own, such as delta of huber; see lists.h */
    const double *of_outputs; /* (outputs,) one for each, such as q of several quantiles; or NULL */
} mf_loss_options;

/* One optimizer step, all constants of this step resolved. Slots are state arrays shaped like the parameters. */
typedef struct {
    int32_t optimizer;
    int32_t nesterov;  /* SGD */
    int32_t amsgrad;   /* Adam: uses slot[2] */
    int32_t clips;     /* the gradient, with the penalties in it, is multiplied by `factor`, and each element is then
                        * clipped to -most..most */
    double rate;       /* the learning rate, with the corrections of the means that Adam and others have */
    double momentum;   /* SGD, RMSprop: momentum; the others: beta_1 */
    double decay;      /* RMSprop: rho; the others: beta_2 */
    double share;      /* schedule-free: of what steps in its average */
    double ahead;      /* NAdam: the mean's share in the step, beside the gradient's of 1 */
    double epsilon;    /* already scaled, if it belongs to a corrected second moment */
    double l1, l2;     /* penalties, added to the gradient of weights (never of biases) */
    double factor, most;
    double shrink;     /* decoupled weight decay: weights are multiplied by this first (1 = none); schedule-free: what
                        * steps is less by 1 - shrink of the weights */
} mf_update;

/* Memory that will be needed soon: `rows` pieces of `bytes` each, which begin `stride` bytes apart. */
typedef struct {
    const void *data;
    int64_t rows, bytes;
    ptrdiff_t stride;
    int written; /* else only read */
} mf_soon;

typedef struct {
    const char *isa;
    int32_t dtype, itemsize;
    int32_t nr; /* columns of a panel */
    int32_t mr; /* matrices have rows to a multiple of it */
    int32_t skips_from; /* columns of a product from which on it may skip zeros */

    /* --- products.inl: every element of a product is one accumulator that runs over k in order, by FMA, and ends with
     * + 0. All matrices are padded, save that h_in may be row-major, and `w` where nr elements are readable beyond its
     * end. With skip_zeros, terms whose left factor is zero may be left out: the same bits where the right side is
     * finite --- */

    /* z = h_in W + b, h_out = g(z).  h_in (rows, k); w (k + 1, n) with the bias as its last row; z may have data NULL.
     * `activation` may not be softmax. A row-major h_in has rows to a multiple of mr and one more, which may be read
     * into; what would be the next `rows` of them is asked for meanwhile. */
    void (*matmul_bias)(mf_matrix h_in, mf_matrix w, mf_matrix z, mf_matrix h_out, int64_t rows, int64_t k, int64_t n,
                        int activation, double alpha, int skip_zeros);
    /* out = (delta Wt) * g'(saved).  delta (rows, k); wt (k, n); saved, out (rows, n). With the identity, out may be
     * row-major, if rows and n are multiples of mr and nr. */
    void (*propagate_delta)(mf_matrix delta, mf_matrix wt, mf_matrix saved, mf_matrix out, int64_t rows, int64_t k,
                            int64_t n, int activation, double alpha, int skip_zeros);
    /* g[i0:i0+ni, j0:j0+nj] (row-major, ld) = or += h_in^T delta.  h_in (rows, .), delta (rows, .); i0 and j0 are
     * multiples of nr. g points at element (i0, j0). soon[0:count] may be brought into the caches meanwhile. */
    void (*weight_gradient)(mf_matrix h_in, mf_matrix delta, void *g, int64_t ld, int64_t rows, int64_t i0, int64_t ni,
                            int64_t j0, int64_t nj, int accumulate, int skip_zeros, const mf_soon *soon,
                            int64_t count);
    /* g[j0:j0+nj] = or += column sums of delta (rows, .). g points at element j0; j0 is a multiple of nr. */
    void (*bias_gradient)(mf_matrix delta, void *g, int64_t rows, int64_t j0, int64_t nj, int accumulate);
    /* One row: h (n,) = g(x W + b), w row-major (k, n); bias (n,) may be NULL. nr elements are readable beyond the end
     * of these; h is writable to the next multiple of nr. */
    void (*row_forward)(const void *x, const void *w, const void *bias, void *h, int64_t k, int64_t n, int activation,
                        double alpha);

    /* --- pack.inl, gather.inl: the panelled sides are padded, and the rest of a last panel is zeroed --- */
    void (*pack)(const void *w, int64_t ld, int64_t rows, int64_t cols, mf_matrix out);
    /* out (cols, rows) */
    void (*pack_transposed)(const void *w, int64_t ld, int64_t rows, int64_t cols, mf_matrix out);
    void (*unpack)(mf_matrix in, int64_t rows, int64_t cols, void *out, int64_t ld);
    /* Rows `index` (or the first ones, if NULL) of a row-major source of any mf_dtype, cast. Returns an mf_status:
     * whether a value is NaN or infinite. Rows up to the next multiple of mr are zeroed. Rows up to `known` >= rows are
     * asked for ahead of time; index[0:known] may be read. */
    int (*gather)(const void *source, int source_dtype, int64_t ld, const int64_t *index, int64_t rows, int64_t known,
                  int64_t cols, mf_matrix out);
    /* The same from CSR rows, in which column indices may come in any order, and duplicates add. Nothing is read or
     * written beyond the arrays, whatever offsets and columns say: that is MF_OUT_OF_RANGE. */
    int (*gather_csr)(const mf_csr *x, const int64_t *index, int64_t rows, int64_t cols, mf_matrix out);

    /* --- sparse.inl: products over stored entries, the bits of products.inl where the right side is finite. What is
     * not as it should be, or not finite, is the mf_status that is returned; nothing beyond the arrays is read or
     * written --- */

    /* z = x W + b for the rows `index` (or the first ones, if NULL) of x, whose columns ascend in each row. w (k, n) is
     * row-major, bias (n,) may be NULL, and of these, nr elements are readable beyond the end. z is padded. */
    int (*matmul_bias_csr)(const mf_csr *x, const int64_t *index, int64_t rows, int64_t k, const void *w,
                           const void *bias, mf_matrix z, int64_t n);
    /* Adds the number of entries of some rows in each band to ends[band]. */
    int (*count_csr)(const mf_csr *x, const int64_t *index, int64_t rows, int64_t columns, const mf_bands *bands);
    /* Places the entries of some rows, `first` and on, behind those that their bands have, as far as there is room. */
    int (*place_csr)(const mf_csr *x, const int64_t *index, int64_t first, int64_t rows, int64_t columns,
                     const mf_bands *bands);
    /* g[i0:i0+ni, j0:j0+nj] (row-major, ld) = or += x^T delta. These ni columns of x are whole bands, or the last one.
     * j0 is a multiple of nr. g points at element (i0, j0). soon[0:count] may be brought into the caches meanwhile. */
    void (*weight_gradient_csr)(const mf_bands *x, mf_matrix delta, void *g, int64_t ld, int64_t i0, int64_t ni,
                                int64_t j0, int64_t nj, int accumulate, const mf_soon *soon, int64_t count);

    /* --- elementwise.inl, dropout.inl --- */
    void (*activation)(int activation, double alpha, mf_matrix z, mf_matrix h, int64_t rows, int64_t cols);
    /* out = dh * g'(saved), saved being z or h as the activation's row tells. out may be dh. */
    void (*hadamard)(int activation, double alpha, mf_matrix dh, mf_matrix saved, mf_matrix out, int64_t rows,
                     int64_t cols);
    /* out += dh * g''(saved) * dz, at a kink nothing; not of softmax. out may be none of the others. */
    void (*curve)(int activation, double alpha, mf_matrix dh, mf_matrix saved, mf_matrix dz, mf_matrix out,
                  int64_t rows, int64_t cols);
    /* Inverted dropout of x, which `out` may be: element (r, c) is zero with probability `rate`, else divided by
     * 1 - rate. The mask depends on (seed, stream, step, first_row + r, c) only. The same call masks the delta on the
     * way back. */
    void (*dropout)(mf_matrix x, mf_matrix out, int64_t first_row, int64_t rows, int64_t cols, double rate,
                    uint64_t seed, uint32_t stream, uint64_t step);
    /* The way back, without the masks, where h is what dropout has made of a ReLU's outputs: what is zero there lets
     * nothing through, whichever of the two made it so. out may be either. */
    void (*dropout_back)(mf_matrix dh, mf_matrix h, mf_matrix out, int64_t rows, int64_t cols, double rate);

    /* --- elementary.inl: y[0:n] = f(x[0:n]), f being an mf_elementary; y may be x --- */
    void (*elementary)(int function, const void *x, void *y, int64_t n);

    /* --- softmax.inl: sums use 64 bytes of virtual lanes and one tree on every ISA --- */
    void (*softmax)(mf_matrix z, mf_matrix h, int64_t rows, int64_t cols); /* h may be z */
    void (*log_softmax)(mf_matrix z, mf_matrix h, int64_t rows, int64_t cols);
    void (*softmax_jvp)(mf_matrix s, mf_matrix v, mf_matrix out, int64_t rows, int64_t cols); /* out may be either */
    /* out += what changes in softmax_jvp's output as s changes by ds: ds * (v - <v, s>) - s <v, ds> */
    void (*softmax_curve)(mf_matrix s, mf_matrix v, mf_matrix ds, mf_matrix out, int64_t rows, int64_t cols);

    /* --- affine.inl: vectors such as scale have an element for each column, and are readable to the next multiple of
     * nr --- */

    void (*add)(mf_matrix a, mf_matrix b, mf_matrix out, int64_t rows, int64_t cols); /* a + b; out may be either */
    /* out = x * scale + shift, by FMA. Without a shift (NULL) the product alone; a scale of NULL is ones. out may be
     * x. */
    void (*scale_shift)(mf_matrix x, const void *scale, const void *shift, mf_matrix out, int64_t rows, int64_t cols);
    /* g[j0:j0+nj] = or += column sums of x * delta (rows, .), by FMA in the order of the rows, ending with + 0. g
     * points at element j0; j0 is a multiple of nr. */
    void (*scale_gradient)(mf_matrix x, mf_matrix delta, void *g, int64_t rows, int64_t j0, int64_t nj,
                           int accumulate);
    /* out = base + alpha * (other - base); out may be either. */
    void (*blend)(mf_matrix base, mf_matrix other, const void *alpha, mf_matrix out, int64_t rows, int64_t cols);
    /* The way back: out = dz * (1 - alpha) + df * alpha. dz is delta as it comes to the base, df as it comes to the
     * other; out may be either. */
    void (*blend_back)(mf_matrix dz, mf_matrix df, const void *alpha, mf_matrix out, int64_t rows, int64_t cols);
    /* As scale_gradient, of (other - base) * delta. */
    void (*blend_gradient)(mf_matrix base, mf_matrix other, mf_matrix delta, void *g, int64_t rows, int64_t j0,
                           int64_t nj, int accumulate);
    /* out = scale * (other - base); out may be either. */
    void (*scale_difference)(mf_matrix base, mf_matrix other, const void *scale, mf_matrix out, int64_t rows,
                             int64_t cols);

    /* --- norm.inl: rows; float64 sums over 16 virtual lanes and one tree on every ISA. Statistics are rounded to the
     * table's dtype before they are used --- */

    /* out = (x - mean) * rsd, rsd = 1 / sqrt(mean of (x - mean)^2 + epsilon), or without `centres` x * rsd, rsd = 1 /
     * sqrt(mean of x^2 + epsilon). rsd (rows,) may be NULL; out may be x. */
    void (*normalise_rows)(mf_matrix x, double epsilon, int centres, mf_matrix out, double *rsd, int64_t rows,
                           int64_t cols);
    /* The way back: dn is dL/dn, n the normalised rows. out = rsd * (dn - mean of dn - n * mean of dn n), without
     * `centres` the middle term is left out. out may be dn. */
    void (*normalise_rows_back)(mf_matrix dn, mf_matrix n, const double *rsd, int centres, mf_matrix out, int64_t rows,
                                int64_t cols);
    /* out += what changes in normalise_rows_back's output as the row changes by dx, and n by d_n. */
    void (*normalise_rows_curve)(mf_matrix dn, mf_matrix n, mf_matrix dx, mf_matrix d_n, const double *rsd, int centres,
                                 mf_matrix out, int64_t rows, int64_t cols);

    /* --- norm_columns.inl: columns; float64 sums over the rows in their order. Arrays of double have an element for
     * each column, and no more --- */

    /* mean[0:nj] and variance[0:nj], by two passes, of columns [j0, j0 + nj); j0 is a multiple of nr. */
    void (*column_moments)(mf_matrix x, int64_t rows, int64_t j0, int64_t nj, double *mean, double *variance);
    /* sum[0:nj] of delta, product_sum[0:nj] of delta * n, the same columns. */
    void (*column_sums)(mf_matrix delta, mf_matrix n, int64_t rows, int64_t j0, int64_t nj, double *sum,
                        double *product_sum);
    /* out = (x - mean) * rsd, rsd = 1 / sqrt(variance + epsilon); out may be x. */
    void (*normalise_columns)(mf_matrix x, const double *mean, const double *variance, double epsilon, mf_matrix out,
                              int64_t rows, int64_t cols);
    /* The way back, from delta behind the scale: out = scale * rsd * (delta - sum / count - n * product_sum / count),
     * or scale * rsd * delta if sum is NULL. A scale of NULL is ones. out may be delta. */
    void (*normalise_columns_back)(mf_matrix delta, mf_matrix n, const void *scale, const double *variance,
                                   double epsilon, const double *sum, const double *product_sum, double count,
                                   mf_matrix out, int64_t rows, int64_t cols);

    /* --- columns.inl, periodic.inl, piecewise.inl: columns of a table, x (rows, .), as parts of another matrix, of
     * which nothing else is touched. The gradients are g[i0:i0+ni, j0:j0+nj] (row-major, ld) = or += that of a tile of
     * a tensor, a sum in the order of the rows; g points at element (i0, j0) --- */

    void (*copy_columns)(const mf_columns *part, mf_matrix x, mf_matrix out, int64_t rows); /* width is 1 */
    /* Whole numbers below width: 1 in that column, 0 in the others. Returns an mf_status. */
    int (*one_hot)(const mf_columns *part, int64_t unknown, mf_matrix x, mf_matrix out, int64_t rows);
    /* The same of the rows `index` (or the first ones, if NULL) of CSR, whose columns ascend in each row: what is not
     * stored is code 0. Nothing is read or written beyond the arrays. */
    int (*one_hot_csr)(const mf_columns *part, int64_t unknown, const mf_csr *x, const int64_t *index, mf_matrix out,
                       int64_t rows, int64_t columns);
    /* Whole numbers below `categories`: their rows of the table (n * categories, width). Returns an mf_status. */
    int (*look_up)(const mf_columns *part, int64_t categories, int64_t unknown, const void *table, mf_matrix x,
                   mf_matrix out, int64_t rows);
    void (*look_up_gradient)(const mf_columns *part, int64_t categories, int64_t unknown, mf_matrix x, mf_matrix delta,
                             int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, void *g, int64_t ld,
                             int accumulate);
    /* Updates rows i0..i0+ni of the table, as far as they are looked up: p, s0, s1 and s2 point at row i0. sums, (rows,
     * n * width), and seen, (n * categories,), are for its use; what is in them does not matter. */
    void (*look_up_update)(const mf_columns *part, int64_t categories, int64_t unknown, mf_matrix x, mf_matrix delta,
                           mf_matrix sums, int32_t *seen, int64_t rows, int64_t i0, int64_t ni, const mf_update *rule,
                           void *p, void *s0, void *s1, void *s2);
    /* h = cos(2 pi x f + p), e = h W + b. tensors: f and p (n, frequencies), W (n * frequencies, width), b (n, width).
     * Or e = (cos(2 pi x f), sin(2 pi x f)): width is then 2 * frequencies, and the others are NULL. width is at most
     * MF_MOST_UNITS where there is a W. kept: what the way back needs, or data NULL: 2 n columns for every frequency,
     * these rounded up to whole 64 bytes of float32. */
    void (*periodic)(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix x,
                     mf_matrix kept, mf_matrix out, int64_t rows);
    /* The way back, in what is kept; then the gradient of a tensor. */
    void (*periodic_back)(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix kept,
                          mf_matrix delta, int64_t rows);
    void (*periodic_gradient)(const mf_columns *part, int64_t frequencies, int tensor, mf_matrix x, mf_matrix kept,
                              mf_matrix delta, int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, void *g,
                              int64_t ld, int accumulate);
    /* p_j = (x - e_j) / (e_(j+1) - e_j), at least 0 but in the first bin, at most 1 but in the last; out = p W + x s +
     * b. edges (n, bins + 1) ascend, up to where the last one is repeated. tensors: W (n * bins, width), s and b (n,
     * width). Or out = p: width is then bins, and the tensors are NULL. bins <= MF_MOST_BINS. */
    void (*piecewise)(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors, mf_matrix x,
                      mf_matrix out, int64_t rows);
    void (*piecewise_gradient)(const mf_columns *part, int64_t bins, const void *edges, int tensor, mf_matrix x,
                               mf_matrix delta, int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, void *g,
                               int64_t ld, int accumulate);

    /* --- part_curves.inl: tangents of these. along: those of the tensors; d_x and d_delta those of x and delta --- */

    /* Of `periodic`, from what it kept; changed: the same shape, for the way back. */
    void (*periodic_tangent)(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                             const void *const *along, mf_matrix x, mf_matrix d_x, mf_matrix kept, mf_matrix changed,
                             mf_matrix out, int64_t rows);
    /* What `periodic_back` does to what is kept, and the tangent of that to what is changed. */
    void (*periodic_tangent_back)(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                                  const void *const *along, mf_matrix kept, mf_matrix changed, mf_matrix delta,
                                  mf_matrix d_delta, int64_t rows);
    /* At an edge, the bin that begins there counts. */
    void (*piecewise_tangent)(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors,
                              const void *const *along, mf_matrix x, mf_matrix d_x, mf_matrix out, int64_t rows);

    /* --- losses.inl, loss_products.inl, metrics.inl --- */
    /* row_loss[r] = weight_r * loss_r in float64; delta (rows, cols), unless its data is NULL, = weight_r * scale *
     * dloss_r/d out. delta may be out. */
    void (*loss)(int loss, const mf_loss_options *options, mf_matrix out, const mf_targets *targets, int64_t rows,
                 int64_t cols, double scale, mf_matrix delta, double *row_loss);
    /* result (rows, cols) = weight_r * scale * H_r d, H_r being the second derivatives of loss_r by row r of out; at a
     * kink, nothing. result may not be out; d may be either. */
    void (*loss_product)(int loss, const mf_loss_options *options, mf_matrix out, const mf_targets *targets,
                         int64_t rows, int64_t cols, double scale, mf_matrix d, mf_matrix result);
    /* row_value[r] = weight_r * the metric of row r. threshold: of yes and no (0 for logits, 0.5 for
     * probabilities). number: the metric's own, see lists.h. */
    void (*metric)(int metric, double threshold, double number, mf_matrix out, const mf_targets *targets, int64_t rows,
                   int64_t cols, double *row_value);

    /* --- update.inl --- */
    /* A tile p (rows, cols; ld) after one step with gradient g (the same; ld_g) and state slots s0, s1, s2 (as p). */
    void (*update)(const mf_update *rule, void *p, const void *g, int64_t ld_g, void *s0, void *s1, void *s2,
                   int64_t rows, int64_t cols, int64_t ld);
    void (*add_penalty)(double l1, double l2, const void *p, void *g, int64_t n); /* g += l1 sign(p) + l2 p */
    double (*penalty)(double l1, double l2, const void *p, int64_t n);            /* l1 |p| + l2/2 p^2, summed */
    /* Columns of p (rows, cols; ld) whose Euclidean norm, in float64 sums, is above `most` are scaled down to it. */
    void (*limit_columns)(double most, void *p, int64_t rows, int64_t cols, int64_t ld);
    void (*average)(double share, const void *p, void *mean, int64_t rows, int64_t cols,
                    int64_t ld); /* mean += share (p - mean), of a tile (rows, cols; ld) */
    int (*all_finite)(const void *p, int64_t n);

    /* --- per_row.inl --- */
    /* g (k, n), contiguous, = h^T delta of one row, the first of both; written past the caches. */
    void (*outer_product)(mf_matrix h, mf_matrix delta, int64_t k, int64_t n, void *g);
    /* sums[0:rows] = the sums of squares of each row, in float64. */
    void (*row_squares)(mf_matrix x, int64_t rows, int64_t cols, double *sums);
    /* The way back through `copy_columns`, `periodic` and `piecewise`: out (rows, .) += dL/dx in the columns that the
     * part reads. That of `periodic` comes after `periodic_back`. */
    void (*copy_columns_back)(const mf_columns *part, mf_matrix delta, mf_matrix out, int64_t rows);
    void (*periodic_inputs)(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix kept,
                            mf_matrix out, int64_t rows);
    void (*piecewise_inputs)(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors,
                             mf_matrix x, mf_matrix delta, mf_matrix out, int64_t rows);
} mf_kernels;

/* --- values and layers: what the steps above are made of. Kinds of layers are tables of functions, which see a block
 * of rows or a tile of parameters; they may come from outside. --- */

enum {
    MF_LAYER_KIND_VERSION = 5, /* of mf_layer_kind and all that its functions are given */
    MF_MOST_TENSORS = 4,       /* of a layer */
    MF_MOST_BUFFERS = 2,
    MF_MOST_NUMBERS = 4,
    MF_SCRATCHES = 3, /* of a layer's twin, see mf_layer_kind */
};

/* Some columns of every row: h = g(z), made by one layer, or in parts by several. Value 0 is the data. Matrices begin
 * with the first block's rows; data is NULL where nobody reads them, and for h of value 0, which the block has. */
typedef struct {
    int64_t columns;
    int32_t activation;
    int32_t saves_z; /* g' is computed from z, else from h */
    double alpha;
    mf_matrix z, h;
    mf_matrix delta; /* dL/dz, finished by the last reader on the way back; before that, the sum of dL/dh so far */
    mf_matrix part;  /* where several layers read it: for what one of them will add */
    int64_t delta_first, delta_end; /* columns of which delta is wanted: they are in parts that are trained */
} mf_value;

/* How a layer reads a value on the way back, among its other readers, as flags: delta already holds what others wrote;
 * others follow, so that g' is not for this one to apply. */
enum mf_edge { MF_ADDS = 1, MF_MORE = 2 };

/* What passes along columns do: statistics before the way forward, sums before the way back, and what is kept of the
 * statistics after a step. */
enum mf_pass { MF_STATISTICS, MF_SUMS, MF_KEEP };

/* What the threads of a phase may find, as flags. */
enum mf_finding { MF_INFINITE_DELTA = 1 };

/* Rows that go through layers together. */
typedef struct {
    const mf_kernels *kernels;
    int64_t rows;
    int64_t first;       /* the number of its first row in the batch */
    ptrdiff_t shift;     /* bytes from the beginning of the values' matrices to its rows */
    mf_matrix x;         /* its rows of value 0; or, for kinds that read them so, CSR: */
    const mf_csr *csr;   /* or NULL */
    const int64_t *index;  /* of the block's rows in it; or NULL: they are its first ones */
    const mf_bands *bands; /* of a chunk: its entries, for the gradient */
    uint64_t seed, step; /* of what is drawn at random */
    int32_t *findings;   /* of the chunk that it belongs to */
    int32_t *bad;        /* flags of mf_status: what is wrong with the rows */
    double dropout_scale; /* of the layers' rates */
} mf_block;

/* Rows i0..i0+ni and columns j0..j0+nj of a layer's tensor, whose rows have ld columns; vectors are one row. */
typedef struct {
    int32_t layer, tensor;
    int64_t i0, ni, j0, nj;
    int64_t ld;
    int64_t offset; /* of element (i0, j0) in the flat vectors */
} mf_tile;

typedef struct mf_layer mf_layer;

/* A kind of layer. What it does not have is NULL: only `forward` and `backward` are needed, and `gradient` where it has
 * tensors. One of somebody else's comes in as a PyCapsule named "mlpfast.layer_kind". */
typedef struct {
    int32_t version; /* MF_LAYER_KIND_VERSION */
    const char *name;
    int reads_csr; /* value 0, where the block has it so, in `forward` and `gradient`; then `w` is row-major */
    /* The way forward: makes its value's h, and z where that has data, from the value that it reads. */
    void (*forward)(const mf_layer *layer, const mf_block *block);
    /* The way back: from its value's delta to that of the value that it reads, g' included, where that has data. With
     * several deltas one after another it is called for each; encoders that change what they saved go forward again
     * before. */
    void (*backward)(const mf_layer *layer, const mf_block *block);
    /* g (ld) = or += the gradient of a tile over all rows of a chunk, in their order. `next` follows the tile in the
     * plan, or is NULL; soon[0:count], with room for two more, may be brought into the caches meanwhile; `updates`: the
     * tile's parameters will be changed then. */
    void (*gradient)(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next, void *g,
                     int64_t ld, int accumulate, int updates, mf_soon *soon, int64_t count);
    /* Brings the forms in which the layer reads its parameters up to date with a tile of them, p (ld). */
    void (*refresh)(const mf_layer *layer, const mf_kernels *kernels, const mf_tile *tile, const void *p);
    /* One row, from where it lies (`also`: the second value) to h, the whole value, which is writable to the next
     * multiple of nr; parameters are read in place. */
    void (*one_row)(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also, void *h);
    /* A pass along columns j0..j0+nj of what the layer reads, over all rows of a batch, for kinds with statistics of
     * it; what it finds goes to the layer's notes, or with MF_KEEP to its buffers. */
    void (*columns)(const mf_layer *layer, const mf_block *batch, int pass, int64_t j0, int64_t nj);
    /* The update of those rows of a tile of a table that a batch has read, and of no other; the tile has whole rows. p
     * and the optimizer's state point at its first row. */
    void (*update_entries)(const mf_layer *layer, const mf_block *batch, const mf_tile *tile, const mf_update *rule,
                           void *p, void *s0, void *s1, void *s2);
    /* --- tangents: what changes as tensors and data change in some direction. `along` is the layer's twin: its
     * tensors, w and wt are those of the direction; h, z and delta of its values are tangents of the layer's own;
     * `saved` is for its use, MF_SCRATCHES matrices of the widest value that it reads or makes. Of the data, h has data
     * NULL where they do not change, but only where all that read them pack; so has w where parameters do not. --- */
    /* The tangent of h, and of z where that has data; rows have gone forward. */
    void (*tangent)(const mf_layer *layer, const mf_layer *along, const mf_block *block);
    /* The way back of delta and of its tangent, in place of `backward`. */
    void (*tangent_back)(const mf_layer *layer, const mf_layer *along, const mf_block *block);
    /* The tangent of `gradient`. */
    void (*tangent_gradient)(const mf_layer *layer, const mf_layer *along, const mf_block *chunk, const mf_tile *tile,
                             void *g, int64_t ld, int accumulate);
} mf_layer_kind;

struct mf_layer {
    const mf_layer_kind *kind;
    const mf_value *reads, *also, *makes; /* `also`: a second value that it reads, or NULL */
    int32_t edge, also_edge;              /* flags of mf_edge */
    const void *tensors[MF_MOST_TENSORS]; /* in the flat vector, row-major; they change between steps */
    void *buffers[MF_MOST_BUFFERS];       /* in the state, of the table's dtype */
    mf_matrix w, wt; /* a weight matrix with the bias as its last row, and its transpose, as the products read them; `w`
                      * may be the flat vector's own */
    mf_matrix saved; /* what it keeps for the way back: a row for each row of the batch; or data NULL */
    double *notes;   /* numbers that it keeps: of each row, or of each column; or NULL */
    int64_t first, width;   /* the columns of what it makes that are its own */
    const int32_t *columns; /* of what it reads, that it wants: n_columns; or NULL for all */
    int64_t n_columns;
    double numbers[MF_MOST_NUMBERS]; /* those that the kind takes, such as a rate */
    double alpha;                    /* of the activation that the kind itself takes: */
    int32_t activation;
    uint32_t stream;                 /* of random numbers */
    int32_t over_batch;              /* statistics are those of the batch */
};

/* --- dispatch.c --- */

/* The table in use for MF_FLOAT32 or MF_FLOAT64. The choice is made once: the best ISA of this CPU, or MLPFAST_ISA.
 * NULL if MLPFAST_ISA names something that this build or CPU does not have. */
const mf_kernels *mf_table(int dtype);
/* Names of the ISAs that this build has and this CPU can run, best first; returns their number (at most `size`). */
int mf_available_isas(const char **names, int size);
/* The table of an ISA by name, whatever is in use; NULL if it can't run here. For tests and benchmarks. */
const mf_kernels *mf_table_of(const char *isa, int dtype);

/* --- names.c: the rows of lists.h, by id --- */

typedef struct {
    const char *name;
    double alpha; /* its default; 0 where the activation takes none */
    int saves_z;  /* g' is computed from z, else from h */
} mf_activation_row;

typedef struct {
    const char *name;
    int reads_z; /* the pre-activations, whose delta it gives; else the outputs */
} mf_loss_row;

extern const mf_activation_row mf_activations[MF_ACTIVATIONS];
extern const mf_loss_row mf_losses[MF_LOSSES];
extern const char *const mf_metrics[MF_METRICS], *const mf_functions[MF_FUNCTIONS];
extern const char *const mf_optimizers[MF_OPTIMIZERS];

/* --- float_mode.c: denormal numbers cost a hundred times a normal one, and the gradients of a network that has learnt
 * its data by heart are full of them --- */

/* Makes this thread's arithmetic take and give zero for them; returns its mode as it was, for mf_set_float_mode. */
uint64_t mf_flush_denormals(void);
uint64_t mf_float_mode(void);
void mf_set_float_mode(uint64_t mode);

/* --- pool.c, which learns by experience.c --- */

enum { MF_MAX_THREADS = 256 };
typedef void (*mf_task)(void *context, int64_t index);
/* Runs task(context, i) for i in [0, n_tasks), by the caller and at most n_threads - 1 helpers, never more threads than
 * mf_max_threads(), in any order and in the caller's float mode; returns when all are done. Never waits for a helper
 * that has not begun. Of jobs of one shape, the same thread runs the same tasks as far as it can. work: of all tasks
 * together, in multiply-adds, by which the speeds with and without helpers are compared. */
void mf_parallel_for(int64_t n_tasks, int n_threads, mf_task task, void *context, double work);

/* --- owner.c: who may use what one thread at a time may use --- */

/* All zero: free. */
typedef struct {
    uint64_t word; /* the holder, from its first mf_own to its last mf_disown; who is at work, no one twice at a time */
    int64_t depth; /* how often the holder owns it */
} mf_owner;

/* Each returns 1, or 0 where another thread holds it or is at work: then nothing has changed. Neither waits. In a
 * forked child all is free. */
int mf_own(mf_owner *owner);
int mf_begin_work(mf_owner *owner); /* also 0 where this thread is at work: we are called from within */
void mf_disown(mf_owner *owner);
void mf_end_work(mf_owner *owner);

/* Flags that several threads may raise, and whoever started them reads. */
static inline void mf_raise(int32_t *flags, int32_t raised) {
    if (raised) __atomic_fetch_or(flags, raised, __ATOMIC_RELAXED);
}
static inline int32_t mf_raised(const int32_t *flags) { return __atomic_load_n(flags, __ATOMIC_RELAXED); }

/* --- threads.c --- */

int mf_max_threads(void);            /* affinity, cgroup quota and OMP_NUM_THREADS; or MLPFAST_NUM_THREADS; or as set */
void mf_set_max_threads(int n);      /* 0: back to the default */

/* --- encode.c: columns of a table as rows of numbers for a network --- */

/* What becomes of a column: of numbers x (rows,), NaN where missing, z = (x - centre) factor, limited smoothly, and
 * beside it the rank, the tail, and whether it was missing; of codes what the table says. */
typedef struct {
    const double *numbers; /* or NULL, and then: */
    const int64_t *codes;  /* (rows,); those of no category have the last row of the table */
    const float *table;    /* (categories + 1, width) */
    int64_t categories;
    const double *bends; /* (3, n_bends): knots, ascending; slopes behind them, the last one 0; ranks. Or NULL */
    int64_t n_bends;     /* a power of two, by knots of infinity */
    double centre, factor, tail; /* tail: 0 if there is none */
    int32_t indicator, width;    /* columns that it becomes */
} mf_table_column;

/* out (rows, columns that they become), row-major. */
void mf_encode(const mf_table_column *columns, int64_t n, int64_t rows, float *out, int n_threads);

/* --- rng.c: Philox4x32-10 (Salmon et al. 2011), indexed by (seed, purpose, step, element) --- */

enum mf_purpose { MF_RNG_SHUFFLE = 1, MF_RNG_INITIALIZE = 2, MF_RNG_DROPOUT = 3, MF_RNG_SPLIT = 4, MF_RNG_RUNS = 5 };
void mf_permutation(uint64_t seed, uint32_t purpose, uint64_t step, int64_t n, int64_t *out);
/* Elements [start, start + n) of the sequence; start is even. Uniform: [0, 1), 53 bits. */
void mf_uniform(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out);
void mf_normal(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n, double *out);

#endif
