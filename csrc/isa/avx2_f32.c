#define MF_F32
#include "isa/avx2.h"
#include "kernels.inl"
