/*
 * Prints a hash of what every kernel computes, a line for each kernel and dtype: the same lines on every machine.
 *
 * Each line is computed by every instruction set that runs here, which must agree; run.sh compares the lines of two
 * machines. The inputs come from the package's own generator. Exits with 1 where two instruction sets differ.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlpfast.h"

enum { SLACK = 4096 }; /* bytes that may be read beyond the end of a buffer */

/* Odd sizes, around the widths of vectors, panels and register tiles, and beyond the blocks of k and of rows. */
static const int64_t shapes[][3] = {{1, 1, 1},    {1, 64, 10},   {3, 17, 65},   {5, 8, 33},    {17, 3, 16},
                                    {33, 65, 7},  {65, 33, 31},  {1, 1030, 37}, {3, 300, 600}, {300, 17, 10},
                                    {67, 63, 64}, {66, 64, 32},  {65, 49, 16},  {64, 50, 8},   {520, 40, 130},
                                    {67, 150, 100}};
#if !defined(SHAPES) /* test_recipes.py is content with the first few */
#define SHAPES ((int)(sizeof shapes / sizeof shapes[0]))
#endif

static const mf_kernels *table;
static uint64_t hash;
static int different; /* results that should be the same */

/* --- FNV-1a of everything since the hash was last reset --- */

static void hash_bytes(const void *data, size_t n) {
    for (size_t i = 0; i < n; i++) hash = (hash ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
}

static void hash_reals(const void *data, int64_t n) { hash_bytes(data, (size_t)(n * table->itemsize)); }

/* --- inputs and buffers; all of them live until the process ends --- */

static void *allocate(int64_t bytes) {
    size_t size = (size_t)((bytes + SLACK + 63) / 64 * 64);
    void *p = aligned_alloc(64, size);
    if (p == NULL) exit(2);
    return memset(p, 0, size);
}

static double *doubles(uint64_t stream, int64_t n, double low, double high) {
    double *x = allocate(n * 8);
    mf_uniform(2024, MF_RNG_INITIALIZE, stream, 0, n, x);
    for (int64_t i = 0; i < n; i++) x[i] = low + (high - low) * x[i];
    return x;
}

/* n numbers of the table's dtype in [low, high), exact in float32 too. */
static void *reals(uint64_t stream, int64_t n, double low, double high) {
    double *x = doubles(stream, n, low, high);
    float *single = allocate(n * 4);
    for (int64_t i = 0; i < n; i++) x[i] = single[i] = (float)x[i];
    return table->dtype == MF_FLOAT32 ? (void *)single : (void *)x;
}

static mf_matrix panelled(int64_t rows, int64_t cols) {
    int64_t padded_rows = (rows + table->mr - 1) / table->mr * table->mr;
    int64_t panels = (cols + table->nr - 1) / table->nr;
    ptrdiff_t panel = padded_rows * table->nr;
    return (mf_matrix){table->nr, panel, allocate(panels * panel * table->itemsize)};
}

static mf_matrix packed(const void *source, int64_t rows, int64_t cols) {
    mf_matrix m = panelled(rows, cols);
    table->pack(source, cols, rows, cols, m);
    return m;
}

static void hash_matrix(mf_matrix m, int64_t rows, int64_t cols) {
    void *plain = allocate(rows * cols * table->itemsize);
    table->unpack(m, rows, cols, plain, cols);
    hash_reals(plain, rows * cols);
}

/* --- the kernels; each takes an id (an activation, a loss, ...) and sizes (rows, fan-in k, fan-out n) --- */

static double alpha_of(int activation) { return activation == MF_LEAKY_RELU ? 0.1 : 1.0; }

static void matmul_bias(int activation, int64_t rows, int64_t k, int64_t n) {
    void *x = reals(1, rows * k, -2, 2), *w = reals(2, (k + 1) * n, -1, 1), *row = allocate(n * table->itemsize);
    mf_matrix z = panelled(rows, n), h = panelled(rows, n);
    table->matmul_bias(packed(x, rows, k), packed(w, k + 1, n), z, h, rows, k, n, activation, alpha_of(activation),
                       0);
    hash_matrix(z, rows, n);
    hash_matrix(h, rows, n);
    table->row_forward(x, w, (char *)w + k * n * table->itemsize, row, k, n, activation, alpha_of(activation));
    hash_reals(row, n);
}

static void propagate_delta(int activation, int64_t rows, int64_t k, int64_t n) {
    mf_matrix delta = packed(reals(3, rows * k, -1, 1), rows, k), w = panelled(k, n), out = panelled(rows, n);
    table->pack_transposed(reals(4, n * k, -1, 1), k, n, k, w);
    mf_matrix saved = packed(reals(5, rows * n, -0.9, 0.9), rows, n);
    table->propagate_delta(delta, w, saved, out, rows, k, n, activation, alpha_of(activation), 0);
    hash_matrix(out, rows, n);
}

static void gradients(int accumulate, int64_t rows, int64_t k, int64_t n) {
    mf_matrix x = packed(reals(6, rows * k, -2, 2), rows, k), delta = packed(reals(7, rows * n, -1, 1), rows, n);
    void *dw = reals(8, k * n, -1, 1), *db = reals(9, n, -1, 1);
    table->weight_gradient(x, delta, dw, n, rows, 0, k, 0, n, accumulate, 0, NULL, 0);
    table->bias_gradient(delta, db, rows, 0, n, accumulate);
    hash_reals(dw, k * n);
    hash_reals(db, n);
}

/* n numbers of which many are zero, of either sign: by the kind, 60 % here and there, or five columns of ten. */
static void *with_zeros(int kind, uint64_t stream, int64_t n, int64_t columns) {
    void *x = reals(stream, n, -2, 2);
    double *draw = doubles(stream + 100, n, 0, 1);
    for (int64_t i = 0; i < n; i++) {
        const int zero = kind == 0 ? draw[i] < 0.6 : i % columns / 5 % 2 == 0;
        if (zero && table->dtype == MF_FLOAT32) ((float *)x)[i] = draw[i] < 0.1 ? -0.0f : 0;
        if (zero && table->dtype == MF_FLOAT64) ((double *)x)[i] = draw[i] < 0.1 ? -0.0 : 0;
    }
    return x;
}

/* The three products, told to skip the zeros and told not to. */
static void skipping(int kind, int64_t rows, int64_t k, int64_t n) {
    mf_matrix x = packed(with_zeros(kind, 31, rows * k, k), rows, k);
    mf_matrix w = packed(reals(32, (k + 1) * n, -1, 1), k + 1, n);
    mf_matrix saved = packed(reals(33, rows * n, -0.9, 0.9), rows, n), y = packed(reals(34, rows * n, -1, 1), rows, n);
    const int64_t weights = (k + 1) * n; /* the last row is another's */
    void *start = with_zeros(kind, 35, weights, n), *g = allocate(weights * table->itemsize);
    uint64_t before = hash, found[2];
    for (int skip = 0; skip < 2; skip++) {
        mf_matrix z = panelled(rows, n), h = panelled(rows, n), out = panelled(rows, n);
        hash = before;
        table->matmul_bias(x, w, z, h, rows, k, n, MF_TANH, 0, skip);
        hash_matrix(z, rows, n);
        hash_matrix(h, rows, n);
        table->propagate_delta(x, w, saved, out, rows, k, n, MF_RELU, 0, skip);
        hash_matrix(out, rows, n);
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            memcpy(g, start, (size_t)(weights * table->itemsize));
            table->weight_gradient(x, y, g, n, rows, 0, k, 0, n, accumulate, skip, NULL, 0);
            hash_reals(g, weights);
        }
        found[skip] = hash;
    }
    if (found[0] != found[1]) {
        printf("%s: skipping zeros differs (%lld, %lld, %lld)\n", table->isa, (long long)rows, (long long)k,
               (long long)n);
        different = 1;
    }
}

static void elementwise(int activation, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    mf_matrix z = packed(reals(10, rows * n, -30, 30), rows, n), h = panelled(rows, n), delta = panelled(rows, n);
    table->activation(activation, alpha_of(activation), z, h, rows, n);
    hash_matrix(h, rows, n);
    mf_matrix dh = packed(reals(11, rows * n, -1, 1), rows, n);
    const mf_matrix saved = mf_activations[activation].saves_z ? z : h;
    table->hadamard(activation, alpha_of(activation), dh, saved, delta, rows, n);
    hash_matrix(delta, rows, n);
    table->curve(activation, alpha_of(activation), dh, saved, packed(reals(71, rows * n, -1, 1), rows, n), delta, rows,
                 n);
    hash_matrix(delta, rows, n);
}

static void softmax(int id, int64_t rows, int64_t k, int64_t n) {
    (void)id, (void)k;
    mf_matrix z = packed(reals(12, rows * n, -20, 20), rows, n), s = panelled(rows, n), out = panelled(rows, n);
    table->softmax(z, s, rows, n);
    hash_matrix(s, rows, n);
    mf_matrix v = packed(reals(13, rows * n, -1, 1), rows, n);
    table->softmax_jvp(s, v, out, rows, n);
    hash_matrix(out, rows, n);
    table->softmax_curve(s, v, packed(reals(71, rows * n, -1, 1), rows, n), out, rows, n);
    hash_matrix(out, rows, n);
    table->log_softmax(z, out, rows, n);
    hash_matrix(out, rows, n);
}

/* --- kernels that take panels and row-major matrices alike --- */

static int row_major; /* how laid_out lays a matrix out */

static mf_matrix laid_out(const void *source, int64_t rows, int64_t cols) {
    if (!row_major) return packed(source, rows, cols);
    void *copy = allocate(rows * cols * table->itemsize);
    return (mf_matrix){cols, table->nr, memcpy(copy, source, (size_t)(rows * cols * table->itemsize))};
}

static mf_matrix room(int64_t rows, int64_t cols) { return laid_out(allocate(rows * cols * 8), rows, cols); }

static void both_layouts(void (*run)(int id, int64_t rows, int64_t n), int id, int64_t rows, int64_t n) {
    uint64_t before = hash, found[2];
    for (row_major = 0; row_major < 2; row_major++) {
        hash = before;
        run(id, rows, n);
        found[row_major] = hash;
    }
    if (found[0] != found[1]) {
        printf("%s: row-major matrices differ (%lld, %lld)\n", table->isa, (long long)rows, (long long)n);
        different = 1;
    }
}

static void affine_of(int id, int64_t rows, int64_t n) {
    void *x = reals(41, rows * n, -2, 2), *y = reals(42, rows * n, -1, 1), *delta = reals(43, rows * n, -1, 1);
    void *scale = reals(44, n, -1, 2), *shift = reals(45, n, -1, 1), *g = reals(46, n, -1, 1);
    mf_matrix a = laid_out(x, rows, n), b = laid_out(y, rows, n), d = laid_out(delta, rows, n), out = room(rows, n);
    table->add(a, b, out, rows, n);
    hash_matrix(out, rows, n);
    table->scale_shift(a, id == 1 ? NULL : scale, id == 2 ? NULL : shift, out, rows, n);
    hash_matrix(out, rows, n);
    table->blend(a, b, scale, out, rows, n);
    hash_matrix(out, rows, n);
    table->scale_difference(a, b, scale, out, rows, n);
    hash_matrix(out, rows, n);
    table->blend_back(d, b, scale, d, rows, n);
    hash_matrix(d, rows, n);
    table->scale_gradient(a, d, g, rows, 0, n, id > 0);
    hash_reals(g, n);
    const int64_t j0 = n > table->nr ? table->nr : 0; /* some of the columns: the sums of the others stay */
    table->blend_gradient(a, b, d, (char *)g + j0 * table->itemsize, rows, j0, n - j0, id > 0);
    table->blend_gradient(a, b, d, g, rows, 0, j0, id > 0);
    hash_reals(g, n);
}

static void affine(int id, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    both_layouts(affine_of, id, rows, n);
}

static void norm_of(int centres, int64_t rows, int64_t n) {
    mf_matrix x = laid_out(reals(47, rows * n, -2, 5), rows, n), out = room(rows, n);
    mf_matrix dn = laid_out(reals(48, rows * n, -1, 1), rows, n);
    double *rsd = allocate(rows * 8);
    table->normalise_rows(x, 1e-5, centres, out, rsd, rows, n);
    hash_matrix(out, rows, n);
    hash_bytes(rsd, (size_t)rows * 8);
    table->normalise_rows_back(dn, out, rsd, centres, dn, rows, n);
    hash_matrix(dn, rows, n);
    mf_matrix curve = laid_out(reals(71, rows * n, -1, 1), rows, n), dx = laid_out(reals(72, rows * n, -1, 1), rows, n);
    table->normalise_rows_curve(dn, out, dx, laid_out(reals(73, rows * n, -1, 1), rows, n), rsd, centres, curve, rows,
                                n);
    hash_matrix(curve, rows, n);
    table->normalise_rows(x, 1e-5, centres, x, NULL, rows, n);
    hash_matrix(x, rows, n);
}

static void norm(int centres, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    both_layouts(norm_of, centres, rows, n);
}

static void norm_columns_of(int batch, int64_t rows, int64_t n) {
    mf_matrix x = laid_out(reals(49, rows * n, -2, 5), rows, n), out = room(rows, n);
    mf_matrix delta = laid_out(reals(50, rows * n, -1, 1), rows, n);
    double *statistics[4];
    for (int i = 0; i < 4; i++) statistics[i] = allocate(n * 8);
    table->column_moments(x, rows, 0, n, statistics[0], statistics[1]);
    table->normalise_columns(x, statistics[0], statistics[1], 1e-5, out, rows, n);
    hash_matrix(out, rows, n);
    table->column_sums(delta, out, rows, 0, n, statistics[2], statistics[3]);
    for (int i = 0; i < 4; i++) hash_bytes(statistics[i], (size_t)n * 8);
    table->normalise_columns_back(delta, out, batch ? reals(51, n, -1, 2) : NULL, statistics[1], 1e-5,
                                  batch ? statistics[2] : NULL, statistics[3], (double)rows, delta, rows, n);
    hash_matrix(delta, rows, n);
}

static void norm_columns(int batch, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    both_layouts(norm_columns_of, batch, rows, n);
}

/* --- columns of a table: at most five of n, from the last one on, in parts that begin in column 3 --- */

enum { FIRST = 3, MOST_COLUMNS = 5 };
static int32_t chosen[MOST_COLUMNS];

static mf_columns part_of(int64_t n, int64_t width) {
    const int64_t count = n < MOST_COLUMNS ? n : MOST_COLUMNS;
    for (int64_t i = 0; i < count; i++) chosen[i] = (int32_t)(n - 1 - i);
    return (mf_columns){chosen, count, FIRST, width};
}

static void *codes(uint64_t stream, int64_t n, int64_t categories) {
    void *x = reals(stream, n, 0, (double)categories);
    for (int64_t i = 0; i < n; i++) {
        if (table->dtype == MF_FLOAT32) ((float *)x)[i] = (float)(int)((float *)x)[i];
        else ((double *)x)[i] = (double)(int)((double *)x)[i];
    }
    return x;
}

/* The same codes as CSR rows, zeros left out. */
static void check_stored_codes(const mf_columns *hot, int unknown, mf_matrix out, int64_t rows, int64_t n) {
    const int64_t categories = hot->width, width = FIRST + hot->n * categories;
    const char *dense = codes(52, rows * n, categories + 1);
    char *values = allocate(rows * n * table->itemsize);
    int32_t *columns = allocate(rows * n * 4), *offsets = allocate((rows + 1) * 4), at = 0;
    for (int64_t i = 0; i < rows * n; i++) {
        const char *code = dense + i * table->itemsize;
        if (table->dtype == MF_FLOAT32 ? *(const float *)code != 0 : *(const double *)code != 0) {
            memcpy(values + at * table->itemsize, code, (size_t)table->itemsize);
            columns[at++] = (int32_t)(i % n);
        }
        offsets[i / n + 1] = at;
    }
    const mf_csr x = {values, columns, offsets, at, table->dtype, 0};
    mf_matrix again = room(rows, width);
    int status = table->one_hot_csr(hot, unknown, &x, NULL, again, rows, n);
    hash_bytes(&status, sizeof status);
    const uint64_t before = hash;
    uint64_t found[2];
    for (int csr = 0; csr < 2; csr++) {
        hash = before;
        hash_matrix(csr ? again : out, rows, width);
        found[csr] = hash;
    }
    if (found[0] != found[1]) {
        printf("%s: one_hot differs of CSR rows (%lld, %lld)\n", table->isa, (long long)rows, (long long)n);
        different = 1;
    }
}

static void coded_of(int unknown, int64_t rows, int64_t n) {
    const int64_t categories = 2 + rows % 40;
    mf_columns hot = part_of(n, categories), rest = part_of(n, 1), embedded = part_of(n, 1 + rows % 37);
    mf_matrix x = laid_out(codes(52, rows * n, categories + 1), rows, n);
    const int64_t columns = FIRST + hot.n * categories + 40 * hot.n + 2 * hot.n;
    mf_matrix out = room(rows, columns), delta = laid_out(reals(53, rows * columns, -1, 1), rows, columns);
    int status = table->one_hot(&hot, unknown, x, out, rows);
    check_stored_codes(&hot, unknown, out, rows, n);
    embedded.first += hot.n * categories;
    const int64_t entries = embedded.n * categories, units = embedded.width, half = entries / 2;
    status |= table->look_up(&embedded, categories, 0, reals(54, entries * units, -1, 1), x, out, rows);
    rest.first = columns - rest.n;
    table->copy_columns(&rest, x, out, rows);
    rest.columns = NULL, rest.first -= rest.n;
    table->copy_columns(&rest, x, out, rows);
    hash_bytes(&status, sizeof status);
    hash_matrix(out, rows, columns);
    mf_matrix inputs = laid_out(reals(75, rows * n, -1, 1), rows, n);
    table->copy_columns_back(&rest, delta, inputs, rows);
    hash_matrix(inputs, rows, n);
    char *g = reals(55, entries * units, -1, 1);
    table->look_up_gradient(&embedded, categories, 0, x, delta, rows, 0, half, 0, units, g, units, 0);
    g += half * units * table->itemsize;
    table->look_up_gradient(&embedded, categories, 0, x, delta, rows, half, entries - half, 0, units, g, units, 1);
    hash_reals(g - half * units * table->itemsize, entries * units);
    const mf_update rule = {.optimizer = MF_ADAM, .rate = 0.01, .momentum = 0.9, .decay = 0.99, .epsilon = 1e-7,
                            .shrink = 0.999};
    char *p[3];
    for (int i = 0; i < 3; i++) p[i] = reals(70 + (uint64_t)i, entries * units, 0, 1);
    mf_matrix sums = room(rows, embedded.n * units);
    int32_t *seen = allocate(entries * 4);
    for (int step = 0; step < 2; step++)
        for (int64_t i0 = 0; i0 < entries; i0 += half) {
            const int64_t at = i0 * units * table->itemsize, ni = entries - i0 < half ? entries - i0 : half;
            table->look_up_update(&embedded, categories, 0, x, delta, sums, seen, rows, i0, ni, &rule, p[0] + at,
                                  p[1] + at, p[2] + at, p[2] + at);
        }
    for (int i = 0; i < 3; i++) hash_reals(p[i], entries * units);
}

static void coded(int id, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    both_layouts(coded_of, id == 0 ? 0 : -id, rows, n);
}

static void periodic_of(int linear, int64_t rows, int64_t n) {
    const int64_t frequencies = 1 + rows % 37, units = linear ? 1 + n % 35 : 2 * frequencies;
    const mf_columns part = part_of(n, units);
    const int64_t columns = FIRST + part.n * units, angles = part.n * frequencies;
    const int64_t kept_columns = 2 * part.n * ((frequencies + 15) / 16 * 16);
    void *f = reals(56, angles, -1, 1), *p = reals(57, angles, -3, 3), *w = reals(58, angles * units, -1, 1);
    const void *bias = reals(59, part.n * units, -1, 1), *tensors[4] = {f, p, w, bias};
    for (int t = 1; t < 4 && !linear; t++) tensors[t] = NULL;
    const int64_t shapes_of[4][2] = {{part.n, frequencies}, {part.n, frequencies}, {angles, units}, {part.n, units}};
    mf_matrix x = laid_out(reals(60, rows * n, -9, 9), rows, n), kept = room(rows, kept_columns);
    mf_matrix out = room(rows, columns), delta = laid_out(reals(61, rows * columns, -1, 1), rows, columns);
    table->periodic(&part, frequencies, tensors, x, (mf_matrix){0}, out, rows);
    hash_matrix(out, rows, columns);
    table->periodic(&part, frequencies, tensors, x, kept, out, rows);
    hash_matrix(out, rows, columns);
    mf_matrix changed = room(rows, kept_columns), dx = laid_out(reals(71, rows * n, -1, 1), rows, n);
    mf_matrix d_delta = laid_out(reals(72, rows * columns, -1, 1), rows, columns);
    table->periodic_tangent(&part, frequencies, tensors, tensors, x, dx, kept, changed, out, rows);
    hash_matrix(out, rows, columns);
    table->periodic_tangent_back(&part, frequencies, tensors, tensors, kept, changed, delta, d_delta, rows);
    for (int t = 0; t < (linear ? 4 : 1); t++) {
        char *g = reals(62, shapes_of[t][0] * shapes_of[t][1], -1, 1);
        table->periodic_gradient(&part, frequencies, t, x, changed, d_delta, rows, 0, shapes_of[t][0], 0,
                                 shapes_of[t][1], g, shapes_of[t][1], 0);
        hash_reals(g, shapes_of[t][0] * shapes_of[t][1]);
    }
    table->periodic(&part, frequencies, tensors, x, kept, out, rows);
    table->periodic_back(&part, frequencies, tensors, kept, delta, rows);
    table->periodic_inputs(&part, frequencies, tensors, kept, dx, rows);
    hash_matrix(dx, rows, n);
    for (int t = 0; t < (linear ? 4 : 1); t++) {
        const int64_t height = shapes_of[t][0], width = shapes_of[t][1], half = height / 2;
        char *g = reals(62, height * width, -1, 1);
        table->periodic_gradient(&part, frequencies, t, x, kept, delta, rows, 0, half, 0, width, g, width, 0);
        g += half * width * table->itemsize;
        table->periodic_gradient(&part, frequencies, t, x, kept, delta, rows, half, height - half, 0, width, g, width,
                                 1);
        hash_reals(g - half * width * table->itemsize, height * width);
    }
}

static void periodic(int linear, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    both_layouts(periodic_of, linear, rows, n);
}

/* Ascending edges, the last of which some columns have twice. */
static void *edges_of(int64_t columns, int64_t bins) {
    double *widths = doubles(63, columns * (bins + 1), 0.01, 0.2);
    float *single = allocate(columns * (bins + 1) * 4);
    double *edges = allocate(columns * (bins + 1) * 8);
    for (int64_t i = 0; i < columns * (bins + 1); i++) {
        const int64_t j = i % (bins + 1);
        const double width = bins > 1 && j == bins && i / (bins + 1) % 2 ? 0 : widths[i];
        edges[i] = single[i] = j == 0 ? (float)-1 : (float)(edges[i - 1] + width);
    }
    return table->dtype == MF_FLOAT32 ? (void *)single : (void *)edges;
}

static void piecewise_of(int linear, int64_t rows, int64_t n) {
    const int64_t bins = 1 + rows % 67, units = linear ? 1 + n % 35 : bins;
    const mf_columns part = part_of(n, units);
    const int64_t columns = FIRST + part.n * units;
    const void *edges = edges_of(part.n, bins);
    const void *tensors[4] = {linear ? reals(64, part.n * bins * units, -1, 1) : NULL,
                              linear ? reals(65, part.n * units, -1, 1) : NULL,
                              linear ? reals(66, part.n * units, -1, 1) : NULL, NULL};
    mf_matrix x = laid_out(reals(67, rows * n, -2, 9), rows, n), out = room(rows, columns);
    mf_matrix delta = laid_out(reals(68, rows * columns, -1, 1), rows, columns);
    table->piecewise(&part, bins, edges, tensors, x, out, rows);
    hash_matrix(out, rows, columns);
    mf_matrix dx = laid_out(reals(71, rows * n, -1, 1), rows, n);
    table->piecewise_tangent(&part, bins, edges, tensors, tensors, x, dx, out, rows);
    hash_matrix(out, rows, columns);
    table->piecewise_inputs(&part, bins, edges, tensors, x, delta, dx, rows);
    hash_matrix(dx, rows, n);
    for (int t = 0; t < (linear ? 3 : 0); t++) {
        const int64_t height = t == 0 ? part.n * bins : part.n, half = height / 2;
        char *g = reals(69, height * units, -1, 1);
        table->piecewise_gradient(&part, bins, edges, t, x, delta, rows, 0, half, 0, units, g, units, 0);
        g += half * units * table->itemsize;
        table->piecewise_gradient(&part, bins, edges, t, x, delta, rows, half, height - half, 0, units, g, units, 1);
        hash_reals(g - half * units * table->itemsize, height * units);
    }
}

static void piecewise(int linear, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    both_layouts(piecewise_of, linear, rows, n);
}

static void gather(int source_dtype, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    int64_t *index = allocate(rows * 8);
    mf_permutation(5, MF_RNG_SHUFFLE, 1, rows, index);
    double *numbers = doubles(14, rows * n, 0, 255);
    float *single = allocate(rows * n * 4);
    unsigned char *bytes = allocate(rows * n);
    int16_t *shorts = allocate(rows * n * 2);
    for (int64_t i = 0; i < rows * n; i++) single[i] = (float)numbers[i], bytes[i] = (unsigned char)numbers[i];
    for (int64_t i = 0; i < rows * n; i++) shorts[i] = (int16_t)(-100 * numbers[i]);
    const void *source = numbers;
    if (source_dtype == MF_UINT8) source = bytes;
    if (source_dtype == MF_INT16) source = shorts;
    if (source_dtype == MF_FLOAT32) source = single;
    mf_matrix out = panelled(rows, n);
    int status = table->gather(source, source_dtype, n, index, rows, rows, n, out);
    hash_bytes(&status, sizeof status);
    hash_matrix(out, rows, n);
}

static void gather_csr(int source_dtype, int64_t rows, int64_t k, int64_t n) {
    (void)source_dtype, (void)k;
    int32_t *columns = allocate(rows * n * 4), *offsets = allocate((rows + 1) * 4);
    for (int64_t r = 0, at = 0; r < rows; r++) { /* every third column, from the right, the first one twice */
        for (int64_t c = n - 1; c >= 0; c -= 3) columns[at++] = (int32_t)c;
        if (n > 3) columns[at++] = (int32_t)n - 1;
        offsets[r + 1] = (int32_t)at;
    }
    const mf_csr x = {reals(15, rows * n, -1, 1), columns, offsets, offsets[rows], table->dtype, 0};
    mf_matrix out = panelled(rows, n);
    int status = table->gather_csr(&x, NULL, rows, n, out);
    hash_bytes(&status, sizeof status);
    hash_matrix(out, rows, n);
}

/* The products of CSR rows over their stored entries, and over the same rows made dense. */
static void products_csr(int source_dtype, int64_t rows, int64_t k, int64_t n) {
    double *numbers = doubles(36, rows * k, 0, 255);
    float *single = allocate(rows * k * 4);
    unsigned char *bytes = allocate(rows * k);
    for (int64_t i = 0; i < rows * k; i++) single[i] = (float)numbers[i], bytes[i] = (unsigned char)numbers[i];
    const void *values = numbers;
    if (source_dtype != MF_FLOAT64) values = source_dtype == MF_UINT8 ? (void *)bytes : (void *)single;
    int64_t *columns = allocate(rows * k * 8), *offsets = allocate((rows + 1) * 8), *index = allocate(rows * 8);
    for (int64_t r = 0, at = 0; r < rows; r++) { /* every (r % 5)-th column, or none */
        for (int64_t c = r % 3; r % 5 > 0 && c < k; c += r % 5) columns[at++] = c;
        offsets[r + 1] = at;
    }
    mf_permutation(5, MF_RNG_SHUFFLE, 1, rows, index);
    const mf_csr x = {values, columns, offsets, offsets[rows], source_dtype, 1};
    mf_matrix dense = panelled(rows, k), y = packed(reals(34, rows * n, -1, 1), rows, n);
    void *w = reals(32, (k + 1) * n, -1, 1), *start = reals(35, k * n, -1, 1), *g = allocate(k * n * table->itemsize);
    mf_matrix panels = packed(w, k + 1, n);
    const int64_t width = 2 * table->nr, n_bands = (k + width - 1) / width;
    mf_bands bands = {width, allocate((n_bands + 1) * 8), allocate(n_bands * 8), allocate(rows * k * 4),
                      allocate(rows * k * 4), allocate(rows * k * table->itemsize)};
    int status = table->gather_csr(&x, index, rows, k, dense) | table->count_csr(&x, index, rows, k, &bands);
    for (int64_t b = 0; b < n_bands; b++) {
        bands.starts[b + 1] = bands.starts[b] + bands.ends[b];
        bands.ends[b] = bands.starts[b];
    }
    status |= table->place_csr(&x, index, 0, rows, k, &bands);
    uint64_t before = hash, found[2];
    for (int csr = 0; csr < 2; csr++) {
        mf_matrix z = panelled(rows, n);
        hash = before;
        if (csr) status |= table->matmul_bias_csr(&x, index, rows, k, w, (char *)w + k * n * table->itemsize, z, n);
        else table->matmul_bias(dense, panels, (mf_matrix){0}, z, rows, k, n, MF_IDENTITY, 0, 0);
        hash_matrix(z, rows, n);
        for (int accumulate = 0; accumulate < 2; accumulate++) {
            memcpy(g, start, (size_t)(k * n * table->itemsize));
            for (int64_t i = 0; i < k; i += width) {
                const int64_t ni = k - i < width ? k - i : width;
                void *tile = (char *)g + i * n * table->itemsize;
                if (csr) table->weight_gradient_csr(&bands, y, tile, n, i, ni, 0, n, accumulate, NULL, 0);
                else table->weight_gradient(dense, y, tile, n, rows, i, ni, 0, n, accumulate, 0, NULL, 0);
            }
            hash_reals(g, k * n);
        }
        hash_bytes(&status, sizeof status);
        found[csr] = hash;
    }
    if (found[0] != found[1]) {
        printf("%s: stored entries differ (%lld, %lld, %lld)\n", table->isa, (long long)rows, (long long)k,
               (long long)n);
        different = 1;
    }
}

static void elementary(int id, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    void *y = allocate(rows * n * table->itemsize);
    double low = id == MF_LOG_FUNCTION || id == MF_LOG1P_FUNCTION ? 0.01 : -8;
    table->elementary(id, reals(27, rows * n, low, 8), y, rows * n);
    hash_reals(y, rows * n);
    if (id != MF_SIN_FUNCTION && id != MF_COS_FUNCTION) return;
    table->elementary(id, reals(28, rows * n, -5e6, 5e6), y, rows * n); /* many turns, and few */
    hash_reals(y, rows * n);
}

static void dropout(int id, int64_t rows, int64_t k, int64_t n) {
    (void)id, (void)k;
    mf_matrix x = packed(reals(16, rows * n, -1, 1), rows, n), h = panelled(rows, n);
    table->dropout(x, h, 7, rows, n, 0.3, 99, 1, 12);
    hash_matrix(h, rows, n);
    table->dropout_back(x, h, h, rows, n, 0.3);
    hash_matrix(h, rows, n);
}

static void loss(int id, int64_t rows, int64_t k, int64_t n) {
    /* delta of huber, q of quantile, power of tweedie, gamma and weights of the focal losses; and one of each output */
    const mf_loss_options plain = {.numbers = {id == MF_TWEEDIE_DEVIANCE ? 1.3 : 0.7, 2, 0.5}};
    const mf_loss_options by_output = {.numbers = {plain.numbers[0], 2, 0.5}, .of_outputs = doubles(42, n, 0.1, 0.9)};
    const int classes = id == MF_CROSS_ENTROPY || id == MF_FOCAL || id == MF_KL_DIVERGENCE;
    const int ordered = id == MF_ORDINAL, pairs = id == MF_GAUSSIAN_NLL;
    if (pairs) n += n % 2;
    (void)k;
    int32_t *labels = allocate(rows * 4);
    double *values = allocate(rows * 8);
    for (int64_t r = 0; r < rows; r++) labels[r] = (int32_t)(r * 7 % n);
    mf_matrix out = packed(reals(17, rows * n, -3, 3), rows, n), delta = panelled(rows, n);
    enum { DENSE, BY_OUTPUT, SMOOTHED, LABELS, KINDS };
    for (int kind = DENSE; kind < KINDS; kind++) {
        const int dense = kind == DENSE || kind == BY_OUTPUT;
        if (dense ? ordered : !classes && !ordered) continue;
        mf_targets targets = {.labels = dense ? NULL : labels, .dense = dense ? reals(18, rows * n, 0, 1) : NULL,
                              .weights = doubles(19, rows, 0, 2), .smoothing = kind == SMOOTHED ? 0.1 : 0.0,
                              .each = pairs ? 2 : 1};
        table->loss(id, kind == BY_OUTPUT ? &by_output : &plain, out, &targets, rows, n, 1.0 / (double)rows, delta,
                    values);
        hash_bytes(values, (size_t)rows * 8);
        hash_matrix(delta, rows, n);
        table->loss_product(id, kind == BY_OUTPUT ? &by_output : &plain, out, &targets, rows, n, 1.0 / (double)rows,
                            packed(reals(71, rows * n, -1, 1), rows, n), delta);
        hash_matrix(delta, rows, n);
    }
}

static void metric(int id, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    double *values = allocate(rows * 8);
    int32_t *labels = allocate(rows * 4);
    for (int64_t r = 0; r < rows; r++) labels[r] = (int32_t)(r * 7 % (n + (id == MF_ORDINAL_ACCURACY)));
    mf_targets targets = {.labels = labels, .dense = reals(20, rows * n, 0, 1), .weights = doubles(21, rows, 0, 2)};
    for (int dense = 1; dense >= 0; dense--) {
        if (!dense) targets.dense = NULL;
        table->metric(id, 0.5, id == MF_PINBALL ? 0.7 : 3, packed(reals(22, rows * n, 0, 1), rows, n), &targets, rows,
                      n, values);
        hash_bytes(values, (size_t)rows * 8);
    }
}

static void update(int optimizer, int64_t rows, int64_t k, int64_t n) {
    (void)k;
    int64_t size = rows * n;
    void *p = reals(23, size, -1, 1), *g = reals(24, size, -1, 1), *slots[3];
    for (int i = 0; i < 3; i++) slots[i] = allocate(size * table->itemsize);
    for (int step = 0; step < 6; step++) {
        mf_update rule = {.optimizer = optimizer, .nesterov = step & 1, .amsgrad = step > 1, .clips = step > 3,
                          .factor = 0.7, .most = 0.5, .rate = 0.01,
                          .momentum = 0.9, .decay = 0.99, .share = 0.2, .ahead = 0.3, .epsilon = 1e-7,
                          .l1 = 1e-3, .l2 = 1e-2,
                          .shrink = step & 1 ? 1.0 : 0.999};
        table->update(&rule, p, g, size, slots[0], slots[1], slots[2], 1, size, size);
    }
    table->average(0.3, p, g, rows, n / 2 + 1, n);
    hash_reals(p, size);
    hash_reals(g, size);
    for (int i = 0; i < 3; i++) hash_reals(slots[i], size);
}

static void penalty(int id, int64_t rows, int64_t k, int64_t n) {
    (void)id, (void)k;
    void *p = reals(25, rows * n, -1, 1), *g = reals(26, rows * n, -1, 1);
    double value = table->penalty(0.01, 0.1, p, rows * n);
    hash_bytes(&value, sizeof value);
    table->add_penalty(0.01, 0.1, p, g, rows * n);
    hash_reals(g, rows * n);
    table->limit_columns(1.5, g, rows, n / 2 + 1, n);
    hash_reals(g, rows * n);
}

/* Of single rows; `id` reals before a cache line's end begins what is written past the caches. */
static void single_rows(int id, int64_t rows, int64_t k, int64_t n) {
    void *x = reals(76, rows * k, -1, 1);
    mf_matrix h = packed(x, rows, k), delta = packed(reals(77, rows * n, -1, 1), rows, n);
    char *g = (char *)allocate((k * n + 64) * table->itemsize) + (64 - id) * table->itemsize;
    table->outer_product(h, delta, k, n, g);
    hash_reals(g, k * n);
    double *sums = allocate(rows * 8);
    table->row_squares(h, rows, k, sums);
    hash_bytes(sums, (size_t)rows * 8);
    char *last = (char *)x + (rows * k - 1) * table->itemsize;
    int finite = table->all_finite(x, rows * k);
    memset(last, 255, (size_t)table->itemsize); /* NaN */
    finite = 2 * finite + table->all_finite(x, rows * k);
    hash_bytes(&finite, sizeof finite);
}

static void generator(int id, int64_t rows, int64_t k, int64_t n) {
    (void)id;
    int64_t *order = allocate(rows * k * 8);
    double *numbers = allocate(rows * n * 8);
    mf_permutation(3, MF_RNG_SHUFFLE, (uint64_t)n, rows * k, order);
    hash_bytes(order, (size_t)(rows * k) * 8);
    mf_uniform(3, MF_RNG_SPLIT, 1, 0, rows * n, numbers);
    hash_bytes(numbers, (size_t)(rows * n) * 8);
    mf_normal(3, MF_RNG_INITIALIZE, 1, 0, rows * n, numbers);
    hash_bytes(numbers, (size_t)(rows * n) * 8);
}

static const struct {
    const char *name;
    void (*run)(int id, int64_t rows, int64_t k, int64_t n);
    int ids; /* run with ids 0 to ids - 1 */
} kernels[] = {
    {"generator", generator, 1},
    {"matmul_bias, row_forward", matmul_bias, MF_SOFTMAX},
    {"propagate_delta", propagate_delta, MF_SOFTMAX},
    {"weight_gradient, bias_gradient", gradients, 2},
    {"products that skip zeros", skipping, 2},
    {"activation, hadamard, curve", elementwise, MF_SOFTMAX},
    {"elementary", elementary, MF_FUNCTIONS},
    {"softmax, softmax_jvp, softmax_curve, log_softmax", softmax, 1},
    {"add, scale_shift, blend, scale_difference, gradients", affine, 3},
    {"normalise_rows, normalise_rows_back, normalise_rows_curve", norm, 2},
    {"column_moments, column_sums, normalise_columns", norm_columns, 2},
    {"copy_columns and its way back, one_hot, look_up, its gradient and update", coded, 3},
    {"periodic, its tangent, ways back and gradient", periodic, 2},
    {"piecewise, its tangent, way back and gradient", piecewise, 2},
    {"gather", gather, MF_INT16 + 1},
    {"gather_csr", gather_csr, 1},
    {"products of CSR rows", products_csr, MF_UINT8 + 1},
    {"dropout", dropout, 1},
    {"loss, loss_product", loss, MF_LOSSES},
    {"metric", metric, MF_METRICS},
    {"update", update, MF_OPTIMIZERS},
    {"penalty, add_penalty, limit_columns", penalty, 1},
    {"outer_product, row_squares, all_finite", single_rows, 3},
};

int main(void) {
    const char *isas[8];
    int n_isas = mf_available_isas(isas, 8);
    fprintf(stderr, "instruction sets:");
    for (int i = 0; i < n_isas; i++) fprintf(stderr, " %s", isas[i]);
    fprintf(stderr, "\n");
    for (int dtype = MF_FLOAT32; dtype <= MF_FLOAT64; dtype++)
        for (size_t kernel = 0; kernel < sizeof kernels / sizeof kernels[0]; kernel++)
            for (int id = 0; id < kernels[kernel].ids; id++) {
                uint64_t first = 0;
                for (int i = 0; i < n_isas; i++) {
                    table = mf_table_of(isas[i], dtype);
                    hash = 0xcbf29ce484222325u;
                    for (int s = 0; s < SHAPES; s++) kernels[kernel].run(id, shapes[s][0], shapes[s][1], shapes[s][2]);
                    if (i == 0) first = hash;
                    if (hash != first) {
                        printf("float%d %s %d: %s differs from %s\n", table->itemsize * 8, kernels[kernel].name, id,
                               isas[i], isas[0]);
                        different = 1;
                    }
                }
                printf("float%d %s %d: %016llx\n", table->itemsize * 8, kernels[kernel].name, id,
                       (unsigned long long)first);
            }
    return different;
}
