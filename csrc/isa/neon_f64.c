#define MF_F64
#include "isa/neon.h"
#include "kernels.inl"
