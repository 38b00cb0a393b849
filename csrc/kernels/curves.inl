/*
 * Second derivatives, as the tangents of what backpropagation computes (Pearlmutter, "Fast exact multiplication by the
 * Hessian", 1994): what changes in a delta because the place changes at which a derivative is taken. All of them add to
 * `out`, which holds what changes because the delta that came in does.
 */

/* --- delta = dh * g'(z), as z changes by dz: dh g''(z) dz --- */

typedef void curve_function(real alpha, mf_matrix dh, mf_matrix saved, mf_matrix dz, mf_matrix out, int64_t rows,
                            int64_t cols);

#define CURVES(id, name, ...)                                                                                          \
    static void curve_matrix_##name(real alpha, mf_matrix dh, mf_matrix saved, mf_matrix dz, mf_matrix out,            \
                                    int64_t rows, int64_t cols) {                                                      \
        for (int64_t c = 0; c < cols; c += LANES)                                                                      \
            for (int64_t r = 0; r < rows; r++) {                                                                       \
                const vec bend = curve_##name(alpha, load_columns(saved, r, c, cols, 0));                              \
                const vec change = load_columns(dh, r, c, cols, 0) * load_columns(dz, r, c, cols, 0);                  \
                store_columns(out, r, c, cols, vfma(bend, change, load_columns(out, r, c, cols, 0)));                  \
            }                                                                                                          \
    }
MF_EACH_ELEMENTWISE_ACTIVATION(CURVES)

static void curve(int activation, double alpha, mf_matrix dh, mf_matrix saved, mf_matrix dz, mf_matrix out,
                  int64_t rows, int64_t cols) {
#define CURVE_ROW(id, name, ...) [MF_##id] = curve_matrix_##name,
    static curve_function *const of_activations[MF_ACTIVATIONS] = {MF_EACH_ELEMENTWISE_ACTIVATION(CURVE_ROW)};
    of_activations[activation]((real)alpha, dh, saved, dz, out, rows, cols);
}

/* --- delta = s * (dh - <dh, s>), as s changes by ds: ds * (dh - <dh, s>) - s <dh, ds> --- */

static void softmax_curve(mf_matrix s, mf_matrix dh, mf_matrix ds, mf_matrix out, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        vec lanes[2][VIRTUAL];
        UNROLL for (int i = 0; i < VIRTUAL; i++) lanes[0][i] = lanes[1][i] = vset(0);
        for (int64_t c = 0; c < cols; c += VIRTUAL_LANES)
            UNROLL for (int i = 0; i < VIRTUAL; i++) {
                const vec d = load_columns(dh, r, c + i * LANES, cols, 0);
                lanes[0][i] = vfma(d, load_columns(s, r, c + i * LANES, cols, 0), lanes[0][i]);
                lanes[1][i] = vfma(d, load_columns(ds, r, c + i * LANES, cols, 0), lanes[1][i]);
            }
        const vec dot = fold_lanes(SUM, lanes[0]), change = fold_lanes(SUM, lanes[1]);
        for (int64_t c = 0; c < cols; c += LANES) {
            const vec left = load_columns(ds, r, c, cols, 0) * (load_columns(dh, r, c, cols, 0) - dot);
            store_columns(out, r, c, cols,
                          load_columns(out, r, c, cols, 0) + vfma(-load_columns(s, r, c, cols, 0), change, left));
        }
    }
}

/* --- the way back through a row's normalisation, rsd (dn - mean of dn - n mean of dn n), as the row x changes by dx
 *     and with it n by d_n:
 *     -rsd (rsd mean of n dx (dn - mean of dn - n mean of dn n) + d_n mean of dn n + n mean of dn d_n) --- */

static void normalise_rows_curve(mf_matrix dn, mf_matrix n, mf_matrix dx, mf_matrix d_n, const double *rsd, int centres,
                                 mf_matrix out, int64_t rows, int64_t cols) {
    for (int64_t r = 0; r < rows; r++) {
        double with_n, with_d_n, along;
        const double mean = centres ? sum_row(BOTH, dn, n, r, cols, 0, &with_n) / (double)cols : 0;
        if (!centres) sum_row(BOTH, dn, n, r, cols, 0, &with_n);
        sum_row(BOTH, dn, d_n, r, cols, 0, &with_d_n);
        sum_row(BOTH, dx, n, r, cols, 0, &along);
        const vec of_n = vset((real)(with_n / (double)cols)), of_d_n = vset((real)(with_d_n / (double)cols));
        const vec scale = vset((real)-rsd[r]), turn = vset((real)(rsd[r] * along / (double)cols));
        for (int64_t c = 0; c < cols; c += LANES) {
            const vec x = load_columns(n, r, c, cols, 0);
            const vec centred = vfma(-of_n, x, load_columns(dn, r, c, cols, 0) - vset((real)mean));
            const vec sum = vfma(turn, centred, vfma(load_columns(d_n, r, c, cols, 0), of_n, x * of_d_n));
            store_columns(out, r, c, cols, vfma(scale, sum, load_columns(out, r, c, cols, 0)));
        }
    }
}
