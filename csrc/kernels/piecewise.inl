/*
 * Numbers as places on a scale of bins: 1 for the bins below the number, 0 for those above, and how far it has come in
 * its own (Gorishniy, Rubachev and Babenko, "On embeddings for numerical features in tabular deep learning", 2022). The
 * first bin is open below, the last above.
 *
 * A linear map of that is a curve of straight pieces. It is computed as such, from prefix sums of the weights: a number
 * costs one bin, not all.
 */

enum { MOST_BINS = MF_MOST_BINS, PLACES_AT_ONCE = 64 };

typedef struct {
    int bin[PLACES_AT_ONCE];
    real within[PLACES_AT_ONCE]; /* 0 to 1, and beyond in the first and the last bin */
} places;

/* The number of edges[0:n], which ascend, that are below x; or, with `or_equal`, not above it. By halves. */
INLINE int edges_below(const real *edges, int n, real x, const int or_equal) {
    int below = 0;
    while (n > 0) {
        const int half = (n + 1) / 2;
        const real edge = edges[below + half - 1];
        below += half & -(or_equal ? edge <= x : edge < x);
        n -= half;
    }
    return below;
}

/* Bins of some width, which come first: edges (bins + 1,) ascend, and the last of them may be there again. */
INLINE int used_bins(const real *edges, int64_t bins) { return edges_below(edges, (int)bins, edges[bins], 0); }

/* Vectors of rows pass each edge between two bins; a single row goes by halves. Without edges, all are at the
 * beginning. */
INLINE void find_places(const real *edges, int used, const real *numbers, ptrdiff_t stride, int count, places *found) {
    for (int r = 0; r < count; r += LANES) {
        const int n = count - r < LANES ? count - r : LANES;
        real x[LANES] = {0}, bin[LANES] = {0}, begin[LANES] = {0}, end[LANES];
        for (int lane = 0; lane < n; lane++) x[lane] = numbers[(r + lane) * stride];
        if (count == 1) {
            bin[0] = (real)edges_below(edges + 1, used - 1, x[0], 1);
        } else {
            vec sum = vset(0);
            for (int e = 1; e < used; e++) sum += vselect(vless(vload(x), vset(edges[e])), vset(0), vset(1));
            vstore(bin, sum);
        }
        vstore(end, vset(1));
        for (int lane = 0; lane < n && used > 0; lane++) {
            const int b = found->bin[r + lane] = (int)bin[lane];
            begin[lane] = edges[b], end[lane] = edges[b + 1];
        }
        vstore(found->within + r, (vload(x) - vload(begin)) / (vload(end) - vload(begin)));
    }
    for (int r = 0; r < count && used == 0; r++) found->bin[r] = 0, found->within[r] = 0;
}

/* Rows at once, from r0 on. */
INLINE int next_places(const mf_columns *part, const real *edges, int used, mf_matrix x, int64_t i, int64_t r0,
                       int64_t rows, places *found) {
    const int count = rows - r0 < PLACES_AT_ONCE ? (int)(rows - r0) : PLACES_AT_ONCE;
    find_places(edges, used, at(x, r0, column_read(part, i)), x.row_stride, count, found);
    return count;
}

/* Lanes of an encoding, from bin `first` on. */
INLINE vec encoded(int bin, real within, int64_t first) {
    const vec bins = lane_numbers() + (real)first, own = vset((real)bin);
    return vselect(vequal(bins, own), vset(within), vselect(vless(bins, own), vset(1), vset(0)));
}

static void piecewise_encoding(const mf_columns *part, const real *edges, mf_matrix x, mf_matrix out, int64_t rows) {
    const int64_t bins = part->width;
    for (int64_t i = 0; i < part->n; i++, edges += bins + 1) {
        const int used = used_bins(edges, bins);
        int count;
        for (int64_t r0 = 0; r0 < rows; r0 += count) {
            places p;
            count = next_places(part, edges, used, x, i, r0, rows, &p);
            for (int r = 0; r < count; r++)
                for (int64_t j = 0; j < bins; j += LANES)
                    store_part(out, r0 + r, part->first + i * bins + j, encoded(p.bin[r], p.within[r], j),
                               lanes_of(bins - j));
        }
    }
}

/* The curve where each bin up to the last one begins, in n of the units. */
INLINE void begin_bins(const real *weights, const real *bias, int64_t units, int last, int n, vec *begins) {
    begins[0] = load_some(bias, n);
    for (int j = 0; j < last; j++) begins[j + 1] = begins[j] + load_some(weights + j * units, n);
}

static void piecewise(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors, mf_matrix x,
                      mf_matrix out, int64_t rows) {
    const int64_t units = part->width;
    const real *weights = tensors[0], *slopes = tensors[1], *biases = tensors[2], *e = edges;
    if (weights == NULL) {
        piecewise_encoding(part, edges, x, out, rows);
        return;
    }
    for (int64_t i = 0; i < part->n; i++, e += bins + 1, weights += bins * units, slopes += units, biases += units) {
        const int used = used_bins(e, bins);
        int count;
        for (int64_t r0 = 0; r0 < rows; r0 += count) {
            const real *numbers = at(x, r0, column_read(part, i));
            places p;
            count = next_places(part, e, used, x, i, r0, rows, &p);
            for (int64_t k = 0; k < units; k += LANES) {
                const int n = lanes_of(units - k);
                const vec slope = load_some(slopes + k, n);
                vec begins[MOST_BINS];
                begin_bins(weights + k, biases + k, units, count == 1 ? p.bin[0] : used - 1, n, begins);
                for (int r = 0; r < count; r++) {
                    const int bin = p.bin[r];
                    const vec curve = vfma(vset(p.within[r]), load_some(weights + bin * units + k, n), begins[bin]);
                    store_part(out, r0 + r, part->first + i * units + k,
                               vfma(vset(numbers[r * x.row_stride]), slope, curve), n);
                }
            }
        }
    }
}

/* A number adds to the gradient of its own bin what it has of it, and to those below all: these by suffix sums. */
static void piecewise_weight_gradient(const mf_columns *part, int64_t bins, const real *edges, mf_matrix x,
                                      mf_matrix delta, int64_t rows, const part_tile *tile) {
    for (int64_t i = 0; i < tile->ni && !tile->accumulates; i++)
        memset(tile->g + i * tile->ld, 0, (size_t)tile->nj * sizeof(real));
    for (int64_t i = tile->i0 / bins; i * bins < tile->i0 + tile->ni; i++) {
        const real *e = edges + i * (bins + 1);
        const int used = used_bins(e, bins);
        real *own = tile->g + (i * bins - tile->i0) * tile->ld; /* of bin 0, which may be another tile's */
        const int64_t first = tile->i0 > i * bins ? tile->i0 - i * bins : 0, end = tile->i0 + tile->ni - i * bins;
        for (int64_t k = 0; k < tile->nj; k += LANES) {
            const int n = lanes_of(tile->nj - k);
            const int64_t c = part->first + i * part->width + tile->j0 + k;
            vec beyond[MOST_BINS]; /* what numbers in a bin add to those below it */
            int count;
            for (int j = 0; j < used || j == 0; j++) beyond[j] = vset(0);
            for (int64_t r0 = 0; r0 < rows; r0 += count) {
                places p;
                count = next_places(part, e, used, x, i, r0, rows, &p);
                for (int r = 0; r < count; r++) {
                    const int bin = p.bin[r];
                    const vec d = load_part(delta, r0 + r, c, n);
                    beyond[bin] += d;
                    if (bin < first || bin >= end) continue;
                    real *g = own + bin * tile->ld + k;
                    store_some(g, vfma(vset(p.within[r]), d, load_some(g, n)), n);
                }
            }
            vec sum = vset(0);
            for (int64_t j = used - 1; j >= first; j--) {
                real *g = own + j * tile->ld + k;
                if (j < end) store_some(g, load_some(g, n) + sum, n);
                sum += beyond[j];
            }
        }
    }
}

static void piecewise_gradient(const mf_columns *part, int64_t bins, const void *edges, int tensor, mf_matrix x,
                               mf_matrix delta, int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, void *g,
                               int64_t ld, int accumulate) {
    const part_tile tile = {i0, ni, j0, nj, ld, g, accumulate};
    switch (tensor) {
    case 0: piecewise_weight_gradient(part, bins, edges, x, delta, rows, &tile); return;
    case 1: part_gradient(part, 1, x, delta, rows, &tile); return;
    default: part_gradient(part, 1, (mf_matrix){0}, delta, rows, &tile);
    }
}
