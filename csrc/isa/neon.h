/* NEON: 32 registers of 16 bytes. */
#define MF_ISA neon
#define MF_ISA_NEON
#define MF_VECTOR_BYTES 16
#define VECTORS 4
#define MR 4
#define UNIT 16
#define TALL(vectors) (vectors == 1 ? 16 : vectors == 2 ? 8 : 4)
