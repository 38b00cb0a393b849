/*
 * The three products of a layer, h W + b, delta Wt and h^T delta, by register tiles.
 *
 * Each element of a product is one accumulator that runs over k in order, by fused multiply-add. The register tile
 * holds some rows of one panel; blocks of k store the accumulators and reload them, so neither the tile nor the
 * blocking nor the ISA can be seen in the bits. A sum ends with + 0, so that a zero has no sign: then terms with a zero
 * factor may be left out (see zeros.inl). All matrices are padded (see mf_matrix), except a row-major `w` or `h_in`,
 * and what goes back to a row-major array.
 */

/* Rows of a k block: a panel of them (32 KiB on every ISA at most) stays in L1 while the tiles of its rows pass. */
#define BLOCK 256
#define TALLEST TALL(1) /* rows of any tile, at most */
/* Steps of k after which a product asks for some of the memory that is needed after it (see ahead.inl). */
#define STRETCH 32
/* Measured: whether a loop of four steps is faster than one of one. */
#if defined(MF_ISA_AVX512)
#define UNROLLS 1
#else
#define UNROLLS 0
#endif
/* Bytes of weights that L2 keeps from one block of rows to the next: their blocks need not be asked for. */
#define KEPT_WEIGHTS (1 << 20)

/* acc[r][v] += a[r * a_row] * b[v * LANES ...] */
INLINE void add_term(vec acc[][VECTORS], const int height, const int vectors, const real *a, ptrdiff_t a_row,
                     const real *b) {
    vec row[VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) row[v] = vload(b + v * LANES);
    UNROLL for (int r = 0; r < height; r++) {
        vec x = vset(a[r * a_row]);
        UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vfma(x, row[v], acc[r][v]);
    }
}

/* acc[r][v] += sum over k < n of a[r * a_row + k * a_k] * b[k * b_k + v * LANES ...]; most often n is `usual` */
INLINE void accumulate(vec acc[][VECTORS], const int height, const int vectors, const real *a, ptrdiff_t a_row,
                       ptrdiff_t a_k, const real *b, ptrdiff_t b_k, int64_t n, const int usual) {
    if (UNROLLS && vectors == VECTORS && n == usual)
        _Pragma("GCC unroll 4") for (int k = 0; k < usual; k++, a += a_k, b += b_k)
            add_term(acc, height, vectors, a, a_row, b);
    else
        for (int64_t k = 0; k < n; k++, a += a_k, b += b_k) add_term(acc, height, vectors, a, a_row, b);
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
    const ptrdiff_t out_row = kind == BACKWARD ? p->out.row_stride : NR;
    UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++) acc[r][v] += vset(0);
    const int in_registers = p->activation == MF_IDENTITY || (kind == BACKWARD && p->activation == MF_TANH) ||
                             (p->activation == MF_RELU && (kind == BACKWARD || !saved));
    if (in_registers) {
        const vec zero = vset(0);
        if (p->activation == MF_RELU) {
            UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++) {
                if (kind == FORWARD) acc[r][v] = vmax(zero, acc[r][v]);
                else acc[r][v] = vselect(vless(zero, vload(saved + r * NR + v * LANES)), acc[r][v], zero);
            }
        }
        if (p->activation == MF_TANH && kind == BACKWARD)
            UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++)
                acc[r][v] = propagate_tanh(0, acc[r][v], vload(saved + r * NR + v * LANES));
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) vstore(out + r * out_row + v * LANES, acc[r][v]);
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

/* Beside the first columns, the rows after those of a, if they lie in the caller's array: columns [k0, k0 + n). */
INLINE mf_soon next_rows(const product *p, int64_t k0, int64_t n, int64_t j0) {
    if (j0 > 0 || is_padded(p->a)) return (mf_soon){0};
    return (mf_soon){.data = at(p->a, p->rows, k0),
                     .rows = p->rows,
                     .bytes = n * (int64_t)sizeof(real),
                     .stride = p->a.row_stride * (ptrdiff_t)sizeof(real)};
}

/* Both of them, or one, in `times` portions. */
INLINE requests spread_both(mf_soon soon[2], int64_t times) {
    const int first = soon[0].rows == 0; /* a block, or none */
    return spread(soon + first, (soon[0].rows > 0) + (soon[1].rows > 0), times);
}

/* One block of k of the tile of rows [r0, r0 + height) and columns [j0, j0 + vectors * LANES). */
INLINE void product_tile(const product *p, const int kind, const int padded, const int height, const int vectors,
                         int64_t r0, int64_t j0, int64_t k0, int64_t block, requests *ahead) {
    const real *a = at(p->a, r0, k0), *b = at(p->b, k0, j0);
    const ptrdiff_t a_row = padded ? NR : p->a.row_stride;
    const ptrdiff_t b_k = p->b.row_stride;
    vec acc[TALLEST][VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
        const vec start = kind == FORWARD ? vload(at(p->b, p->k, j0) + v * LANES) : vset(0);
        UNROLL for (int r = 0; r < height; r++)
            acc[r][v] = k0 == 0 ? start : vload(at(p->out, r0 + r, j0) + v * LANES);
    }
    for (int64_t left = block; left > 0; left -= NR, a += p->a.panel_stride, b += NR * b_k) {
        ask(ahead);
        accumulate(acc, height, vectors, a, a_row, 1, b, b_k, left < NR ? left : NR, NR);
    }
    if (k0 + block < p->k) {
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) vstore(at(p->out, r0 + r, j0) + v * LANES, acc[r][v]);
    } else {
        finish_tile(p, kind, height, vectors, acc, r0, j0);
    }
}

INLINE void product_panel(const product *p, const int kind, const int padded, const int vectors, int64_t j0) {
    for (int64_t k0 = 0; k0 == 0 || k0 < p->k; k0 += BLOCK) {
        const int64_t block = p->k - k0 < BLOCK ? p->k - k0 : BLOCK;
        const int64_t tiles = (p->rows + TALL(vectors) - 1) / TALL(vectors);
        mf_soon soon[2] = {next_block(p, k0, j0), next_rows(p, k0, block, j0)};
        requests ahead = spread_both(soon, tiles * ((block + NR - 1) / NR));
        int64_t r0 = 0; /* where no tile is taller than MR, the second loop does it all */
        for (; TALL(vectors) > MR && r0 + UNIT - MR < p->rows; r0 += UNIT)
            for (int64_t r = r0; r < r0 + UNIT; r += TALL(vectors))
                product_tile(p, kind, padded, TALL(vectors), vectors, r, j0, k0, block, &ahead);
        for (; r0 < p->rows; r0 += MR) product_tile(p, kind, padded, MR, vectors, r0, j0, k0, block, &ahead);
    }
}

/* The columns from j0 on, a multiple of NR. Whether a is padded is told apart so that its stride may be a constant. */
INLINE void product_from(const product *p, const int kind, const int padded, int64_t j0) {
    for (; j0 < p->n; j0 += NR) {
        const int64_t nj = p->n - j0 < NR ? p->n - j0 : NR;
        switch ((nj + LANES - 1) / LANES) {
        case 1: product_panel(p, kind, padded, 1, j0); break;
#if VECTORS == 4
        case 3: product_panel(p, kind, padded, 3, j0); break;
        case 4: product_panel(p, kind, padded, 4, j0); break;
#endif
        default: product_panel(p, kind, padded, 2, j0);
        }
    }
}

/* --- h^T delta: tiles of weights, k running through the rows of the batch --- */

enum { GRADIENT_HEIGHT = UNIT <= NR ? TALL(VECTORS) : MR }; /* of the tiles in a panel of h */

typedef struct {
    const real *h;     /* (rows, ni): one panel, ni <= NR */
    const real *delta; /* (rows, nj) */
    ptrdiff_t panel;   /* from a panel of delta to the next */
    real *g;           /* (ni, nj), row-major, ld */
    int64_t ld, rows, ni, nj;
    int accumulates;
} gradient;

/* Rows [r0, r0 + rows) of the batch, for the weights [i, i + height) x [j, j + vectors * LANES). */
INLINE void gradient_tile(const gradient *p, const int height, const int vectors, int64_t i, int64_t j, int64_t r0,
                          int64_t rows, requests *ahead) {
    const real *h = p->h + r0 * NR + i, *delta = p->delta + j / NR * p->panel + r0 * NR;
    real *g = p->g + i * p->ld + j;
    const int64_t ni = p->ni - i, nj = p->nj - j;
    const int whole = ni >= height && nj >= vectors * LANES;
    const int last = (int)(nj - (vectors - 1) * LANES < LANES ? nj - (vectors - 1) * LANES : LANES);
    vec acc[TALLEST][VECTORS];
    UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vset(0);
    if ((p->accumulates || r0 > 0) && whole) {
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) acc[r][v] = vload(g + r * p->ld + v * LANES);
    } else if (p->accumulates || r0 > 0) {
        UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++)
            if (r < ni) acc[r][v] = vload_n(g + r * p->ld + v * LANES, v < vectors - 1 ? LANES : last);
    }
    for (int64_t r = 0; r < rows; r += STRETCH) {
        ask(ahead);
        const int64_t n = rows - r < STRETCH ? rows - r : STRETCH;
        accumulate(acc, height, vectors, h + r * NR, 1, NR, delta + r * NR, NR, n, STRETCH);
    }
    UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++) acc[r][v] += vset(0);
    if (whole) {
        UNROLL for (int r = 0; r < height; r++)
            UNROLL for (int v = 0; v < vectors; v++) vstore(g + r * p->ld + v * LANES, acc[r][v]);
    } else {
        UNROLL for (int r = 0; r < height; r++) UNROLL for (int v = 0; v < vectors; v++)
            if (r < ni) vstore_n(g + r * p->ld + v * LANES, acc[r][v], v < vectors - 1 ? LANES : last);
    }
}

INLINE void gradient_panel(const gradient *p, const int vectors, int64_t j, requests *ahead) {
    for (int64_t r0 = 0; r0 == 0 || r0 < p->rows; r0 += BLOCK / 2) { /* two panels in L1 */
        const int64_t block = p->rows - r0 < BLOCK / 2 ? p->rows - r0 : BLOCK / 2;
        int64_t i = 0;
        for (; TALL(vectors) > MR && i + UNIT - MR < p->ni; i += UNIT)
            for (int64_t t = i; t < i + UNIT; t += TALL(vectors))
                gradient_tile(p, TALL(vectors), vectors, t, j, r0, block, ahead);
        for (; i < p->ni; i += MR) gradient_tile(p, MR, vectors, i, j, r0, block, ahead);
    }
}

/* The columns from j on, a multiple of NR. */
INLINE void gradient_from(const gradient *p, int64_t j, requests *ahead) {
    for (; j < p->nj; j += NR) {
        const int64_t width = p->nj - j < NR ? p->nj - j : NR;
        switch ((width + LANES - 1) / LANES) {
        case 1: gradient_panel(p, 1, j, ahead); break;
#if VECTORS == 4
        case 3: gradient_panel(p, 3, j, ahead); break;
        case 4: gradient_panel(p, 4, j, ahead); break;
#endif
        default: gradient_panel(p, 2, j, ahead);
        }
    }
}
