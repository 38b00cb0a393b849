/* What the rows of lists.h say, for the floors above. */
#include "mlpfast.h"

enum { FROM_h, FROM_z };

#define ACTIVATION(id, name, alpha, saved) {#name, alpha, FROM_##saved},
#define LOSS(id, name, read, how) {#name, FROM_##read},
#define NAME(id, name, ...) #name,

const mf_activation_row mf_activations[MF_ACTIVATIONS] = {MF_EACH_ACTIVATION(ACTIVATION)};
const mf_loss_row mf_losses[MF_LOSSES] = {MF_EACH_LOSS(LOSS)};
const char *const mf_metrics[MF_METRICS] = {MF_EACH_METRIC(NAME)};
const char *const mf_optimizers[MF_OPTIMIZERS] = {MF_EACH_OPTIMIZER(NAME)};
const char *const mf_functions[MF_FUNCTIONS] = {MF_EACH_FUNCTION(NAME)};
