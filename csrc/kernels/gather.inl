/*
 * Gathering: shuffled rows of the data, dense or sparse, into the panels of a batch, cast and checked on the way.
 */

INLINE real element(const void *source, int source_dtype, int64_t i) {
    switch (source_dtype) {
    case MF_FLOAT32: return (real)((const float *)source)[i];
    case MF_FLOAT64: return (real)((const double *)source)[i];
    case MF_INT16: return (real)((const int16_t *)source)[i];
    default: return (real)((const uint8_t *)source)[i];
    }
}

INLINE int64_t size_of(int source_dtype) {
    switch (source_dtype) {
    case MF_FLOAT32: return 4;
    case MF_FLOAT64: return 8;
    case MF_INT16: return 2;
    default: return 1;
    }
}

/* Blocks of MR rows, panel by panel: writes are then contiguous, and the rows of a later block are asked for at the
 * pace of the work. They may come from anywhere in memory; and even in order they are many streams to the
 * hardware. */
INLINE int gather_rows(const void *source, const int source_dtype, int64_t ld, const int64_t *index, int64_t rows,
                       int64_t known, int64_t cols, mf_matrix out) {
    const int64_t itemsize = size_of(source_dtype);
    const int same = itemsize == (int64_t)sizeof(real);
    enum { AHEAD = 2 * MR }; /* rows */
    vec sum = vset(0);
    for (int64_t r0 = 0; r0 < rows; r0 += MR) {
        const int64_t block = rows - r0 < MR ? rows - r0 : MR;
        for (int64_t c = 0; c < cols; c += NR) {
            const int64_t width = cols - c < NR ? cols - c : NR;
            real *to = at(out, r0, c);
            for (int64_t r = 0; r < block; r++, to += NR) {
                const int64_t i = (index ? index[r0 + r] : r0 + r) * ld + c, ahead = r0 + r + AHEAD;
                if (ahead < known) {
                    const char *next = (const char *)source + ((index ? index[ahead] : ahead) * ld + c) * itemsize;
                    __builtin_prefetch(next);
                    if (NR * itemsize > 64) __builtin_prefetch(next + 64);
                }
                if (same) {
                    sum = pack_row((const real *)source + i, width, to, 0, sum);
                } else {
                    real cast[NR] = {0};
                    for (int l = 0; l < width; l++) cast[l] = element(source, source_dtype, i + l);
                    sum = pack_row(cast, NR, to, 0, sum);
                }
            }
            for (int64_t r = block; r < MR; r++, to += NR)
                UNROLL for (int v = 0; v < NR; v += LANES) vstore(to + v, vset(0));
        }
    }
    return mask_all(vequal(sum, vset(0))) ? MF_OK : MF_NOT_FINITE;
}

static int gather(const void *source, int source_dtype, int64_t ld, const int64_t *index, int64_t rows, int64_t known,
                  int64_t cols, mf_matrix out) {
    switch (source_dtype) {
    case MF_FLOAT32: return gather_rows(source, MF_FLOAT32, ld, index, rows, known, cols, out);
    case MF_FLOAT64: return gather_rows(source, MF_FLOAT64, ld, index, rows, known, cols, out);
    case MF_INT16: return gather_rows(source, MF_INT16, ld, index, rows, known, cols, out);
    default: return gather_rows(source, MF_UINT8, ld, index, rows, known, cols, out);
    }
}

INLINE int64_t index_at(const void *indices, int index64, int64_t i) {
    return index64 ? ((const int64_t *)indices)[i] : ((const int32_t *)indices)[i];
}

/* Where a row's entries begin and end. None, where that would be beyond the stored ones. */
INLINE int find_entries(const mf_csr *x, int64_t row, int64_t *begin, int64_t *end) {
    const int64_t first = index_at(x->offsets, x->index64, row), last = index_at(x->offsets, x->index64, row + 1);
    const int inside = 0 <= first && first <= last && last <= x->stored;
    *begin = inside ? first : 0;
    *end = inside ? last : 0;
    return inside ? MF_OK : MF_OUT_OF_RANGE;
}

static int gather_csr(const mf_csr *x, const int64_t *index, int64_t rows, int64_t cols, mf_matrix out) {
    const int64_t padded_rows = (rows + MR - 1) / MR * MR;
    real not_finite = 0; /* becomes NaN */
    int status = MF_OK;
    for (int64_t c = 0; c < cols; c += NR)
        for (int64_t r = 0; r < padded_rows; r++)
            UNROLL for (int v = 0; v < NR; v += LANES) vstore(at(out, r, c) + v, vset(0));
    for (int64_t r = 0; r < rows; r++) {
        int64_t begin, end;
        status |= find_entries(x, index ? index[r] : r, &begin, &end);
        for (int64_t i = begin; i < end; i++) {
            const int64_t c = index_at(x->columns, x->index64, i);
            if ((uint64_t)c >= (uint64_t)cols) {
                status = MF_OUT_OF_RANGE;
                break;
            }
            real *sum_of_duplicates = at(out, r, c);
            *sum_of_duplicates += element(x->values, x->dtype, i);
            not_finite += *sum_of_duplicates * 0;
        }
    }
    return not_finite == 0 ? status : status | MF_NOT_FINITE;
}
