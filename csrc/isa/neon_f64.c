#define MF_ISA_NEON
#define MF_F64
#include "kernels.inl"
