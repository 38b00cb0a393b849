/*
 * The products of gemm.inl where many elements of the left side are zero, as after a ReLU or in the background of an
 * image: over the terms that are not zero, a row of the left side at a time, or two.
 *
 * A term with a zero adds zero, which could only show in the sign of a sum that is zero itself; all sums end with + 0,
 * here and in gemm.inl. (Beside a right side that is not finite it would show: the caller says that there is none.)
 *
 * A single row shares its loads of b with no other: of the two vectors a cycle that L1 gives, each FMA takes one. So b
 * is taken in blocks that stay in L1: DEPTH rows, whose zeros are the bits of a word, by a group of panels, whose
 * accumulators are just enough to hide the latency of an FMA. Two rows together do every term that either of them has,
 * with half the loads: better where their zeros are mostly the same, as those of neighbouring pixels are.
 *
 * Half a group of panels has too few accumulators for one row. There some rows run side by side, each with terms of
 * its own.
 */
enum { PANEL_GROUP = 8 / VECTORS, HALF_GROUP = PANEL_GROUP / 2, DEPTH = 64 };
/* Measured: columns, terms of a row, sixteenths of zeros below which a loop over the rest costs what it saves. */
enum { FEWEST = HALF_GROUP * NR * 3 / 4, SHORTEST = 32, SHORTEST_OF_HALVES = 48, ZEROS = 4, ZEROS_OF_HALVES = 7 };
_Static_assert(FEWEST > (HALF_GROUP - 1) * NR, "half a group is no panel wider than its columns");
_Static_assert(SHORTEST >= LANES, "a vector that begins in a row ends in the next");
/* Whether the registers hold two rows of a group; rows of half a group side by side, as many as the registers hold. */
#if defined(MF_ISA_AVX512) || defined(MF_ISA_NEON)
enum { PAIRS = 1, ABREAST = 4 };
#else
enum { PAIRS = 0, ABREAST = 2 };
#endif
_Static_assert(MR % ABREAST == 0 && NR % ABREAST == 0, "rows and the columns of a panel are whole numbers of them");
/* Measured, in half cycles: a term of one row, a term of two rows together, and what one more loop over terms costs. */
enum { ROW_COST = 9, ROWS_COST = 16, LOOP_COST = 64 };

INLINE uint64_t zero_lanes(vec x) { return mask_bits(vequal(x, vset(0))); }

/* Columns that whole groups of panels cover, the last panel maybe in part. */
INLINE int64_t grouped(int64_t columns) { return (columns + NR - 1) / (PANEL_GROUP * NR) * PANEL_GROUP * NR; }

/* The sixteenths of a (rows, cols) that are zero, by the whole vectors of each 16th row. */
INLINE int64_t zeros_of(mf_matrix a, int64_t rows, int64_t cols) {
    int64_t zeros = 0, seen = 0;
    for (int64_t r = 0; r < rows; r += 16)
        for (int64_t c = 0; c + LANES <= cols; c += LANES, seen += LANES)
            zeros += __builtin_popcountll(zero_lanes(vload(at(a, r, c))));
    return seen == 0 ? 0 : zeros * 16 / seen;
}

/* to = from + x b, for one or two rows and the columns of a group of panels. */
typedef struct {
    const real *x; /* (rows, DEPTH) */
    ptrdiff_t x_row, x_k;
    const real *b; /* (DEPTH, columns) */
    ptrdiff_t b_panel;
    const real *from; /* (rows, columns), or NULL for zeros */
    ptrdiff_t from_row, from_panel;
    real *to; /* (rows, columns) */
    ptrdiff_t to_row, to_panel;
} terms;

/* The sums of one row. */
typedef struct {
    vec of[PANEL_GROUP][VECTORS];
} row_sums;

INLINE row_sums sums_before(const terms *t, int64_t row) {
    row_sums sums;
    UNROLL for (int p = 0; p < PANEL_GROUP; p++) UNROLL for (int v = 0; v < VECTORS; v++)
        sums.of[p][v] = t->from ? vload(t->from + row * t->from_row + p * t->from_panel + v * LANES) : vset(0);
    return sums;
}

INLINE void store_sums(const terms *t, int64_t row, const row_sums *sums) {
    UNROLL for (int p = 0; p < PANEL_GROUP; p++) UNROLL for (int v = 0; v < VECTORS; v++)
        vstore(t->to + row * t->to_row + p * t->to_panel + v * LANES, sums->of[p][v] + vset(0));
}

/* The panels of b, each address in a register of its own: a sum for each load would take the units of FMAs. */
typedef struct {
    const real *panel[PANEL_GROUP];
} group;

INLINE group group_of(const terms *t) {
    group b;
    UNROLL for (int p = 0; p < PANEL_GROUP; p++) {
        b.panel[p] = t->b + p * t->b_panel;
        __asm__("" : "+r"(b.panel[p]));
    }
    return b;
}

/* The term of the lowest of the bits, of which there is one: bit k is that of column k of x. Clears it. */
INLINE void add_lowest(row_sums *sums, const group *b, const real *x, ptrdiff_t x_k, uint64_t *bits) {
    const uint64_t k = (unsigned)__builtin_ctzll(*bits);
    const vec left = vset(x[k * x_k]);
    UNROLL for (int p = 0; p < PANEL_GROUP; p++) UNROLL for (int v = 0; v < VECTORS; v++)
        sums->of[p][v] = vfma(left, vload(b->panel[p] + k * NR + v * LANES), sums->of[p][v]);
    *bits &= *bits - 1;
}

/* Not inlined, so that all strides find a register. */
static __attribute__((noinline)) void add_alone(const terms *t, int64_t row, uint64_t bits) {
    const terms here = *t;
    const group b = group_of(t);
    const real *x = here.x + row * here.x_row;
    row_sums sums = sums_before(&here, row);
    while (bits != 0) add_lowest(&sums, &b, x, here.x_k, &bits);
    store_sums(&here, row, &sums);
}

/* Two rows, each with its own terms, side by side while both have some left: the sums of one row just hide the latency
 * of an FMA, if no load is late. */
static __attribute__((noinline)) void add_beside(const terms *t, uint64_t bits, uint64_t others) {
    const terms here = *t;
    const group b = group_of(t);
    const real *x = here.x, *y = x + here.x_row;
    row_sums sums = sums_before(&here, 0), more = sums_before(&here, 1);
    while (bits != 0 && others != 0) {
        add_lowest(&sums, &b, x, here.x_k, &bits);
        add_lowest(&more, &b, y, here.x_k, &others);
    }
    while (bits != 0) add_lowest(&sums, &b, x, here.x_k, &bits);
    while (others != 0) add_lowest(&more, &b, y, here.x_k, &others);
    store_sums(&here, 0, &sums);
    store_sums(&here, 1, &more);
}

/* Two rows, with the terms that either of them has. */
static __attribute__((noinline)) void add_together(const terms *t, uint64_t bits) {
    const terms here = *t;
    row_sums sums[2] = {sums_before(&here, 0), sums_before(&here, 1)};
    for (; bits != 0; bits &= bits - 1) {
        const int64_t k = __builtin_ctzll(bits);
        vec left[2];
        UNROLL for (int r = 0; r < 2; r++) left[r] = vset(here.x[r * here.x_row + k * here.x_k]);
        UNROLL for (int p = 0; p < PANEL_GROUP; p++) UNROLL for (int v = 0; v < VECTORS; v++) {
            vec right = vload(here.b + k * NR + p * here.b_panel + v * LANES);
            KEEP(right);
            UNROLL for (int r = 0; r < 2; r++) sums[r].of[p][v] = vfma(left[r], right, sums[r].of[p][v]);
        }
    }
    UNROLL for (int r = 0; r < 2; r++) store_sums(&here, r, &sums[r]);
}

/* The first of the rows or, if there are more, two: with the terms of both where that costs less. */
INLINE void add_rows(const terms *t, const uint64_t *bits, int64_t rows) {
    if (PAIRS && rows > 1) {
        const uint64_t either = bits[0] | bits[1];
        const int alone = __builtin_popcountll(bits[0]) + __builtin_popcountll(bits[1]);
        if (ROWS_COST * __builtin_popcountll(either) <= ROW_COST * alone + LOOP_COST) add_together(t, either);
        else add_beside(t, bits[0], bits[1]);
        return;
    }
    for (int64_t row = 0; row < 2 && row < rows; row++) add_alone(t, row, bits[row]);
}

/* Row r of half a group: the term of the lowest of the bits, of which there is one. Clears it. */
INLINE void add_to_half(vec acc[][ABREAST][VECTORS], const int r, const real *x, ptrdiff_t x_k, const real *b,
                        ptrdiff_t b_panel, uint64_t *bits) {
    const int64_t k = __builtin_ctzll(*bits);
    const vec left = vset(x[k * x_k]);
    UNROLL for (int p = 0; p < HALF_GROUP; p++) UNROLL for (int v = 0; v < VECTORS; v++)
        acc[p][r][v] = vfma(left, vload(b + k * NR + p * b_panel + v * LANES), acc[p][r][v]);
    *bits &= *bits - 1;
}

/* acc += x b for x (ABREAST, DEPTH) and b (DEPTH, half a group), each row's terms whose bits are set: side by side
 * while all rows have some left. */
INLINE void add_halves(vec acc[][ABREAST][VECTORS], const real *x, ptrdiff_t x_row, ptrdiff_t x_k, const real *b,
                       ptrdiff_t b_panel, const uint64_t rows[ABREAST]) {
    uint64_t bits[ABREAST];
    UNROLL for (int r = 0; r < ABREAST; r++) bits[r] = rows[r];
    for (;;) {
        int all = 1;
        UNROLL for (int r = 0; r < ABREAST; r++) all = all && bits[r] != 0;
        if (!all) break;
        UNROLL for (int r = 0; r < ABREAST; r++) add_to_half(acc, r, x + r * x_row, x_k, b, b_panel, &bits[r]);
    }
    UNROLL for (int r = 0; r < ABREAST; r++)
        while (bits[r] != 0) add_to_half(acc, r, x + r * x_row, x_k, b, b_panel, &bits[r]);
}

/* --- h W + b and delta Wt --- */

/* n columns of a row, 1 <= n <= DEPTH, from the first of a panel on, side by side in x; returns which are not zero. */
INLINE uint64_t load_row(const real *row, ptrdiff_t panel, const int n, real *x) {
    uint64_t zeros = 0;
    for (int k = 0; k < n; k += LANES) {
        const vec piece = vload(row + k / NR * panel + k % NR);
        vstore(x + k, piece);
        zeros |= zero_lanes(piece) << k;
    }
    return ~zeros & ~(uint64_t)0 >> (DEPTH - n);
}

/* The block of b after that of k0 and j0, of columns below `end`; none if there is no other, or b is small. */
INLINE mf_soon next_group(const product *p, int64_t end, int64_t k0, int64_t j0) {
    const int64_t j = j0 + PANEL_GROUP * NR < end ? j0 + PANEL_GROUP * NR : 0, k = j > 0 ? k0 : k0 + DEPTH;
    if (k >= p->k || p->k * p->n * (int64_t)sizeof(real) <= KEPT_WEIGHTS) return (mf_soon){0};
    return (mf_soon){.data = at(p->b, k, j),
                     .rows = PANEL_GROUP,
                     .bytes = (p->k - k < DEPTH ? p->k - k : DEPTH) * NR * (int64_t)sizeof(real),
                     .stride = p->b.panel_stride * (ptrdiff_t)sizeof(real)};
}

INLINE void finish_group(const product *p, const int kind, int64_t r0, int64_t rows, int64_t j0) {
    for (int64_t r = r0; r < r0 + rows; r++)
        for (int64_t j = j0; j < j0 + PANEL_GROUP * NR; j += NR) {
            vec acc[1][VECTORS];
            UNROLL for (int v = 0; v < VECTORS; v++) acc[0][v] = vload(at(p->out, r, j) + v * LANES);
            finish_tile(p, kind, 1, VECTORS, acc, r, j);
        }
}

/* Rows [r0, r0 + rows), at most DEPTH of them, of the columns below `end`, which are whole groups of panels. */
INLINE void product_rows(const product *p, const int kind, int64_t r0, int64_t rows, int64_t end) {
    real x[DEPTH][DEPTH]; /* on the stack, 16 or 32 KiB */
    uint64_t bits[DEPTH];
    for (int64_t k0 = 0; k0 < p->k; k0 += DEPTH) {
        const int64_t n = p->k - k0 < DEPTH ? p->k - k0 : DEPTH;
        for (int64_t r = 0; r < rows; r++) { /* a constant n is unrolled: 2 to 3 % of a step */
            const real *row = at(p->a, r0 + r, k0);
            bits[r] = n == DEPTH ? load_row(row, p->a.panel_stride, DEPTH, x[r])
                                 : load_row(row, p->a.panel_stride, (int)n, x[r]);
        }
        for (int64_t j0 = 0; j0 < end; j0 += PANEL_GROUP * NR) {
            mf_soon soon[2] = {next_group(p, end, k0, j0), next_rows(p, k0, n, j0)};
            requests ahead = spread_both(soon, (rows + 1) / 2);
            terms t = {.x_row = DEPTH, .x_k = 1, .b = at(p->b, k0, j0), .b_panel = p->b.panel_stride,
                       .from_row = p->out.row_stride, .from_panel = p->out.panel_stride,
                       .to_row = p->out.row_stride, .to_panel = p->out.panel_stride};
            if (k0 == 0) t.from_row = 0, t.from_panel = p->b.panel_stride; /* the bias */
            for (int64_t r = 0; r < rows; r += 2) {
                t.x = x[r];
                t.from = t.to = at(p->out, r0 + r, j0);
                if (k0 == 0) t.from = kind == FORWARD ? at(p->b, p->k, j0) : NULL;
                ask(&ahead);
                add_rows(&t, bits + r, rows - r);
            }
            if (k0 + n == p->k) finish_group(p, kind, r0, rows, j0);
        }
    }
}

/* Rows [r0, r0 + ABREAST) of the half group at column j0. */
INLINE void halves_tile(const product *p, const int kind, const int k, int64_t r0, int64_t j0) {
    const real *b = at(p->b, 0, j0);
    const ptrdiff_t b_panel = p->b.panel_stride;
    real x[ABREAST][DEPTH];
    uint64_t bits[ABREAST];
    vec acc[HALF_GROUP][ABREAST][VECTORS];
    UNROLL for (int r = 0; r < ABREAST; r++) bits[r] = load_row(at(p->a, r0 + r, 0), p->a.panel_stride, k, x[r]);
    UNROLL for (int q = 0; q < HALF_GROUP; q++) UNROLL for (int v = 0; v < VECTORS; v++) {
        const vec start = kind == FORWARD ? vload(b + k * NR + q * b_panel + v * LANES) : vset(0);
        UNROLL for (int r = 0; r < ABREAST; r++) acc[q][r][v] = start;
    }
    add_halves(acc, x[0], DEPTH, 1, b, b_panel, bits);
    UNROLL for (int q = 0; q < HALF_GROUP; q++) finish_tile(p, kind, ABREAST, VECTORS, acc[q], r0, j0 + q * NR);
}

INLINE void product_halves(const product *p, const int kind, int64_t j0) {
    if (p->k == DEPTH) /* a constant: see product_rows */
        for (int64_t r = 0; r < p->rows; r += ABREAST) halves_tile(p, kind, DEPTH, r, j0);
    else
        for (int64_t r = 0; r < p->rows; r += ABREAST) halves_tile(p, kind, (int)p->k, r, j0);
}

/* Not inlined, so that each kind finds its registers. */
static __attribute__((noinline)) void halves_forward(const product *p, int64_t j0) { product_halves(p, FORWARD, j0); }
static __attribute__((noinline)) void halves_backward(const product *p, int64_t j0) { product_halves(p, BACKWARD, j0); }

/* The groups and the half group of panels, if there are zeros to skip. Returns the first column that is left to do. */
INLINE int64_t product_by_groups(const product *p, const int kind) {
    if (p->n < FEWEST || p->k < SHORTEST || !is_padded(p->b)) return 0;
    const int64_t zeros = zeros_of(p->a, p->rows, p->k), end = zeros < ZEROS ? 0 : grouped(p->n);
    for (int64_t r = 0; end > 0 && r < p->rows; r += DEPTH)
        product_rows(p, kind, r, p->rows - r < DEPTH ? p->rows - r : DEPTH, end);
    if (p->n - end < FEWEST || zeros < ZEROS_OF_HALVES || p->k < SHORTEST_OF_HALVES || p->k > DEPTH) return end;
    if (kind == FORWARD) halves_forward(p, end);
    else halves_backward(p, end);
    return end + HALF_GROUP * NR;
}

/* --- h^T delta --- */

/* bits[i]: which of n rows, at most DEPTH, are not zero in column i of the NR at h. */
INLINE void find_rows(const real *h, int64_t n, uint64_t *bits) {
    enum { WORD = 8 * sizeof(sword), WORDS = DEPTH / WORD };
    const vec one = (vec)vset_int(1);
    uword words[WORDS][NR];
    for (int w = 0; w < WORDS; w++) {
        uvec found[VECTORS] = {0};
        for (int64_t r = n < (w + 1) * WORD ? n : (w + 1) * WORD; r-- > w * WORD;)
            UNROLL for (int v = 0; v < VECTORS; v++) {
                const mask zero = vequal(vload(h + r * NR + v * LANES), vset(0));
                found[v] += found[v] + (uvec)vselect(zero, vset(0), one);
            }
        memcpy(words[w], found, sizeof found);
    }
    for (int i = 0; i < NR; i++) {
        bits[i] = 0;
        UNROLL for (int w = 0; w < WORDS; w++) bits[i] |= (uint64_t)words[w][i] << w * WORD;
    }
}

/* Times to ask for memory with each row and block, to do it about as often as tiles would (see weight_gradient). */
enum { ASKS = (PANEL_GROUP * (DEPTH / STRETCH) + GRADIENT_HEIGHT - 1) / GRADIENT_HEIGHT };

/* The weights of the group of panels that begins at column j0. */
INLINE void group_gradient(const gradient *p, int64_t j0, requests *ahead) {
    const int64_t columns = p->nj - j0 < PANEL_GROUP * NR ? p->nj - j0 : PANEL_GROUP * NR;
    const int whole = columns == PANEL_GROUP * NR;
    real some[2][PANEL_GROUP * NR]; /* rows of weights, where the group is not whole */
    if (!whole) memset(some, 0, sizeof some);
    for (int64_t r = 0; r < p->rows; r += DEPTH) {
        const real *h = p->h + r * NR;
        const int adds = p->accumulates || r > 0;
        const ptrdiff_t ld = whole ? p->ld : PANEL_GROUP * NR;
        terms t = {.x_row = 1, .x_k = NR, .b = p->delta + j0 / NR * p->panel + r * NR, .b_panel = p->panel,
                   .from_row = ld, .from_panel = NR, .to_row = ld, .to_panel = NR};
        uint64_t bits[NR];
        find_rows(h, p->rows - r < DEPTH ? p->rows - r : DEPTH, bits);
        for (int64_t i = 0; i < p->ni; i += 2) {
            const int height = p->ni - i < 2 ? 1 : 2;
            real *g = p->g + i * p->ld + j0;
            for (int q = 0; q < height; q++) {
                for (int times = 0; times < ASKS; times++) ask(ahead);
                if (adds && !whole) memcpy(some[q], g + q * p->ld, columns * sizeof(real));
            }
            t.x = h + i;
            t.to = whole ? g : some[0];
            t.from = adds ? t.to : NULL;
            add_rows(&t, bits + i, height);
            for (int q = 0; q < height && !whole; q++) memcpy(g + q * p->ld, some[q], columns * sizeof(real));
        }
    }
}

/* The weights of the half group of whole panels that begins at column j0, ABREAST inputs at a time. */
INLINE void half_group_gradient(const gradient *p, int64_t j0, requests *ahead) {
    for (int64_t r = 0; r < p->rows; r += DEPTH) {
        const real *h = p->h + r * NR, *delta = p->delta + j0 / NR * p->panel + r * NR;
        const int adds = p->accumulates || r > 0;
        uint64_t bits[NR];
        find_rows(h, p->rows - r < DEPTH ? p->rows - r : DEPTH, bits);
        for (int64_t i = 0; i < p->ni; i += ABREAST) {
            const int height = p->ni - i < ABREAST ? (int)(p->ni - i) : ABREAST;
            real *g = p->g + i * p->ld + j0;
            vec acc[HALF_GROUP][ABREAST][VECTORS];
            for (int q = 0; q < height; q++) ask(ahead); /* ASKS would be 1 for half a group */
            for (int w = height; w < ABREAST; w++) bits[i + w] = 0;
            UNROLL for (int q = 0; q < HALF_GROUP; q++) UNROLL for (int w = 0; w < ABREAST; w++)
                UNROLL for (int v = 0; v < VECTORS; v++)
                    acc[q][w][v] = adds && w < height ? vload(g + w * p->ld + q * NR + v * LANES) : vset(0);
            add_halves(acc, h + i, 1, NR, delta, p->panel, bits + i);
            UNROLL for (int q = 0; q < HALF_GROUP; q++) UNROLL for (int w = 0; w < ABREAST; w++)
                UNROLL for (int v = 0; v < VECTORS; v++)
                    if (w < height) vstore(g + w * p->ld + q * NR + v * LANES, acc[q][w][v] + vset(0));
        }
    }
}

/* As product_by_groups. */
INLINE int64_t gradient_by_groups(const gradient *p, requests *ahead) {
    if (p->nj < FEWEST) return 0;
    const mf_matrix h = {NR, 0, (void *)p->h};
    const int64_t zeros = zeros_of(h, p->rows, p->ni), end = zeros < ZEROS ? 0 : grouped(p->nj);
    for (int64_t j = 0; j < end; j += PANEL_GROUP * NR) group_gradient(p, j, ahead);
    if (p->nj - end < HALF_GROUP * NR || zeros < ZEROS_OF_HALVES || p->rows < SHORTEST_OF_HALVES) return end;
    half_group_gradient(p, end, ahead);
    return end + HALF_GROUP * NR;
}
