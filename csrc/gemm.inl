/*
 * The three products of a layer: h W + b, delta Wt and h^T delta.
 *
 * Each element of a product is one accumulator that runs over k in order, by fused multiply-add. The register tile holds
 * some rows of one panel; blocks of k store the accumulators and reload them, so neither the tile nor the blocking nor the
 * ISA can be seen in the bits. All matrices are padded (see mf_matrix), except a row-major `w`.
 */

/* Rows of a k block: a panel of them (32 KiB on every ISA at most) stays in L1 while the tiles of its rows pass. */
#define BLOCK 256
#define VECTORS (NR / LANES)
#define TALLEST TALL(1) /* rows of any tile, at most */
/* Steps of k after which a product asks for some of the memory that is needed after it (see ahead.inl). */
#define STRETCH 32
/* Bytes of weights that L2 keeps from one panel of rows to the next: their blocks need not be asked for. */
#define KEPT_WEIGHTS (1 << 20)

/* acc[r][v] += sum over k < n of a[r * a_row + k * a_k] * b[k * b_k + v * LANES ...] */
INLINE void accumulate(vec acc[][VECTORS], const int height, const int vectors, const real *a, ptrdiff_t a_row,
                       ptrdiff_t a_k, const real *b, ptrdiff_t b_k, int64_t n) {
    for (int64_t k = 0; k < n; k++, a += a_k, b += b_k) {
        vec row[VECTORS];
        UNROLL for (int v = 0; v < vectors; v++) row[v] = vload(b + v * LANES);
        UNROLL for (int r = 0; r < height; r++) {
            vec x = vset(a[r * a_row]);
            UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vfma(x, row[v], acc[r][v]);
        }
    }
}

/* --- h W + b and delta Wt: tiles of rows, k running through the panels of the left side --- */

enum product_kind { FORWARD, BACKWARD };

typedef struct {
    mf_matrix a, b, saved, out; /* a (rows, k), b (k, n) or, forward, (k + 1, n); saved: z (forward) or g's argument */
    int64_t rows, k, n;
    int activation;
    double alpha;
} product;

/* The tile's last k block is done: activation, or Hadamard product with its derivative, while it is in registers. */
INLINE void finish_tile(const product *p, const int kind, const int height, const int vectors, vec acc[][VECTORS],
                        int64_t r0, int64_t j0) {
    real *out = at(p->out, r0, j0);
    real *saved = p->saved.data ? at(p->saved, r0, j0) : NULL;
    const int in_registers = p->activation == MF_IDENTITY || (p->activation == MF_RELU && (kind == BACKWARD || !saved));
    if (in_registers) {
        const vec zero = vset(0);
        if (p->activation == MF_RELU) {
            UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++) {
                if (kind == FORWARD) acc[r][v] = vmax(zero, acc[r][v]);
                else acc[r][v] = vselect(vless(zero, vload(saved + r * NR + v * LANES)), acc[r][v], zero);
            }
        }
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) vstore(out + r * NR + v * LANES, acc[r][v]);
        if (kind == BACKWARD || !saved) return;
    }
    real *z = kind == FORWARD && saved ? saved : out;
    UNROLL for (int r = 0; r < height; r++)
        UNROLL for (int v = 0; v < vectors; v++) vstore(z + r * NR + v * LANES, acc[r][v]);
    if (in_registers) return;
    const int spans = vectors == VECTORS ? 1 : height; /* a whole tile is contiguous; a narrow one is not */
    const int64_t length = vectors == VECTORS ? height * NR : vectors * LANES;
    for (int64_t s = 0; s < spans; s++) {
        if (kind == FORWARD) activate_span(p->activation, p->alpha, z + s * NR, out + s * NR, length);
        else hadamard_span(p->activation, p->alpha, out + s * NR, saved + s * NR, out + s * NR, length);
    }
}

/* The block of b after that of k0 and j0; none if there is no other, or b is small. */
INLINE mf_soon next_block(const product *p, int64_t k0, int64_t j0) {
    const int64_t k = k0 + BLOCK < p->k ? k0 + BLOCK : 0, j = k > 0 ? j0 : j0 + NR;
    if (j >= p->n || p->k * p->n * (int64_t)sizeof(real) <= KEPT_WEIGHTS) return (mf_soon){0};
    return (mf_soon){.data = at(p->b, k, j),
                     .rows = p->k - k < BLOCK ? p->k - k : BLOCK,
                     .bytes = NR * sizeof(real),
                     .stride = p->b.row_stride * (ptrdiff_t)sizeof(real)};
}

/* One block of k of the tile of rows [r0, r0 + height) and columns [j0, j0 + vectors * LANES). */
INLINE void product_tile(const product *p, const int kind, const int height, const int vectors, int64_t r0, int64_t j0,
                         int64_t k0, int64_t block, requests *ahead) {
    const real *b = at(p->b, 0, j0);
    const ptrdiff_t b_k = p->b.row_stride;
    vec acc[TALLEST][VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
        const vec start = kind == FORWARD ? vload(b + p->k * b_k + v * LANES) : vset(0);
        UNROLL for (int r = 0; r < height; r++)
            acc[r][v] = k0 == 0 ? start : vload(at(p->out, r0 + r, j0) + v * LANES);
    }
    for (int64_t k = k0; k < k0 + block; k += NR) {
        const int64_t n = k0 + block - k < NR ? k0 + block - k : NR;
        ask(ahead);
        accumulate(acc, height, vectors, at(p->a, r0, k), NR, 1, b + k * b_k, b_k, n);
    }
    if (k0 + block < p->k) {
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) vstore(at(p->out, r0 + r, j0) + v * LANES, acc[r][v]);
    } else {
        finish_tile(p, kind, height, vectors, acc, r0, j0);
    }
}

INLINE void product_panel(const product *p, const int kind, const int vectors, int64_t j0) {
    for (int64_t k0 = 0; k0 == 0 || k0 < p->k; k0 += BLOCK) {
        const int64_t block = p->k - k0 < BLOCK ? p->k - k0 : BLOCK;
        const mf_soon next = next_block(p, k0, j0);
        const int64_t tiles = (p->rows + TALL(vectors) - 1) / TALL(vectors);
        requests ahead = spread(&next, next.rows > 0, tiles * ((block + NR - 1) / NR));
        int64_t r0 = 0; /* where no tile is taller than MR, the second loop does it all */
        for (; TALL(vectors) > MR && r0 + UNIT - MR < p->rows; r0 += UNIT)
            for (int64_t r = r0; r < r0 + UNIT; r += TALL(vectors))
                product_tile(p, kind, TALL(vectors), vectors, r, j0, k0, block, &ahead);
        for (; r0 < p->rows; r0 += MR) product_tile(p, kind, MR, vectors, r0, j0, k0, block, &ahead);
    }
}

INLINE void product_all(const product *p, const int kind) {
    for (int64_t j0 = 0; j0 < p->n; j0 += NR) {
        const int64_t nj = p->n - j0 < NR ? p->n - j0 : NR;
        switch ((nj + LANES - 1) / LANES) {
        case 1: product_panel(p, kind, 1, j0); break;
#if defined(MF_ISA_NEON)
        case 3: product_panel(p, kind, 3, j0); break;
        case 4: product_panel(p, kind, 4, j0); break;
#endif
        default: product_panel(p, kind, 2, j0);
        }
    }
}

static void matmul_bias(mf_matrix h_in, mf_matrix w, mf_matrix z, mf_matrix h_out, int64_t rows, int64_t k, int64_t n,
                        int activation, double alpha) {
    const product p = {h_in, w, z, h_out, rows, k, n, activation, alpha};
    product_all(&p, FORWARD);
}

static void propagate_delta(mf_matrix delta, mf_matrix wt, mf_matrix saved, mf_matrix out, int64_t rows, int64_t k,
                            int64_t n, int activation, double alpha) {
    const product p = {delta, wt, saved, out, rows, k, n, activation, alpha};
    product_all(&p, BACKWARD);
}

/* --- h^T delta: tiles of weights, k running through the rows of the batch --- */

INLINE void gradient_tile(const int height, const int vectors, const real *h, const real *delta, real *g, int64_t ld,
                          int64_t rows, int64_t ni, int64_t nj, int accumulates, requests *ahead) {
    vec acc[TALLEST][VECTORS];
    const int whole = ni >= height && nj >= vectors * LANES;
    const int last = (int)(nj - (vectors - 1) * LANES < LANES ? nj - (vectors - 1) * LANES : LANES);
    UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vset(0);
    if (accumulates && whole) {
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vload(g + r * ld + v * LANES);
    } else if (accumulates) {
        UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++)
            if (r < ni) acc[r][v] = vload_n(g + r * ld + v * LANES, v < vectors - 1 ? LANES : last);
    }
    for (int64_t r = 0; r < rows; r += STRETCH) {
        ask(ahead);
        const int64_t n = rows - r < STRETCH ? rows - r : STRETCH;
        accumulate(acc, height, vectors, h + r * NR, 1, NR, delta + r * NR, NR, n);
    }
    if (whole) {
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) vstore(g + r * ld + v * LANES, acc[r][v]);
    } else {
        UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++)
            if (r < ni) vstore_n(g + r * ld + v * LANES, acc[r][v], v < vectors - 1 ? LANES : last);
    }
}

INLINE void gradient_panel(const int vectors, mf_matrix h, const real *delta, real *g, int64_t ld, int64_t rows,
                           int64_t i0, int64_t ni, int64_t nj, int accumulates, requests *ahead) {
    for (int64_t r0 = 0; r0 == 0 || r0 < rows; r0 += BLOCK) {
        const int64_t block = rows - r0 < BLOCK ? rows - r0 : BLOCK;
        const int adds = accumulates || r0 > 0;
        const real *d = delta + r0 * NR;
        for (int64_t panel = 0; panel < ni; panel += NR) {
            const int64_t end = ni - panel < NR ? ni : panel + NR;
            int64_t i = panel;
            for (; TALL(vectors) > MR && i + UNIT - MR < end; i += UNIT)
                for (int64_t t = i; t < i + UNIT; t += TALL(vectors))
                    gradient_tile(TALL(vectors), vectors, at(h, r0, i0 + t), d, g + t * ld, ld, block, ni - t, nj, adds,
                                  ahead);
            for (; i < end; i += MR)
                gradient_tile(MR, vectors, at(h, r0, i0 + i), d, g + i * ld, ld, block, ni - i, nj, adds, ahead);
        }
    }
}

/* sums[0:n] = or += the sum over the rows of factor[r * NR] * columns[j0:j0+n], or of the columns where factor is NULL. */
INLINE void sum_columns(const real *factor, mf_matrix columns, real *sums, int64_t rows, int64_t j0, int64_t n,
                        int accumulates) {
    enum { PANELS = 2, TOGETHER = PANELS * VECTORS }; /* independent chains hide the latency of one */
    for (int64_t j = 0; j < n; j += PANELS * NR) {
        const real *panel[PANELS];
        vec sum[TOGETHER];
        UNROLL for (int p = 0; p < PANELS; p++) panel[p] = at(columns, 0, j0 + (j + p * NR < n ? j + p * NR : j));
        UNROLL for (int v = 0; v < TOGETHER; v++) {
            const int64_t left = n - j - v * LANES;
            sum[v] = vset(0);
            if (accumulates && left > 0) sum[v] = vload_n(sums + j + v * LANES, left < LANES ? (int)left : LANES);
        }
        for (int64_t r = 0; r < rows; r++)
            UNROLL for (int v = 0; v < TOGETHER; v++) {
                const vec x = vload(panel[v / VECTORS] + r * NR + v % VECTORS * LANES);
                sum[v] = factor ? vfma(vset(factor[r * NR]), x, sum[v]) : sum[v] + x;
            }
        UNROLL for (int v = 0; v < TOGETHER; v++) {
            const int64_t left = n - j - v * LANES;
            if (left > 0) vstore_n(sums + j + v * LANES, sum[v], left < LANES ? (int)left : LANES);
        }
    }
}

static void bias_gradient(mf_matrix delta, void *g, int64_t rows, int64_t j0, int64_t nj, int accumulates) {
    sum_columns(NULL, delta, g, rows, j0, nj, accumulates);
}

static void weight_gradient(mf_matrix h_in, mf_matrix delta, void *g, int64_t ld, int64_t rows, int64_t i0, int64_t ni,
                            int64_t j0, int64_t nj, int accumulates, const mf_soon *soon, int64_t count) {
    if (ld == 1) { /* a single column would fill one lane; its inputs fill all. Too short to ask for anything meanwhile. */
        sum_columns(at(delta, 0, j0), h_in, g, rows, i0, ni, accumulates);
        return;
    }
    const int64_t height = UNIT <= NR ? TALL(VECTORS) : MR; /* of the tiles in a panel of h */
    const int64_t tiles = (nj + NR - 1) / NR * ((ni + height - 1) / height);
    requests ahead = spread(soon, count, tiles * ((rows + STRETCH - 1) / STRETCH));
    for (int64_t j = 0; j < nj; j += NR) {
        const int64_t width = nj - j < NR ? nj - j : NR;
        const real *d = at(delta, 0, j0 + j);
        real *out = (real *)g + j;
        switch ((width + LANES - 1) / LANES) {
        case 1: gradient_panel(1, h_in, d, out, ld, rows, i0, ni, width, accumulates, &ahead); break;
#if defined(MF_ISA_NEON)
        case 3: gradient_panel(3, h_in, d, out, ld, rows, i0, ni, width, accumulates, &ahead); break;
        case 4: gradient_panel(4, h_in, d, out, ld, rows, i0, ni, width, accumulates, &ahead); break;
#endif
        default: gradient_panel(2, h_in, d, out, ld, rows, i0, ni, width, accumulates, &ahead);
        }
    }
}

/* --- one row: no panels, no packing; W is read once, in its order, without the rows that meet a zero of x --- */

/* h[0:vectors * LANES] += sum over the listed i of x[i] * w[i * ld ...] */
INLINE void row_columns(const int vectors, const real *x, const real *w, int64_t ld, const int32_t *list, int64_t count,
                        real *h) {
    vec acc[16];
    UNROLL for (int v = 0; v < vectors; v++) acc[v] = vload(h + v * LANES);
    for (int64_t i = 0; i < count; i++) {
        const vec xi = vset(x[list[i]]);
        const real *row = w + list[i] * ld;
        UNROLL for (int v = 0; v < vectors; v++) acc[v] = vfma(xi, vload(row + v * LANES), acc[v]);
    }
    UNROLL for (int v = 0; v < vectors; v++) vstore(h + v * LANES, acc[v]);
}

/* The same for n columns, as many of them at once as the registers hold. */
static void row_block(const real *x, const real *w, int64_t ld, const int32_t *list, int64_t count, real *h, int64_t n) {
    enum { MOST = MF_VECTOR_BYTES == 64 ? 16 : 8 };
    for (int64_t left = (n + LANES - 1) / LANES, now; left > 0; left -= now, w += now * LANES, h += now * LANES) {
        now = left >= MOST ? MOST : left >= 8 ? 8 : left;
        switch (now) {
        case 1: row_columns(1, x, w, ld, list, count, h); break;
        case 2: row_columns(2, x, w, ld, list, count, h); break;
        case 3: row_columns(3, x, w, ld, list, count, h); break;
        case 4: row_columns(4, x, w, ld, list, count, h); break;
        case 5: row_columns(5, x, w, ld, list, count, h); break;
        case 6: row_columns(6, x, w, ld, list, count, h); break;
        case 7: row_columns(7, x, w, ld, list, count, h); break;
        case 8: row_columns(8, x, w, ld, list, count, h); break;
        default: row_columns(MOST, x, w, ld, list, count, h);
        }
    }
}

/* The numbers i < n of the terms that count: all, or those where x[i] is not zero. Returns how many. */
INLINE int64_t list_terms(const real *x, int32_t n, int skip_zeros, int32_t *list) {
    int64_t count = 0;
    int32_t i = 0;
#if defined(MF_ISA_AVX512)
    for (; skip_zeros && i + LANES <= n; i += LANES) {
        const mask wanted = (mask)~vequal(vload(x + i), vset(0));
        const ivec numbers = lane_numbers_int() + vset_int(i);
#if defined(MF_F32)
        _mm512_storeu_si512(list + count, _mm512_maskz_compress_epi32(wanted, (__m512i)numbers));
#else
        const __m256i words = _mm512_cvtepi64_epi32((__m512i)numbers);
        _mm256_storeu_si256((__m256i *)(list + count), _mm256_maskz_compress_epi32(wanted, words));
#endif
        count += __builtin_popcount(wanted);
    }
#endif
    for (; i < n; i++) {
        list[count] = i;
        count += !skip_zeros || x[i] != 0;
    }
    return count;
}

static void row_product(const real *x, const real *w, real *h, int64_t k, int64_t n, int skip_zeros) {
    enum { LIST = 1024 };
    int32_t list[LIST];
    for (int64_t j = 0; j < n; j += LANES) vstore(h + j, vload(w + k * n + j)); /* the bias */
    for (int64_t i0 = 0; i0 < k; i0 += LIST) {
        const int64_t count = list_terms(x + i0, (int32_t)(k - i0 < LIST ? k - i0 : LIST), skip_zeros, list);
        row_block(x + i0, w + i0 * n, n, list, count, h, n);
    }
}

/* A product of a finite weight with zero adds zero, which only the sign of a sum that is itself zero can show: then
 * nothing is skipped. */
static void row_forward(const void *x, const void *w, void *h, int64_t k, int64_t n, int activation, double alpha) {
    real *out = h;
    mask zeros = {0};
    int64_t j = 0;
    int zero = 0;
    row_product(x, w, out, k, n, 1);
    for (; j + LANES <= n; j += LANES) zeros |= vequal(vload(out + j), vset(0));
    for (; j < n; j++) zero |= out[j] == 0;
    if (zero || !mask_all((mask)~zeros)) row_product(x, w, out, k, n, 0);
    if (activation != MF_IDENTITY) activate_span(activation, alpha, out, out, (n + LANES - 1) / LANES * LANES);
}
