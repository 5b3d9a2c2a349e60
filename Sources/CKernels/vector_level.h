// The loops of one level: types first, then elements (which products apply), then products.
#include "vector_types.h"

#include "vector_elements.h"
#include "vector_products.h"

#undef UNROLLED
#undef LOAD
#undef STORE
#undef NAMED
#undef TARGET
#undef LANES
#undef TALL
