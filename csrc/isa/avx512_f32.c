#define MF_F32
#include "isa/avx512.h"
#include "kernels.inl"
