#define MF_F64
#include "isa/avx512.h"
#include "kernels.inl"
