/* Any processor, by what the compiler makes of vectors of 16 bytes. */
#define MF_ISA portable
#define MF_VECTOR_BYTES 16
#define VECTORS 2
#define MR 4
#define UNIT 4
#define TALL(vectors) 4
