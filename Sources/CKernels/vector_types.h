// The registers of one level, as the compiler's own vectors (GCC vector extension): these files
// know no intrinsics, and the same text serves SSE2, AVX2, AVX-512 and NEON. kernels.c includes
// them once per level, with these macros set:
//
//   NAMED(x)  the name of x at this level
//   TARGET    the function attribute that allows the level's instructions
//   LANES     floats in one register: 4, 8 or 16
//   TALL      rows in a tile at the most: 1 to 6

typedef float NAMED(floats) __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t NAMED(ints) __attribute__((vector_size(LANES * sizeof(float))));
typedef float NAMED(memory)
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef _Bool NAMED(bits) __attribute__((ext_vector_type(LANES)));

#define UNROLLED _Pragma("clang loop unroll(full)")
#define LOAD(address) (*(const NAMED(memory) *)(address))
#define STORE(address, value) (*(NAMED(memory) *)(address) = (value))
