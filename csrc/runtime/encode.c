/*
 * Columns of a table as rows of numbers for a network: a block of rows at a time, all of its columns while these are in
 * cache. In float64, operation by operation as `ColumnPlan.encode_one` has them for a single row: the same bits.
 */
#include <math.h>
#include <string.h>

#include "mlpfast.h"

enum {
    ROWS = 256,   /* of a block */
    TOGETHER = 4, /* rows whose places are looked for: a part of these */
    WORK = 40,    /* of an element, about, in multiply-adds */
    FEW = 64,     /* knots: a number of a column with so many at most has likely been met before in its block */
    WIDEST = 4,   /* what a number becomes: itself, its rank, its tail, whether it is missing */
};
static const double LARGE = 1e100;    /* its square is finite */
static const double LARGEST = 1e30;   /* its square is finite in float32 */
static const double CLIP = 3, FARTHEST = 20;

typedef struct {
    const mf_table_column *columns;
    int64_t n, rows, width;
    float *out;
} encoding;

static double limited(double x, double most) {
    const double above = x < -most ? -most : x;
    return above > most ? most : above;
}

static void put_column(const double *values, int64_t n, float *out, int64_t ld) {
    for (int64_t r = 0; r < n; r++) out[r * ld] = (float)values[r];
}

/* By straight lines between the knots: each step halves what the place may be, for some rows side by side. */
static void put_ranks(const mf_table_column *column, const double *z, int64_t n, float *out, int64_t ld) {
    const double *knots = column->bends, *slopes = knots + column->n_bends, *ranks = slopes + column->n_bends;
    for (int64_t r = 0; r < n; r += TOGETHER) {
        int64_t place[TOGETHER] = {0};
        double x[TOGETHER];
        for (int q = 0; q < TOGETHER; q++) {
            const double single = (float)limited(z[r + q], LARGEST);
            x[q] = single < knots[0] ? knots[0] : single;
        }
        for (int64_t step = column->n_bends / 2; step > 0; step /= 2)
            for (int q = 0; q < TOGETHER; q++) place[q] = knots[place[q] + step] <= x[q] ? place[q] + step : place[q];
        for (int q = 0; q < TOGETHER && r + q < n; q++) {
            const int64_t k = place[q];
            out[(r + q) * ld] = (float)(slopes[k] * (x[q] - knots[k]) + ranks[k]);
        }
    }
}

static void put_numbers(const mf_table_column *column, const double *numbers, int64_t n, float *out, int64_t ld) {
    const double centre = column->centre, half = centre / 2, factor = column->factor;
    double z[ROWS] = {0}, shown[ROWS];
    for (int64_t r = 0; r < n; r++) {
        const double x = numbers[r] == numbers[r] ? numbers[r] : centre;
        z[r] = limited((x / 2 - half) * factor * 2, LARGE);
        shown[r] = z[r] / sqrt(1 + (z[r] / CLIP) * (z[r] / CLIP));
    }
    put_column(shown, n, out++, ld);
    if (column->bends) put_ranks(column, z, n, out++, ld);
    if (column->tail > 0) {
        for (int64_t r = 0; r < n; r++) shown[r] = limited(limited(z[r], LARGEST) * column->tail, FARTHEST);
        put_column(shown, n, out++, ld);
    }
    if (column->indicator)
        for (int64_t r = 0; r < n; r++) out[r * ld] = numbers[r] != numbers[r];
}

static void put_rows(const float *table, int64_t width, const int64_t *row, int64_t n, float *out, int64_t ld) {
    for (int64_t r = 0; r < n; r++)
        for (int64_t k = 0; k < width; k++) out[r * ld + k] = table[row[r] * width + k];
}

/* The different numbers of a block, and which of them each is; those whose hashes clash may come several times. */
static int64_t find_different(const double *numbers, int64_t n, double *different, int64_t *which) {
    uint8_t last[256] = {0}; /* of each hash */
    int64_t count = 0;
    for (int64_t r = 0; r < n; r++) {
        uint64_t bits, known_bits;
        memcpy(&bits, &numbers[r], sizeof bits);
        const uint64_t hash = bits * 0x9E3779B97F4A7C15u >> 56;
        different[count] = numbers[r]; /* beyond those that are known */
        memcpy(&known_bits, &different[last[hash]], sizeof bits);
        const int64_t known = known_bits == bits;
        which[r] = known ? last[hash] : count;
        last[hash] = (uint8_t)which[r];
        count += !known || r == 0;
    }
    return count;
}

/* Each of the different numbers once. */
static void put_repeated(const mf_table_column *column, const double *numbers, int64_t n, float *out, int64_t ld) {
    double different[ROWS] = {0};
    int64_t which[ROWS];
    float table[ROWS * WIDEST];
    put_numbers(column, different, find_different(numbers, n, different, which), table, column->width);
    put_rows(table, column->width, which, n, out, ld);
}

static void put_categories(const mf_table_column *column, const int64_t *codes, int64_t n, float *out, int64_t ld) {
    int64_t row[ROWS];
    for (int64_t r = 0; r < n; r++)
        row[r] = codes[r] >= 0 && codes[r] < column->categories ? codes[r] : column->categories;
    put_rows(column->table, column->width, row, n, out, ld);
}

static void put(const mf_table_column *column, int64_t first, int64_t n, float *out, int64_t ld) {
    if (column->codes) {
        put_categories(column, column->codes + first, n, out, ld);
        return;
    }
    const double *numbers = column->numbers + first;
    /* A block ends before the processor has seen that numbers are read one after the other. */
    for (int64_t r = 0; r < n; r += 8) __builtin_prefetch(numbers + ROWS + r);
    if (column->bends && column->n_bends <= FEW) put_repeated(column, numbers, n, out, ld);
    else put_numbers(column, numbers, n, out, ld);
}

static void encode_block(void *context, int64_t i) {
    const encoding *job = context;
    const int64_t first = i * ROWS, n = job->rows - first < ROWS ? job->rows - first : ROWS;
    float *out = job->out + first * job->width;
    for (const mf_table_column *column = job->columns; column < job->columns + job->n; out += column++->width)
        put(column, first, n, out, job->width);
}

void mf_encode(const mf_table_column *columns, int64_t n, int64_t rows, float *out, int n_threads) {
    encoding job = {columns, n, rows, 0, out};
    for (int64_t c = 0; c < n; c++) job.width += columns[c].width;
    const double work = (double)rows * (double)job.width * WORK;
    mf_parallel_for((rows + ROWS - 1) / ROWS, work < 4e6 ? 1 : n_threads, encode_block, &job, work);
}
