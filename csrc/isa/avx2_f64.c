#define MF_F64
#include "isa/avx2.h"
#include "kernels.inl"
