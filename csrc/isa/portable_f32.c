#define MF_ISA_PORTABLE
#define MF_F32
#include "kernels.inl"
