#define MF_ISA_AVX2
#define MF_F32
#include "kernels.inl"
