/* For sine and cosine of angles so large that a few parts of pi/2 do not tell their remainder. */
#ifndef MLPFAST_ANGLE_H
#define MLPFAST_ANGLE_H

#include <stdint.h>

/* x = k pi/2 + high + low, |high| <= pi/4, for any finite x >= 1; |low| is at most half an ulp of high. Returns k
 * modulo 4. */
int mf_angle_remainder(double x, double *high, double *low);

#endif
