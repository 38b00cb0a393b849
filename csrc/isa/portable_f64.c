#define MF_ISA_PORTABLE
#define MF_F64
#include "kernels.inl"
