/*
 * What derivatives of each row by itself take: the gradient of a dense layer's weights by one row, which is an outer
 * product, the squares of rows, and the way back from encoders of a table to its columns.
 */

/* Writes what comes in any portions to memory in whole cache lines, past the caches: most of what is put out at once is
 * more than they keep, and a line that is written as a whole need not be read first. */
enum { LINE_REALS = 64 / sizeof(real), WRITER_REALS = 4096 / sizeof(real) };

typedef struct {
    real *to;    /* where the buffer will go, a whole line */
    int64_t first, used; /* of the buffer's elements: before `first` there is somebody else's */
    real buffer[WRITER_REALS + 2 * LINE_REALS] __attribute__((aligned(64)));
} line_writer;

INLINE void begin_lines(line_writer *w, real *to) {
    w->first = w->used = (int64_t)((uintptr_t)to % 64 / sizeof(real));
    w->to = to - w->first;
}

/* Writes the lines that are full; the rest of the buffer moves to its beginning. */
INLINE void write_lines(line_writer *w) {
    const int64_t whole = w->used / LINE_REALS * LINE_REALS;
    int64_t i = 0;
    if (w->first > 0 && whole > 0) {
        for (i = w->first; i < LINE_REALS; i++) w->to[i] = w->buffer[i];
        w->first = 0;
    }
    for (; i < whole; i += LANES) vstore_past_caches(w->to + i, vload(w->buffer + i));
    for (i = whole; i < w->used; i++) w->buffer[i - whole] = w->buffer[i];
    w->to += whole;
    w->used -= whole;
}

INLINE void end_lines(line_writer *w) {
    write_lines(w);
    for (int64_t i = w->first; i < w->used; i++) w->to[i] = w->buffer[i];
    stores_are_done();
}

static void outer_product(mf_matrix h, mf_matrix delta, int64_t k, int64_t n, void *g) {
    line_writer w;
    begin_lines(&w, g);
    for (int64_t i = 0; i < k; i++) {
        const vec factor = vset(*at(h, 0, i));
        for (int64_t j = 0; j < n; j += LANES) {
            if (w.used > WRITER_REALS) write_lines(&w);
            vstore(w.buffer + w.used, factor * vload(at(delta, 0, j)) + vset(0));
            w.used += n - j < LANES ? n - j : LANES;
        }
    }
    end_lines(&w);
}

static void row_squares(mf_matrix x, int64_t rows, int64_t cols, double *sums) {
    for (int64_t r = 0; r < rows; r++) sums[r] = sum_row(SQUARES, x, x, r, cols, 0, NULL);
}

/* --- from the columns that encoders make to those that they read --- */

static void copy_columns_back(const mf_columns *part, mf_matrix delta, mf_matrix out, int64_t rows) {
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < part->n; i++) *at(out, r, column_read(part, i)) += *at(delta, r, part->first + i);
}

/* dL/dx = 2 pi sum over f of frequency dL/d angle, which `periodic_back` has left in what is kept. */
static void periodic_inputs(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix kept,
                            mf_matrix out, int64_t rows) {
    const real *frequency = tensors[0];
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < part->n; i++) {
            real sum = 0;
            for (int64_t f = 0; f < frequencies; f++)
                sum += frequency[i * frequencies + f] * *at(kept, r, kept_column(part, frequencies, 1, i, f));
            *at(out, r, column_read(part, i)) += sum * TWO_PI;
        }
}

/* The slope of the piece that a number is in; at an edge, of the piece above it. */
static void piecewise_inputs(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors,
                             mf_matrix x, mf_matrix delta, mf_matrix out, int64_t rows) {
    const real *weights = tensors[0], *slopes = tensors[1], *e = edges;
    for (int64_t i = 0; i < part->n; i++, e += bins + 1) {
        const int used = used_bins(e, bins);
        const int64_t first = part->first + i * part->width;
        for (int64_t r = 0; r < rows; r++) {
            const int bin = used > 0 ? edges_below(e + 1, used - 1, *at(x, r, column_read(part, i)), 1) : 0;
            const real steepness = used > 0 ? 1 / (e[bin + 1] - e[bin]) : 0;
            real sum = 0;
            if (weights == NULL) sum = *at(delta, r, first + bin) * steepness;
            for (int64_t k = 0; k < part->width && weights != NULL; k++)
                sum += *at(delta, r, first + k) *
                       (slopes[i * part->width + k] + weights[(i * bins + bin) * part->width + k] * steepness);
            *at(out, r, column_read(part, i)) += sum;
        }
    }
}
