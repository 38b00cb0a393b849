/*
 * What users choose by name, a row each. Made of these rows are the ids of mlpfast.h, the names that the floors above
 * read (runtime/names.c), and the kernels' choice of a body, which bears the row's name. So one more is a row here and
 * its body; tests/test_lists.py compares what users are told, in mlpfast/activations.py and its like.
 */
#ifndef MLPFAST_LISTS_H
#define MLPFAST_LISTS_H

/* row(ID, name, default of alpha or 0 where it takes none, what g' is computed from: h or z). Bodies:
 * activations.inl */
#define MF_EACH_ELEMENTWISE_ACTIVATION(row)                                                                            \
    row(IDENTITY, identity, 0, h)                                                                                      \
    row(SIGMOID, sigmoid, 0, h)                                                                                        \
    row(TANH, tanh, 0, h)                                                                                              \
    row(RELU, relu, 0, h)                                                                                              \
    row(LEAKY_RELU, leaky_relu, 0.01, h)                                                                               \
    row(ELU, elu, 1, h)                                                                                                \
    row(SELU, selu, 0, h)                                                                                              \
    row(SOFTPLUS, softplus, 0, z)                                                                                      \
    row(GELU, gelu, 0, z)                                                                                              \
    row(GELU_TANH, gelu_tanh, 0, z)                                                                                    \
    row(SILU, silu, 0, z)                                                                                              \
    row(MISH, mish, 0, z)                                                                                              \
    row(SMOOTH_CLIP, smooth_clip, 3, z)                                                                                \
    row(EXPONENTIAL, exponential, 0, h)

/* Softmax takes whole rows: it has kernels of its own, and no elementwise kernel may be asked for it. */
#define MF_EACH_ACTIVATION(row)                                                                                        \
    MF_EACH_ELEMENTWISE_ACTIVATION(row)                                                                                \
    row(SOFTMAX, softmax, 0, h)

/* row(ID, name, what it reads: the outputs h or the pre-activations z, how it is computed). Bodies: losses.inl, and
 * class_losses.inl for those by rows. Behind some: their numbers, and what of_outputs is for them.
 *
 * Those that read z give dL/dz directly: the output activation, against which its derivative cancels, never
 * runs in training, and a probability that rounds to zero does no harm. */
#define MF_EACH_LOSS(row)                                                                                              \
    row(MSE, mse, h, by_elements)                                                                                      \
    row(MAE, mae, h, by_elements)                                                                                      \
    row(HUBER, huber, h, by_elements)       /* delta */                                                                \
    row(LOG_COSH, log_cosh, h, by_elements)                                                                            \
    row(QUANTILE, quantile, h, by_elements) /* q; or one for each output */                                            \
    row(GAUSSIAN_NLL, gaussian_nll, z, by_elements) /* of two outputs for each target */                               \
    row(POISSON, poisson, z, by_elements)                                                                              \
    row(GAMMA_DEVIANCE, gamma_deviance, z, by_elements)                                                                \
    row(TWEEDIE_DEVIANCE, tweedie_deviance, z, by_elements) /* power */                                                \
    row(BINARY_CROSS_ENTROPY, binary_cross_entropy, z, by_elements) /* each output's weight of yes */                  \
    row(BINARY_FOCAL, binary_focal, z, by_elements) /* gamma, weights of yes and no */                                 \
    row(HINGE, hinge, z, by_elements)                                                                                  \
    row(SQUARED_HINGE, squared_hinge, z, by_elements)                                                                  \
    row(CROSS_ENTROPY, cross_entropy, z, by_rows)                                                                      \
    row(FOCAL, focal, z, by_rows) /* gamma; each class's weight */                                                     \
    row(KL_DIVERGENCE, kl_divergence, z, by_rows)                                                                      \
    row(ORDINAL, ordinal, z, by_rows)

/* row(ID, name, how it is computed). Bodies: metrics.inl. Behind some: their number. */
#define MF_EACH_METRIC(row)                                                                                            \
    row(ACCURACY, accuracy, by_rows)                                                                                   \
    row(ORDINAL_ACCURACY, ordinal_accuracy, by_rows)                                                                   \
    row(BINARY_ACCURACY, binary_accuracy, by_elements)                                                                 \
    row(TOP_K, top_k, by_rows) /* k */                                                                                 \
    row(LOG_LOSS, log_loss, by_rows)                                                                                   \
    row(BINARY_LOG_LOSS, binary_log_loss, by_elements)                                                                 \
    row(BRIER, brier, by_rows)                                                                                         \
    row(MEAN_SQUARED_ERROR, mean_squared_error, by_elements)                                                           \
    row(MEAN_ABSOLUTE_ERROR, mean_absolute_error, by_elements)                                                         \
    row(MEAN_ABSOLUTE_PERCENTAGE_ERROR, mean_absolute_percentage_error, by_elements)                                   \
    row(PINBALL, pinball, by_elements) /* q */

/* row(ID, name). Bodies: update.inl */
#define MF_EACH_OPTIMIZER(row)                                                                                         \
    row(SGD, sgd)                                                                                                      \
    row(RMSPROP, rmsprop)                                                                                              \
    row(ADAM, adam)                                                                                                    \
    row(ADAGRAD, adagrad)                                                                                              \
    row(NADAM, nadam)                                                                                                  \
    row(LION, lion)                                                                                                    \
    row(SCHEDULE_FREE, schedule_free)

/* row(ID, name). Bodies: v<name>() in math.inl */
#define MF_EACH_FUNCTION(row)                                                                                          \
    row(EXP, exp)                                                                                                      \
    row(EXPM1, expm1)                                                                                                  \
    row(LOG, log)                                                                                                      \
    row(LOG1P, log1p)                                                                                                  \
    row(TANH, tanh)                                                                                                    \
    row(SIGMOID, sigmoid)                                                                                              \
    row(ERF, erf)                                                                                                      \
    row(SIN, sin)                                                                                                      \
    row(COS, cos)

#endif
