#define MF_ISA_AVX512
#define MF_F32
#include "kernels.inl"
