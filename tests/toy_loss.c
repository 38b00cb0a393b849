/* Losses of somebody else's, for mlpfast.losses.Custom: see test_custom_losses.py. */
#include <stdint.h>

void half_squares(int64_t rows, int64_t outputs, int64_t targets, const double *y, const double *h, double *values,
                  double *gradient) {
    (void)targets;
    for (int64_t r = 0; r < rows; r++) {
        values[r] = 0;
        for (int64_t c = r * outputs; c < (r + 1) * outputs; c++) {
            gradient[c] = h[c] - y[c];
            values[r] += 0.5 * gradient[c] * gradient[c];
        }
    }
}

void wrong_sign(int64_t rows, int64_t outputs, int64_t targets, const double *y, const double *h, double *values,
                double *gradient) {
    half_squares(rows, outputs, targets, y, h, values, gradient);
    for (int64_t i = 0; i < rows * outputs; i++) gradient[i] = -gradient[i];
}

/* (h_label - 1)^2 */
void of_label(int64_t rows, int64_t outputs, int64_t targets, const double *y, const double *h, double *values,
              double *gradient) {
    for (int64_t r = 0; r < rows; r++) {
        const int64_t label = (int64_t)y[r * targets];
        const double missing = h[r * outputs + label] - 1;
        for (int64_t c = 0; c < outputs; c++) gradient[r * outputs + c] = c == label ? 2 * missing : 0;
        values[r] = missing * missing;
    }
}
