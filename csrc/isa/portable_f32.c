#define MF_F32
#include "isa/portable.h"
#include "kernels.inl"
