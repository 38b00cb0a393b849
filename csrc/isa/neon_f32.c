#define MF_ISA_NEON
#define MF_F32
#include "kernels.inl"
