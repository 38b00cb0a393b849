#define MF_F32
#include "isa/neon.h"
#include "kernels.inl"
