/*
 * Tangents of waves and of places on a scale of bins. `along`: the tangents of the tensors; d_x that of the numbers.
 */

/* --- waves: of what is kept, `changed` holds the tangents, as periodic.inl lays it out: of the cosine, and in place of
 *     the sine that of the angle, later that of dL/d angle --- */

/* d cosine = -sine d angle, d angle = 2 pi (x df + f dx) + dp; of what is put out, the tangents too where there is no
 * linear map. */
INLINE void turn_waves(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                       const void *const *along, mf_matrix x, mf_matrix d_x, mf_matrix kept, mf_matrix changed,
                       mf_matrix out, int64_t rows, int64_t i) {
    const real *frequency = (const real *)tensors[0] + i * frequencies;
    const real *turned = (const real *)along[0] + i * frequencies;
    const int64_t column = column_read(part, i), first = part->first + i * part->width;
    for (int64_t f = 0; f < frequencies; f += LANES) {
        const int n = lanes_of(frequencies - f);
        const vec turns = load_some(frequency + f, n) * TWO_PI, d_turns = load_some(turned + f, n) * TWO_PI;
        const vec shift = along[2] ? load_some((const real *)along[1] + i * frequencies + f, n) : vset(0);
        for (int64_t r = 0; r < rows; r++) {
            const vec cosine = vload(at(kept, r, kept_column(part, frequencies, 0, i, f)));
            const vec sine = vload(at(kept, r, kept_column(part, frequencies, 1, i, f)));
            const vec d_angle = vfma(vset(*at(x, r, column)), d_turns, vfma(vset(*at(d_x, r, column)), turns, shift));
            vstore(at(changed, r, kept_column(part, frequencies, 0, i, f)), -(sine * d_angle));
            vstore(at(changed, r, kept_column(part, frequencies, 1, i, f)), d_angle);
            if (along[2]) continue;
            store_part(out, r, first + f, -(sine * d_angle), n);
            store_part(out, r, first + frequencies + f, cosine * d_angle, n);
        }
    }
}

/* de = d cosine W + cosine dW + db */
static void periodic_tangent(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                             const void *const *along, mf_matrix x, mf_matrix d_x, mf_matrix kept, mf_matrix changed,
                             mf_matrix out, int64_t rows) {
    const int64_t units = part->width;
    for (int64_t i = 0; i < part->n; i++) {
        turn_waves(part, frequencies, tensors, along, x, d_x, kept, changed, out, rows, i);
        for (int64_t k = 0; k < units && along[2]; k += LANES) {
            const int n = lanes_of(units - k);
            const real *w = (const real *)tensors[2] + i * frequencies * units + k;
            const real *d_w = (const real *)along[2] + i * frequencies * units + k;
            for (int64_t r = 0; r < rows; r++) {
                vec sum = load_some((const real *)along[3] + i * units + k, n);
                for (int64_t f = 0; f < frequencies; f++) {
                    const int64_t c = kept_column(part, frequencies, 0, i, f);
                    sum = vfma(vset(*at(changed, r, c)), load_some(w + f * units, n), sum);
                    sum = vfma(vset(*at(kept, r, c)), load_some(d_w + f * units, n), sum);
                }
                store_part(out, r, part->first + i * units + k, sum, n);
            }
        }
    }
}

/* The way back and its tangent, -cosine d angle dL/d cosine - sine d(dL/d cosine) and so on. */
static void periodic_tangent_back(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                                  const void *const *along, mf_matrix kept, mf_matrix changed, mf_matrix delta,
                                  mf_matrix d_delta, int64_t rows) {
    const real *weights = tensors[2], *d_weights = along[2];
    const int64_t units = part->width;
    for (int64_t i = 0; i < part->n; i++)
        for (int64_t f = 0; f < frequencies; f += LANES) {
            const int n = lanes_of(frequencies - f);
            const int64_t first = part->first + i * units;
            vec w[MOST_UNITS], d_w[MOST_UNITS];
            if (weights != NULL) {
                transposed_weights(weights + (i * frequencies + f) * units, n, units, w);
                transposed_weights(d_weights + (i * frequencies + f) * units, n, units, d_w);
            }
            for (int64_t r = 0; r < rows; r++) {
                const vec cosine = vload(at(kept, r, kept_column(part, frequencies, 0, i, f)));
                real *kept_sine = at(kept, r, kept_column(part, frequencies, 1, i, f));
                real *d_angle = at(changed, r, kept_column(part, frequencies, 1, i, f));
                const vec sine = vload(kept_sine), turn = vload(d_angle);
                vec c = vset(0), d_c = vset(0), s = vset(0), d_s = vset(0);
                if (weights != NULL) {
                    for (int64_t k = 0; k < units; k++) {
                        const vec d = vset(*at(delta, r, first + k));
                        c = vfma(d, w[k], c);
                        d_c = vfma(vset(*at(d_delta, r, first + k)), w[k], vfma(d, d_w[k], d_c));
                    }
                } else {
                    c = load_part(delta, r, first + f, n), s = load_part(delta, r, first + frequencies + f, n);
                    d_c = load_part(d_delta, r, first + f, n);
                    d_s = load_part(d_delta, r, first + frequencies + f, n);
                }
                vstore(kept_sine, vfma(-sine, c, cosine * s));
                vstore(d_angle, vfma(-turn, vfma(cosine, c, sine * s), vfma(-sine, d_c, cosine * d_s)));
            }
        }
}

/* --- places on a scale of bins: within its own, a number comes on by 1 / (the bin's width); at an edge, the bin that
 *     begins there counts --- */

static void piecewise_tangent(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors,
                              const void *const *along, mf_matrix x, mf_matrix d_x, mf_matrix out, int64_t rows) {
    const real *weights = tensors[0], *slopes = tensors[1], *e = edges;
    const int64_t units = part->width;
    if (weights) piecewise(part, bins, edges, along, x, out, rows);
    for (int64_t i = 0; i < part->n; i++, e += bins + 1) {
        const int used = used_bins(e, bins);
        int count;
        for (int64_t r0 = 0; r0 < rows; r0 += count) {
            places p;
            count = next_places(part, e, used, x, i, r0, rows, &p);
            for (int r = 0; r < count; r++) {
                const int bin = p.bin[r];
                const real change = *at(d_x, r0 + r, column_read(part, i));
                const real within = used > 0 ? change / (e[bin + 1] - e[bin]) : 0;
                for (int64_t k = 0; k < units; k += LANES) {
                    const int n = lanes_of(units - k);
                    const int64_t c = part->first + i * units + k;
                    vec sum = vselect(vequal(lane_numbers() + (real)k, vset((real)bin)), vset(within), vset(0));
                    if (weights) {
                        sum = vfma(vset(within), load_some(weights + (i * bins + bin) * units + k, n),
                                   load_part(out, r0 + r, c, n));
                        sum = vfma(vset(change), load_some(slopes + i * units + k, n), sum);
                    }
                    store_part(out, r0 + r, c, sum, n);
                }
            }
        }
    }
}
