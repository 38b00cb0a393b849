/* AVX-512: 32 registers of 64 bytes. */
#define MF_ISA avx512
#define MF_ISA_AVX512
#define MF_VECTOR_BYTES 64
#define VECTORS 2
#define MR 8
#define UNIT 16
#define TALL(vectors) (vectors == 1 ? 16 : 8)
