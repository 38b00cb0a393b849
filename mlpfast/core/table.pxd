# The contract of csrc/mlpfast.h, for every module of the core. Only table.pyx links csrc; the others get the kernel
# table and the thread pool through the functions declared here, so that there is one dispatch state and one pool.

from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t


cdef extern from "mlpfast.h" nogil:
    cdef enum:
        MF_FLOAT32
        MF_FLOAT64
        MF_UINT8
        MF_INT16

    cdef enum:
        MF_OK
        MF_NOT_FINITE
        MF_OUT_OF_RANGE
        MF_BAD_CODE

    cdef enum:
        MF_BAD_IF_UNKNOWN
        MF_NONE_IF_UNKNOWN
        MF_MOST_UNITS
        MF_MOST_BINS

    cdef enum:
        MF_IDENTITY
        MF_RELU
        MF_SIGMOID
        MF_SOFTMAX

    cdef enum:
        MF_SGD
        MF_ADAM
        MF_NADAM
        MF_SCHEDULE_FREE

    cdef enum:
        MF_RNG_SHUFFLE
        MF_RNG_INITIALIZE
        MF_RNG_SPLIT
        MF_RNG_RUNS

    ctypedef struct mf_matrix:
        Py_ssize_t row_stride
        Py_ssize_t panel_stride
        void *data

    ctypedef struct mf_csr:
        const void *values
        const void *columns
        const void *offsets
        int64_t stored
        int32_t dtype
        int32_t index64

    ctypedef struct mf_bands:
        int64_t width
        int64_t *starts
        int64_t *ends
        int32_t *rows
        int32_t *columns
        void *values

    ctypedef struct mf_columns:
        const int32_t *columns
        int64_t n
        int64_t first
        int64_t width

    ctypedef struct mf_targets:
        const void *dense
        const int32_t *labels
        const double *weights
        const int64_t *rows
        double smoothing
        int32_t each
        int32_t ordered

    ctypedef struct mf_loss_options:
        double numbers[3]
        const double *of_outputs

    ctypedef struct mf_update:
        int32_t optimizer
        int32_t nesterov
        int32_t amsgrad
        int32_t clips
        double rate
        double momentum
        double decay
        double share
        double ahead
        double epsilon
        double l1
        double l2
        double factor
        double most
        double shrink

    ctypedef struct mf_soon:
        const void *data
        int64_t rows
        int64_t bytes
        Py_ssize_t stride
        bint written

    ctypedef struct mf_kernels:
        const char *isa
        int32_t dtype
        int32_t itemsize
        int32_t nr
        int32_t mr
        int32_t skips_from
        void (*matmul_bias)(mf_matrix h_in, mf_matrix w, mf_matrix z, mf_matrix h_out, int64_t rows, int64_t k,
                            int64_t n, int activation, double alpha, int skip_zeros) noexcept nogil
        void (*propagate_delta)(mf_matrix delta, mf_matrix wt, mf_matrix saved, mf_matrix out, int64_t rows, int64_t k,
                                int64_t n, int activation, double alpha, int skip_zeros) noexcept nogil
        void (*weight_gradient)(mf_matrix h_in, mf_matrix delta, void *g, int64_t ld, int64_t rows, int64_t i0,
                                int64_t ni, int64_t j0, int64_t nj, int accumulate, int skip_zeros,
                                const mf_soon *soon, int64_t count) noexcept nogil
        void (*bias_gradient)(mf_matrix delta, void *g, int64_t rows, int64_t j0, int64_t nj,
                              int accumulate) noexcept nogil
        void (*row_forward)(const void *x, const void *w, const void *bias, void *h, int64_t k, int64_t n,
                            int activation, double alpha) noexcept nogil
        void (*pack)(const void *w, int64_t ld, int64_t rows, int64_t cols, mf_matrix out) noexcept nogil
        void (*pack_transposed)(const void *w, int64_t ld, int64_t rows, int64_t cols, mf_matrix out) noexcept nogil
        void (*unpack)(mf_matrix panels, int64_t rows, int64_t cols, void *out, int64_t ld) noexcept nogil
        int (*gather)(const void *source, int source_dtype, int64_t ld, const int64_t *index, int64_t rows,
                      int64_t known, int64_t cols, mf_matrix out) noexcept nogil
        int (*gather_csr)(const mf_csr *x, const int64_t *index, int64_t rows, int64_t cols,
                          mf_matrix out) noexcept nogil
        int (*matmul_bias_csr)(const mf_csr *x, const int64_t *index, int64_t rows, int64_t k, const void *w,
                               const void *bias, mf_matrix z, int64_t n) noexcept nogil
        int (*count_csr)(const mf_csr *x, const int64_t *index, int64_t rows, int64_t columns,
                         const mf_bands *bands) noexcept nogil
        int (*place_csr)(const mf_csr *x, const int64_t *index, int64_t first, int64_t rows, int64_t columns,
                         const mf_bands *bands) noexcept nogil
        void (*weight_gradient_csr)(const mf_bands *x, mf_matrix delta, void *g, int64_t ld, int64_t i0, int64_t ni,
                                    int64_t j0, int64_t nj, int accumulate, const mf_soon *soon,
                                    int64_t count) noexcept nogil
        void (*activation)(int activation, double alpha, mf_matrix z, mf_matrix h, int64_t rows,
                           int64_t cols) noexcept nogil
        void (*hadamard)(int activation, double alpha, mf_matrix dh, mf_matrix saved, mf_matrix out, int64_t rows,
                         int64_t cols) noexcept nogil
        void (*curve)(int activation, double alpha, mf_matrix dh, mf_matrix saved, mf_matrix dz, mf_matrix out,
                      int64_t rows, int64_t cols) noexcept nogil
        void (*dropout)(mf_matrix x, mf_matrix out, int64_t first_row, int64_t rows, int64_t cols, double rate,
                        uint64_t seed, uint32_t stream, uint64_t step) noexcept nogil
        void (*dropout_back)(mf_matrix dh, mf_matrix h, mf_matrix out, int64_t rows, int64_t cols,
                             double rate) noexcept nogil
        void (*elementary)(int function, const void *x, void *y, int64_t n) noexcept nogil
        void (*softmax)(mf_matrix z, mf_matrix h, int64_t rows, int64_t cols) noexcept nogil
        void (*log_softmax)(mf_matrix z, mf_matrix h, int64_t rows, int64_t cols) noexcept nogil
        void (*softmax_jvp)(mf_matrix s, mf_matrix v, mf_matrix out, int64_t rows, int64_t cols) noexcept nogil
        void (*softmax_curve)(mf_matrix s, mf_matrix v, mf_matrix ds, mf_matrix out, int64_t rows,
                              int64_t cols) noexcept nogil
        void (*add)(mf_matrix a, mf_matrix b, mf_matrix out, int64_t rows, int64_t cols) noexcept nogil
        void (*scale_shift)(mf_matrix x, const void *scale, const void *shift, mf_matrix out, int64_t rows,
                            int64_t cols) noexcept nogil
        void (*scale_gradient)(mf_matrix x, mf_matrix delta, void *g, int64_t rows, int64_t j0, int64_t nj,
                               int accumulate) noexcept nogil
        void (*blend)(mf_matrix base, mf_matrix other, const void *alpha, mf_matrix out, int64_t rows,
                      int64_t cols) noexcept nogil
        void (*blend_back)(mf_matrix dz, mf_matrix df, const void *alpha, mf_matrix out, int64_t rows,
                           int64_t cols) noexcept nogil
        void (*blend_gradient)(mf_matrix base, mf_matrix other, mf_matrix delta, void *g, int64_t rows, int64_t j0,
                               int64_t nj, int accumulate) noexcept nogil
        void (*scale_difference)(mf_matrix base, mf_matrix other, const void *scale, mf_matrix out, int64_t rows,
                                 int64_t cols) noexcept nogil
        void (*normalise_rows)(mf_matrix x, double epsilon, int centres, mf_matrix out, double *rsd, int64_t rows,
                               int64_t cols) noexcept nogil
        void (*normalise_rows_back)(mf_matrix dn, mf_matrix n, const double *rsd, int centres, mf_matrix out,
                                    int64_t rows, int64_t cols) noexcept nogil
        void (*normalise_rows_curve)(mf_matrix dn, mf_matrix n, mf_matrix dx, mf_matrix d_n, const double *rsd,
                                     int centres, mf_matrix out, int64_t rows, int64_t cols) noexcept nogil
        void (*column_moments)(mf_matrix x, int64_t rows, int64_t j0, int64_t nj, double *mean,
                               double *variance) noexcept nogil
        void (*column_sums)(mf_matrix delta, mf_matrix n, int64_t rows, int64_t j0, int64_t nj, double *sum,
                            double *product_sum) noexcept nogil
        void (*normalise_columns)(mf_matrix x, const double *mean, const double *variance, double epsilon,
                                  mf_matrix out, int64_t rows, int64_t cols) noexcept nogil
        void (*normalise_columns_back)(mf_matrix delta, mf_matrix n, const void *scale, const double *variance,
                                       double epsilon, const double *sum, const double *product_sum, double count,
                                       mf_matrix out, int64_t rows, int64_t cols) noexcept nogil
        void (*copy_columns)(const mf_columns *part, mf_matrix x, mf_matrix out, int64_t rows) noexcept nogil
        int (*one_hot)(const mf_columns *part, int64_t unknown, mf_matrix x, mf_matrix out, int64_t rows) noexcept nogil
        int (*one_hot_csr)(const mf_columns *part, int64_t unknown, const mf_csr *x, const int64_t *index,
                           mf_matrix out, int64_t rows, int64_t columns) noexcept nogil
        int (*look_up)(const mf_columns *part, int64_t categories, int64_t unknown, const void *table, mf_matrix x,
                       mf_matrix out, int64_t rows) noexcept nogil
        void (*look_up_gradient)(const mf_columns *part, int64_t categories, int64_t unknown, mf_matrix x,
                                 mf_matrix delta, int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj, void *g,
                                 int64_t ld, int accumulate) noexcept nogil
        void (*look_up_update)(const mf_columns *part, int64_t categories, int64_t unknown, mf_matrix x,
                               mf_matrix delta, mf_matrix sums, int32_t *seen, int64_t rows, int64_t i0, int64_t ni,
                               const mf_update *rule, void *p, void *s0, void *s1, void *s2) noexcept nogil
        void (*periodic)(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix x,
                         mf_matrix kept, mf_matrix out, int64_t rows) noexcept nogil
        void (*periodic_back)(const mf_columns *part, int64_t frequencies, const void *const *tensors, mf_matrix kept,
                              mf_matrix delta, int64_t rows) noexcept nogil
        void (*periodic_gradient)(const mf_columns *part, int64_t frequencies, int tensor, mf_matrix x, mf_matrix kept,
                                  mf_matrix delta, int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj,
                                  void *g, int64_t ld, int accumulate) noexcept nogil
        void (*piecewise)(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors,
                          mf_matrix x, mf_matrix out, int64_t rows) noexcept nogil
        void (*piecewise_gradient)(const mf_columns *part, int64_t bins, const void *edges, int tensor, mf_matrix x,
                                   mf_matrix delta, int64_t rows, int64_t i0, int64_t ni, int64_t j0, int64_t nj,
                                   void *g, int64_t ld, int accumulate) noexcept nogil
        void (*periodic_tangent)(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                                 const void *const *along, mf_matrix x, mf_matrix d_x, mf_matrix kept,
                                 mf_matrix changed, mf_matrix out, int64_t rows) noexcept nogil
        void (*periodic_tangent_back)(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                                      const void *const *along, mf_matrix kept, mf_matrix changed, mf_matrix delta,
                                      mf_matrix d_delta, int64_t rows) noexcept nogil
        void (*piecewise_tangent)(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors,
                                  const void *const *along, mf_matrix x, mf_matrix d_x, mf_matrix out,
                                  int64_t rows) noexcept nogil
        void (*loss)(int loss, const mf_loss_options *options, mf_matrix out, const mf_targets *targets, int64_t rows,
                     int64_t cols, double scale, mf_matrix delta, double *row_loss) noexcept nogil
        void (*loss_product)(int loss, const mf_loss_options *options, mf_matrix out, const mf_targets *targets,
                             int64_t rows, int64_t cols, double scale, mf_matrix d, mf_matrix result) noexcept nogil
        void (*metric)(int metric, double threshold, double number, mf_matrix out, const mf_targets *targets,
                       int64_t rows, int64_t cols, double *row_value) noexcept nogil
        void (*update)(const mf_update *rule, void *p, const void *g, int64_t ld_g, void *s0, void *s1, void *s2,
                       int64_t rows, int64_t cols, int64_t ld) noexcept nogil
        void (*add_penalty)(double l1, double l2, const void *p, void *g, int64_t n) noexcept nogil
        double (*penalty)(double l1, double l2, const void *p, int64_t n) noexcept nogil
        void (*limit_columns)(double most, void *p, int64_t rows, int64_t cols, int64_t ld) noexcept nogil
        void (*average)(double share, const void *p, void *mean, int64_t rows, int64_t cols, int64_t ld) noexcept nogil
        int (*all_finite)(const void *p, int64_t n) noexcept nogil
        void (*outer_product)(mf_matrix h, mf_matrix delta, int64_t k, int64_t n, void *g) noexcept nogil
        void (*row_squares)(mf_matrix x, int64_t rows, int64_t cols, double *sums) noexcept nogil
        void (*copy_columns_back)(const mf_columns *part, mf_matrix delta, mf_matrix out, int64_t rows) noexcept nogil
        void (*periodic_inputs)(const mf_columns *part, int64_t frequencies, const void *const *tensors,
                                mf_matrix kept, mf_matrix out, int64_t rows) noexcept nogil
        void (*piecewise_inputs)(const mf_columns *part, int64_t bins, const void *edges, const void *const *tensors,
                                 mf_matrix x, mf_matrix delta, mf_matrix out, int64_t rows) noexcept nogil

    cdef enum:
        MF_LAYER_KIND_VERSION
        MF_MOST_TENSORS
        MF_MOST_BUFFERS
        MF_MOST_NUMBERS
        MF_SCRATCHES

    cdef enum:
        MF_ADDS
        MF_MORE

    cdef enum:
        MF_STATISTICS
        MF_SUMS
        MF_KEEP

    cdef enum:
        MF_INFINITE_DELTA

    ctypedef struct mf_value:
        int64_t columns
        int32_t activation
        int32_t saves_z
        double alpha
        mf_matrix z
        mf_matrix h
        mf_matrix delta
        mf_matrix part
        int64_t delta_first
        int64_t delta_end

    ctypedef struct mf_block:
        const mf_kernels *kernels
        int64_t rows
        int64_t first
        Py_ssize_t shift
        mf_matrix x
        const mf_csr *csr
        const int64_t *index
        const mf_bands *bands
        uint64_t seed
        uint64_t step
        int32_t *findings
        int32_t *bad
        double dropout_scale

    ctypedef struct mf_tile:
        int32_t layer
        int32_t tensor
        int64_t i0
        int64_t ni
        int64_t j0
        int64_t nj
        int64_t ld
        int64_t offset

    ctypedef struct mf_layer:
        const mf_layer_kind *kind
        const mf_value *reads
        const mf_value *also
        const mf_value *makes
        int32_t edge
        int32_t also_edge
        const void *tensors[4]
        void *buffers[2]
        mf_matrix w
        mf_matrix wt
        mf_matrix saved
        double *notes
        int64_t first
        int64_t width
        const int32_t *columns
        int64_t n_columns
        double numbers[4]
        double alpha
        int32_t activation
        uint32_t stream
        int32_t over_batch

    ctypedef struct mf_layer_kind:
        int32_t version
        const char *name
        int reads_csr
        void (*forward)(const mf_layer *layer, const mf_block *block) noexcept nogil
        void (*backward)(const mf_layer *layer, const mf_block *block) noexcept nogil
        void (*gradient)(const mf_layer *layer, const mf_block *chunk, const mf_tile *tile, const mf_tile *next,
                         void *g, int64_t ld, int accumulate, int updates, mf_soon *soon, int64_t count) noexcept nogil
        void (*refresh)(const mf_layer *layer, const mf_kernels *kernels, const mf_tile *tile,
                        const void *p) noexcept nogil
        void (*one_row)(const mf_layer *layer, const mf_kernels *kernels, const void *x, const void *also,
                        void *h) noexcept nogil
        void (*columns)(const mf_layer *layer, const mf_block *batch, int kind_pass, int64_t j0,
                        int64_t nj) noexcept nogil
        void (*update_entries)(const mf_layer *layer, const mf_block *batch, const mf_tile *tile,
                               const mf_update *rule, void *p, void *s0, void *s1, void *s2) noexcept nogil
        void (*tangent)(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil
        void (*tangent_back)(const mf_layer *layer, const mf_layer *along, const mf_block *block) noexcept nogil
        void (*tangent_gradient)(const mf_layer *layer, const mf_layer *along, const mf_block *chunk,
                                 const mf_tile *tile, void *g, int64_t ld, int accumulate) noexcept nogil

    ctypedef struct mf_owner:
        uint64_t word
        int64_t depth

    void mf_raise(int32_t *flags, int32_t raised)       # inline
    int32_t mf_raised(const int32_t *flags)             # inline

    ctypedef struct mf_table_column:
        const double *numbers
        const int64_t *codes
        const float *table
        int64_t categories
        const double *bends
        int64_t n_bends
        double centre
        double factor
        double tail
        int32_t indicator
        int32_t width

    ctypedef void (*mf_task)(void *context, int64_t index) noexcept nogil


cdef const mf_kernels *kernels_of(int dtype) except NULL
cdef uint64_t flush_denormals() noexcept nogil
cdef void set_float_mode(uint64_t mode) noexcept nogil
cdef bint saves_z(int activation) noexcept nogil
cdef bint reads_logits(int loss) noexcept nogil
cdef void parallel_for(int64_t n_tasks, int n_threads, mf_task task, void *context, double work) noexcept nogil
cdef void encode(const mf_table_column *columns, int64_t n, int64_t rows, float *out, int n_threads) noexcept nogil
cdef bint own(mf_owner *owner) noexcept nogil
cdef bint begin_work(mf_owner *owner) noexcept nogil
cdef void disown(mf_owner *owner) noexcept nogil
cdef void end_work(mf_owner *owner) noexcept nogil
cdef int thread_limit(object n_threads) except -1
cdef void permutation(uint64_t seed, uint32_t purpose, uint64_t step, int64_t n, int64_t *out) noexcept nogil
cdef void uniform(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n,
                  double *out) noexcept nogil
cdef void normal(uint64_t seed, uint32_t purpose, uint64_t step, int64_t start, int64_t n,
                 double *out) noexcept nogil
