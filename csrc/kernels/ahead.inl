/*
 * Asking for memory before it is needed, while a product keeps the arithmetic busy: the next block of the weights, or
 * the parameters and the state that the update after this product will touch.
 *
 * The requests are spread evenly over the product, a few between two stretches of k. A burst of them would fill the
 * core's queue of outstanding misses, behind which the product's own loads wait. What is only read goes to L2: L1 is
 * the product's.
 *
 * What will be written is asked for as such (and goes where the processor likes): where another thread has read it, as
 * it does the packed weights, the other core's copy has to go first. Where cores are far apart, stores wait for that
 * 9 ns a line, one after another.
 */
enum { LINE = 64 };

typedef struct {
    const mf_soon *block, *end;
    int64_t row;      /* piece of the block */
    const char *next; /* line of the piece */
    int64_t left;     /* lines of the piece */
    int64_t pace;     /* lines at a time; 0: there are no more */
} requests;

INLINE int64_t lines_of(const mf_soon *block) { return (block->bytes + LINE - 1) / LINE; }

INLINE void begin_piece(requests *q) {
    const mf_soon *block = q->block;
    q->next = (const char *)block->data + q->row * block->stride;
    q->left = lines_of(block);
}

/* The lines of all blocks, in `times` equal portions. */
INLINE requests spread(const mf_soon *soon, int64_t count, int64_t times) {
    requests q = {0};
    if (count == 0) return q;
    int64_t lines = 0;
    for (int64_t i = 0; i < count; i++) lines += soon[i].rows * lines_of(&soon[i]);
    q = (requests){.block = soon, .end = soon + count, .pace = (lines + times - 1) / times};
    begin_piece(&q);
    return q;
}

INLINE void ask(requests *q) {
    /* Kept in memory: in registers, it took those that a product's loops need, and copies of this code for each. */
    __asm__("" : "+r"(q) : : "memory");
    for (int64_t wanted = q->pace; wanted > 0;) {
        const int64_t now = wanted < q->left ? wanted : q->left;
        if (q->block->written)
            for (int64_t i = 0; i < now; i++) __builtin_prefetch(q->next + i * LINE, 1, 2);
        else
            for (int64_t i = 0; i < now; i++) __builtin_prefetch(q->next + i * LINE, 0, 2);
        q->next += now * LINE;
        q->left -= now;
        wanted -= now;
        if (q->left > 0) continue;
        if (++q->row == q->block->rows) {
            q->row = 0;
            if (++q->block == q->end) {
                q->pace = 0;
                return;
            }
        }
        begin_piece(q);
    }
}
