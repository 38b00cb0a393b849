/* AVX2 with FMA: 16 registers of 32 bytes. */
#define MF_ISA avx2
#define MF_ISA_AVX2
#define MF_VECTOR_BYTES 32
#define VECTORS 2
#define MR 4
#define UNIT 12
#define TALL(vectors) (vectors == 1 ? 12 : 6)
