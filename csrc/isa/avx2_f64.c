#define MF_ISA_AVX2
#define MF_F64
#include "kernels.inl"
