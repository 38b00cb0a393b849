/*
 * Numbers as waves: cosines of a number times some frequencies, which are learnt (Gorishniy, Rubachev and Babenko, "On
 * embeddings for numerical features in tabular deep learning", 2022; with a linear map behind them Holzmueller,
 * Grinsztajn and Steinwart, "Better by default", 2024).
 *
 * What is kept of column i and frequency f: the cosine in column i F + f, F being the frequencies rounded up to
 * WAVE_COLUMNS; the sine, later dL/d angle, n F columns behind.
 */

enum { WAVE_COLUMNS = 64 / sizeof(float), WAVE_ROWS = 8, MOST_UNITS = MF_MOST_UNITS, UNITS_ACROSS = 4 };
enum { VECTORS_ACROSS = MOST_ANGLES, ROWS_ACROSS = VECTORS_ACROSS * LANES };
_Static_assert(WAVE_COLUMNS % LANES == 0, "no vector of what is kept is in two panels");
static const real TWO_PI = REAL(6.2831853071795865);

INLINE int64_t kept_column(const mf_columns *part, int64_t frequencies, int is_sine, int64_t i, int64_t f) {
    return ((is_sine ? part->n : 0) + i) * round_up(frequencies, WAVE_COLUMNS) + f;
}

/* A linear map's outputs for some rows, by vectors of units: they stay in cache lines of their own. */
typedef real units_of_rows[WAVE_ROWS][LANES] __attribute__((aligned(64)));

/* e (units, height) += h (height, count) w (count, units), in the order of w's rows. */
INLINE void add_product(const int height, const units_of_rows h, const real *w, int count, int64_t units,
                        units_of_rows *e) {
    for (int64_t k = 0; k < units; k += LANES, e++) {
        const int n = lanes_of(units - k);
        vec sum[WAVE_ROWS];
        UNROLL for (int q = 0; q < height; q++) sum[q] = vload((*e)[q]);
        for (int f = 0; f < count; f++) {
            const vec weights = load_some(w + f * units + k, n);
            UNROLL for (int q = 0; q < height; q++) sum[q] = vfma(vset(h[q][f]), weights, sum[q]);
        }
        UNROLL for (int q = 0; q < height; q++) vstore((*e)[q], sum[q]);
    }
}

/* Rows r0 to r0 + height of column i. */
INLINE void waves(const int height, const int linear, const mf_columns *part, int64_t frequencies,
                  const void *const *tensors, mf_matrix x, mf_matrix kept, mf_matrix out, int64_t i, int64_t r0) {
    const real *frequency = (const real *)tensors[0] + i * frequencies, *phase = tensors[1], *w = tensors[2];
    const real *bias = tensors[3], *numbers = at(x, r0, column_read(part, i));
    const int64_t units = part->width, first = part->first + i * units;
    units_of_rows h = {{0}}, e[MOST_UNITS / LANES];
    for (int64_t k = 0; k < units && linear; k += LANES) {
        const vec start = load_some(bias + i * units + k, lanes_of(units - k));
        UNROLL for (int q = 0; q < height; q++) vstore(e[k / LANES][q], start);
    }
    for (int64_t f = 0; f < frequencies; f += LANES) {
        const int n = lanes_of(frequencies - f);
        const vec turns = load_some(frequency + f, n) * TWO_PI;
        const vec shift = linear ? load_some(phase + i * frequencies + f, n) : vset(0);
        real *cosines = at(kept, r0, kept_column(part, frequencies, 0, i, f));
        real *sines = at(kept, r0, kept_column(part, frequencies, 1, i, f));
        for (int q = 0; q < height; q++) {
            vec sine, cosine;
            const vec angle = vfma(vset(numbers[q * x.row_stride]), turns, shift);
            sines_and_cosines(1, &angle, &sine, &cosine);
            if (kept.data != NULL) {
                vstore(cosines + q * kept.row_stride, cosine);
                vstore(sines + q * kept.row_stride, sine);
            }
            if (linear) {
                vstore(h[q], cosine);
            } else {
                store_part(out, r0 + q, first + f, cosine, n);
                store_part(out, r0 + q, first + frequencies + f, sine, n);
            }
        }
        if (linear) add_product(height, h, w + (i * frequencies + f) * units, n, units, e);
    }
    for (int64_t k = 0; k < units && linear; k += LANES)
        for (int q = 0; q < height; q++)
            store_part(out, r0 + q, first + k, vload(e[k / LANES][q]), lanes_of(units - k));
}

/* Rows r0 to r0 + ROWS_ACROSS of column i, a lane each, to a few units; nothing is kept. Sums have the same order. */
INLINE void waves_across(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix x,
                         mf_matrix out, int64_t i, int64_t r0) {
    const int64_t units = part->width, first = part->first + i * units;
    const real *frequency = (const real *)tensors[0] + i * frequencies;
    const real *phase = (const real *)tensors[1] + i * frequencies;
    const real *w = (const real *)tensors[2] + i * frequencies * units, *bias = (const real *)tensors[3] + i * units;
    const real *read = at(x, r0, column_read(part, i));
    real numbers[ROWS_ACROSS], made[ROWS_ACROSS];
    vec e[UNITS_ACROSS][VECTORS_ACROSS];
    for (int q = 0; q < ROWS_ACROSS; q++) numbers[q] = read[q * x.row_stride];
    UNROLL for (int k = 0; k < UNITS_ACROSS; k++)
        UNROLL for (int v = 0; v < VECTORS_ACROSS; v++) e[k][v] = vset(k < units ? bias[k] : 0);
    for (int64_t f = 0; f < frequencies; f++, w += units) {
        const vec turns = vset(frequency[f] * TWO_PI), shift = vset(phase[f]);
        vec angles[VECTORS_ACROSS], sines[VECTORS_ACROSS], cosines[VECTORS_ACROSS];
        UNROLL for (int v = 0; v < VECTORS_ACROSS; v++) angles[v] = vfma(vload(numbers + v * LANES), turns, shift);
        sines_and_cosines(VECTORS_ACROSS, angles, sines, cosines);
        UNROLL for (int k = 0; k < UNITS_ACROSS; k++) if (k < units)
            UNROLL for (int v = 0; v < VECTORS_ACROSS; v++) e[k][v] = vfma(cosines[v], vset(w[k]), e[k][v]);
    }
    UNROLL for (int k = 0; k < UNITS_ACROSS; k++) if (k < units) {
        real *to = at(out, r0, first + k);
        UNROLL for (int v = 0; v < VECTORS_ACROSS; v++) vstore(made + v * LANES, e[k][v]);
        for (int q = 0; q < ROWS_ACROSS; q++) to[q * out.row_stride] = made[q];
    }
}

static void periodic(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix x,
                     mf_matrix kept, mf_matrix out, int64_t rows) {
    const int linear = tensors[2] != NULL;
    const int64_t across = linear && kept.data == NULL && part->width <= UNITS_ACROSS ? rows : 0;
    for (int64_t i = 0; i < part->n; i++) {
        int64_t r = 0;
        for (; r + ROWS_ACROSS <= across; r += ROWS_ACROSS) waves_across(part, frequencies, tensors, x, out, i, r);
        for (; linear && r + WAVE_ROWS <= rows; r += WAVE_ROWS)
            waves(WAVE_ROWS, 1, part, frequencies, tensors, x, kept, out, i, r);
        for (; linear && r < rows; r++) waves(1, 1, part, frequencies, tensors, x, kept, out, i, r);
        for (; r < rows; r++) waves(1, 0, part, frequencies, tensors, x, kept, out, i, r);
    }
}

/* w (units, LANES) = columns f to f + n of the transpose of column i's weights, zero beyond. */
INLINE void transposed_weights(const real *weights, int n, int64_t units, vec *w) {
    for (int64_t k = 0; k < units; k++) {
        real column[LANES] = {0};
        for (int lane = 0; lane < n; lane++) column[lane] = weights[lane * units + k];
        w[k] = vload(column);
    }
}

/* From sines to dL/d angle: -sine dL/d cosine or, where the sine is put out as well, cosine dL/d sine - sine dL/d
 * cosine. */
static void periodic_back(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix kept,
                          mf_matrix delta, int64_t rows) {
    const real *weights = tensors[2];
    const int64_t units = part->width;
    for (int64_t i = 0; i < part->n; i++)
        for (int64_t f = 0; f < frequencies; f += LANES) {
            const int n = lanes_of(frequencies - f);
            const int64_t first = part->first + i * units;
            vec w[MOST_UNITS];
            if (weights != NULL) transposed_weights(weights + (i * frequencies + f) * units, n, units, w);
            for (int64_t r = 0; r < rows; r++) {
                real *sine = at(kept, r, kept_column(part, frequencies, 1, i, f));
                vec angle, g = vset(0);
                if (weights != NULL) {
                    for (int64_t k = 0; k < units; k++) g = vfma(vset(*at(delta, r, first + k)), w[k], g);
                    angle = -(vload(sine) * g);
                } else {
                    g = load_part(delta, r, first + f, n);
                    angle = vload(at(kept, r, kept_column(part, frequencies, 0, i, f))) *
                            load_part(delta, r, first + frequencies + f, n);
                    angle = vfma(-vload(sine), g, angle);
                }
                vstore(sine, angle);
            }
        }
}

/* Of weights (columns * frequencies, units): sums of cosine dL/de, a vector of frequencies by a unit at a time. */
static void wave_weight_gradient(const mf_columns *part, int64_t frequencies, mf_matrix kept, mf_matrix delta,
                                 int64_t rows, const part_tile *tile) {
    scaled_sum sums[SUMS_AT_ONCE];
    real *to[SUMS_AT_ONCE];
    int count = 0;
    for (int64_t row = 0, n; row < tile->ni; row += n) {
        const int64_t i = (tile->i0 + row) / frequencies, f = (tile->i0 + row) % frequencies;
        const int64_t c = kept_column(part, frequencies, 0, i, f), left = tile->ni - row;
        n = in_first_panel(c, lanes_of(left < frequencies - f ? left : frequencies - f));
        for (int64_t k = 0; k < tile->nj; k++) {
            real start[LANES] = {0};
            to[count] = tile->g + row * tile->ld + k;
            for (int lane = 0; lane < n && tile->accumulates; lane++) start[lane] = to[count][lane * tile->ld];
            sums[count] = (scaled_sum){.number = at(delta, 0, part->first + i * part->width + tile->j0 + k),
                                    .vector = at(kept, 0, c),
                                    .number_stride = delta.row_stride,
                                    .vector_stride = kept.row_stride,
                                    .factor = 1,
                                    .n = (int)n,
                                    .sum = vload(start)};
            if (++count < SUMS_AT_ONCE && !(row + n == tile->ni && k == tile->nj - 1)) continue;
            take_sums(sums, count, rows);
            for (int s = 0; s < count; s++)
                for (int lane = 0; lane < sums[s].n; lane++) to[s][lane * tile->ld] = sums[s].sum[lane];
            count = 0;
        }
    }
}

static void periodic_gradient(const mf_columns *part, int64_t frequencies, int tensor, mf_matrix x, mf_matrix kept,
                              mf_matrix delta, int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, void *g,
                              int64_t ld, int accumulate) {
    const part_tile tile = {i0, ni, j0, nj, ld, g, accumulate};
    mf_columns angles = *part;
    angles.first = kept_column(part, frequencies, 1, 0, 0), angles.width = round_up(frequencies, WAVE_COLUMNS);
    switch (tensor) {
    case 0: part_gradient(&angles, TWO_PI, x, kept, rows, &tile); return;
    case 1: part_gradient(&angles, 1, (mf_matrix){0}, kept, rows, &tile); return;
    case 2: wave_weight_gradient(part, frequencies, kept, delta, rows, &tile); return;
    default: part_gradient(part, 1, (mf_matrix){0}, delta, rows, &tile);
    }
}
