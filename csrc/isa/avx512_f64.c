#define MF_ISA_AVX512
#define MF_F64
#include "kernels.inl"
