#define MF_F64
#include "isa/portable.h"
#include "kernels.inl"
